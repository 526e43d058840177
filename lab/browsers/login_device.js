// The login example with `--device`, by hand: in the Chromium that the example's script starts, sessions are bound, and
// a copy of the cookies dies. It takes a minute and a half:
//   cargo build -p login --features device && node lab/browsers/login_device.js target/debug/login

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { spawn } from 'node:child_process';
import { chromium } from 'playwright-core';
import { complaintsOf, inspector } from './pages.js';
import { adopt, endAll } from './start.js';

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
  const look = inspector(page, screenshots);
  const heading = () => page.locator('h1').textContent();
  const click = (name) => page.getByRole('button', { name, exact: true }).click();
  const answers = [];
  page.on('response', (response) => {
    if (new URL(response.url()).pathname === '/prove') {
      answers.push(response.status());
    }
  });
  // The page loads itself again each second.
  const appears = (text, seconds) => page.getByText(text).first().waitFor({ timeout: 1000 * seconds });

  await property('sign-in binds the session within seconds', async () => {
    await page.goto(url);
    await page.getByLabel('Your name').fill('Ada');
    await click('Sign in');
    assert.equal(await heading(), 'Hello, Ada.');
    await appears('Only your device keeps this session alive.', 10);
    await look('bound');
  });
  await property('a form that needs a new proof arrives proven, in two steps', async () => {
    // Between 10 and 15 seconds after a proof: later the browser proves itself before it sends the form.
    for (let tries = 0; tries < 3 && !answers.includes(307); tries += 1) {
      await page.goto(url);
      await page.waitForTimeout(12_000);
      answers.length = 0;
      await click('Prove now');
      assert.equal(await heading(), 'Your device proved itself.');
    }
    assert.deepEqual(answers, [307, 200]);
    await look('proven');
    await page.getByRole('link', { name: 'go back to your session' }).click();
  });
  await property('a copy is refused there, and dies while the visitor stays signed in', async () => {
    await click('Copy my cookies as a thief would');
    assert.equal(await heading(), 'A thief has your cookies.');
    await look('thief');
    await appears('after the copy was made', 20);
    assert.equal(await heading(), 'A thief has your cookies.');
    await appears('The copy is dead.', 90);
    assert.match(await page.locator('main').textContent(), /Hello, Ada\..*This server remembers no one\./s);
    await look('dead');
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

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'login-'));
const screenshots = path.join(import.meta.dirname, 'screenshots', 'device');
const property = async (name, holds) => {
  await holds();
  console.log(`ok  ${name}`);
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => endAll().finally(() => process.exit(1)));
try {
  await walkDevice({ program: process.argv[2], directory, screenshots, property });
} finally {
  await endAll();
  fs.rmSync(directory, { recursive: true, force: true });
}
