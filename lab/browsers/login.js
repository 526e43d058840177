// The login example, walked as a visitor would, with pictures of every page in light and dark, wide and narrow.
//
// By hand, also bound to a device, in the Chromium that the example's script starts; it takes a minute and a half:
//   cargo build -p login --features device && node lab/browsers/login.js target/debug/login

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { CHROMIUM } from './browsers.js';
import { adopt, endAll, start } from './start.js';

const DAY = 86_400;

export async function walkLogin({ program, directory, screenshots, property }) {
  const url = await start(program, {
    env: { PORT: '0', LOGIN_KEYS: path.join(directory, 'login-keys.txt'), NO_COLOR: '1' },
    read: (line) => /listening on (http:\S+)/.exec(line)?.[1],
  });
  const browser = await chromium.launch(CHROMIUM);
  const context = await browser.newContext();
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  const picture = camera(page, screenshots);

  const heading = () => page.locator('h1').textContent();
  const count = () => page.locator('.count').textContent();
  const click = (name) => page.getByRole('button', { name, exact: true }).click();
  const jar = async () => Object.fromEntries((await context.cookies()).map((cookie) => [cookie.name, cookie]));
  const signIn = async (name, remember) => {
    await page.getByLabel('Your name').fill(name);
    await page.getByLabel(/Remember me/).setChecked(remember);
    await click('Sign in');
  };

  await property('a guest is greeted and gets no cookie', async () => {
    await page.goto(url);
    assert.equal(await heading(), 'This server remembers no one.');
    assert.deepEqual(await context.cookies(), []);
    await picture('guest');
  });
  await property('sign-in with a remembered session: two cookies that outlive the browser', async () => {
    await signIn('Ada', true);
    assert.equal(await heading(), 'Hello, Ada.');
    const { 'login-demo': session, 'login-demo-seen': activity, ...others } = await jar();
    assert.deepEqual(others, {});
    const days = ({ expires }) => Math.round((expires - Date.now() / 1000) / DAY);
    assert.deepEqual([days(session), days(activity)], [90, 14]);
    assert.ok(session.httpOnly && activity.httpOnly);
    assert.match(await page.locator('.facts').textContent(), /Remembered\s*yes/);
    await picture('signed-in');
  });
  await property('the basket travels in the cookie', async () => {
    const before = await jar();
    await click('one honey more');
    await click('one honey more');
    await click('one bread more');
    await click('one tea more');
    await click('one tea less');
    assert.equal(await count(), '3');
    assert.match(await page.locator('.opened').textContent(), /"honey":2/);
    const after = await jar();
    assert.notEqual(after['login-demo'].value, before['login-demo'].value);
    assert.equal(after['login-demo-seen'].value, before['login-demo-seen'].value);
    assert.ok(await page.getByRole('button', { name: 'one tea less' }).isDisabled());
    await page.reload();
    assert.equal(await count(), '3');
    await picture('basket');
  });
  await property('the secret is rotated under it, and the visitor stays signed in', async () => {
    const { 'login-demo': before } = await jar();
    const keyOfCookie = () => page.locator('.rings > div:last-child li:has(small)').textContent();
    await click('Rotate the secret');
    assert.equal(await heading(), 'Hello, Ada.');
    assert.equal((await jar())['login-demo'].value, before.value);
    assert.match(await keyOfCookie(), /open/);
    await picture('rotated');
    await click('one olives more');
    assert.match(await keyOfCookie(), /seal/);
    assert.equal(await count(), '4');
  });
  await property('a flipped bit signs out plainly, and flipped back it opens', async () => {
    for (const part of ['Flip a bit of the session id', 'Flip a bit of the sealed state']) {
      await click(part);
      assert.equal(await heading(), 'This server remembers no one.');
      assert.equal(await page.locator('.note').count(), 1);
      if (part.endsWith('state')) await picture('flipped');
      await click(part);
      assert.equal(await heading(), 'Hello, Ada.');
      assert.equal(await count(), '4');
    }
  });
  await property('after a flipped bit one can sign in again, with an empty basket', async () => {
    await click('Flip a bit of the sealed state');
    await signIn('Grace <b>"Hopper" & Söhne', false);
    assert.equal(await heading(), 'Hello, Grace <b>"Hopper" & Söhne.');
    assert.equal(await count(), '0');
    assert.equal((await jar())['login-demo'].expires, -1);
    await picture('signed-in-again');
  });
  await property('sign-out empties the jar', async () => {
    await click('Sign out');
    assert.equal(await heading(), 'This server remembers no one.');
    assert.deepEqual(await context.cookies(), []);
    assert.equal(await page.locator('.note').count(), 0);
    await picture('signed-out');
  });
  await property('Back after the sign-out shows no visitor', async () => {
    for (let step = 0; step < 3 && (await page.goBack()) !== null; step++) {
      assert.equal((await page.content()).includes('Grace'), false);
    }
    await page.goto(url);
  });
  await property('all visitors are signed out at once, and can sign in again', async () => {
    await signIn('Ada', false);
    await click('Sign everybody out');
    assert.equal(await heading(), 'This server remembers no one.');
    assert.equal(await page.locator('.note').count(), 1);
    await signIn('A name of exactly forty characters, yes it', false);
    assert.match(await heading(), /^Hello, A name of exactly forty characters/);
    await picture('long-name');
    await click('Sign out');
  });
  await property('the public page and the page without a name', async () => {
    await page.getByRole('link', { name: 'A public page' }).click();
    assert.equal(await heading(), 'The same for everybody.');
    await picture('public');
    await page.goto(url);
    await page.getByLabel('Your name').fill('   ');
    await click('Sign in');
    assert.equal(await heading(), 'A name, please.');
    await picture('no-name');
    await page.getByRole('link', { name: 'Back', exact: true }).click();
    assert.equal(await heading(), 'This server remembers no one.');
  });
  await property('no page makes the browser complain', async () => {
    const unexpected = complaints.filter((text) => !/422|favicon/.test(text));
    assert.deepEqual(unexpected, []);
  });
  await browser.close();
}

// With `--device`: the session is bound, a proof is asked for, and a copy of the cookies dies.
async function walkDevice({ program, directory, screenshots, property }) {
  const server = spawn(program, ['--device'], {
    env: { ...process.env, PORT: '0', LOGIN_KEYS: path.join(directory, 'login-keys.txt') },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  adopt(server);
  const [, script, url, hash] = await said(server.stdout, /(\S+\/chromium) (https:\S+) (\S+)/);
  const started = spawn(script, [url, hash, '--headless=new', '--remote-debugging-port=0'], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  adopt(started);
  const [, debugging] = await said(started.stderr, /DevTools listening on (ws:\S+)/);
  const browser = await chromium.connectOverCDP(debugging);
  const page = await browser.contexts()[0].newPage();
  const complaints = complaintsOf(page);
  const picture = camera(page, screenshots);
  const heading = () => page.locator('h1').textContent();
  const click = (name) => page.getByRole('button', { name, exact: true }).click();
  const answers = [];
  page.on('response', (response) => answers.push(`${new URL(response.url()).pathname} ${response.status()}`));
  // The page loads itself again each second.
  const appears = (text, seconds) => page.getByText(text).first().waitFor({ timeout: 1000 * seconds });

  await property('sign-in binds the session within seconds', async () => {
    await page.goto(url);
    await page.getByLabel('Your name').fill('Ada');
    await click('Sign in');
    assert.equal(await heading(), 'Hello, Ada.');
    await appears('Only your device keeps this session alive.', 10);
    await picture('bound');
  });
  await property('a form that needs a new proof arrives proven, in two steps', async () => {
    // Between 10 and 15 seconds after a proof: later the browser proves itself before it sends the form.
    for (let tries = 0; tries < 3 && !answers.includes('/prove 307'); tries += 1) {
      await page.goto(url);
      await page.waitForTimeout(12_000);
      answers.length = 0;
      await click('Prove now');
      assert.equal(await heading(), 'Your device proved itself.');
    }
    assert.deepEqual(answers, ['/prove 307', '/prove 200']);
    await picture('proven');
    await page.getByRole('link', { name: 'go back to your session' }).click();
  });
  await property('a copy is refused there, and dies while the visitor stays signed in', async () => {
    await click('Copy my cookies as a thief would');
    assert.equal(await heading(), 'A thief has your cookies.');
    await picture('thief');
    await appears('after the copy was made', 20);
    assert.equal(await heading(), 'A thief has your cookies.');
    await appears('The copy is dead.', 90);
    assert.match(await page.locator('main').textContent(), /Hello, Ada\..*This server remembers no one\./s);
    await picture('dead');
    await page.getByRole('link', { name: 'Back to your session' }).click();
    assert.equal(await heading(), 'Hello, Ada.');
  });
  await property('no page makes the browser complain', async () => {
    assert.deepEqual(complaints.filter((text) => !/favicon/.test(text)), []);
  });
  await (await browser.newBrowserCDPSession()).send('Browser.close');
  await new Promise((resolve) => started.on('exit', resolve));
  assert.deepEqual(fs.readdirSync(directory), ['login-keys.txt'], 'the script removes its profile');
}

// The first line of a stream that matches.
function said(stream, pattern) {
  return new Promise((resolve, reject) => {
    const lines = readline.createInterface({ input: stream });
    lines.on('line', (line) => pattern.test(line) && resolve(pattern.exec(line)));
    lines.on('close', () => reject(new Error(`nothing said ${pattern}`)));
  });
}

function complaintsOf(page) {
  const complaints = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  return complaints;
}

// A function that takes pictures of the page.
function camera(page, screenshots) {
  fs.rmSync(screenshots, { recursive: true, force: true });
  fs.mkdirSync(screenshots, { recursive: true });
  let number = 0;
  return async (name) => {
    number += 1;
    for (const width of [1100, 390]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 800 });
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        const file = `${String(number).padStart(2, '0')}-${name}-${width}-${colorScheme}.png`;
        await page.screenshot({ path: path.join(screenshots, file), fullPage: true });
      }
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(wider, 0, `${name} is ${wider} px wider than ${width} px`);
    }
    await page.setViewportSize({ width: 1100, height: 800 });
    await page.emulateMedia({ colorScheme: 'light' });
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'login-'));
  const screenshots = path.join(import.meta.dirname, 'screenshots', 'device');
  const property = async (name, holds) => {
    await holds();
    console.log(`ok  ${name}`);
  };
  try {
    await walkDevice({ program: process.argv[2], directory, screenshots, property });
  } finally {
    await endAll();
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
