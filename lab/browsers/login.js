// The login example, walked as a visitor would. `pages.js` looks at every page on the way. By itself: lab/browsers/demo

import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { CHROMIUM } from './browsers.js';
import { complaintsOf, inspector } from './pages.js';
import { endAll, start } from './start.js';

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
  const look = inspector(page, screenshots);

  const heading = () => page.locator('h1').textContent();
  const answer = () => page.getByRole('status').textContent();
  const count = () => page.locator('.count').textContent();
  const click = (name) => page.getByRole('button', { name, exact: true }).click();
  const follow = (name) => page.getByRole('link', { name, exact: true }).click();
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
    await look('guest');
  });
  await property('a guest gets a session with the first item, and loses it with the last', async () => {
    await click('one tea more');
    assert.match(await answer(), /You are a guest with a session/);
    assert.deepEqual(Object.keys(await jar()).sort(), ['login-demo', 'login-demo-seen']);
    await click('one tea less');
    assert.match(await answer(), /your session has ended/);
    assert.deepEqual(await context.cookies(), []);
    await click('one honey more');
    await click('one honey more');
    assert.match(await page.locator('.opened').textContent(), /{"basket":{"honey":2}}/);
    await look('guest-with-basket');
  });
  await property('a guest who asks for the orders signs in on the way, and keeps the basket', async () => {
    await follow('Orders');
    assert.equal(await heading(), 'Sign in first.');
    await look('sign-in');
    await page.getByLabel('Your name').fill('   ');
    await click('Sign in');
    assert.equal(await heading(), 'A name, please.');
    await look('no-name');
    await signIn('Ada', true);
    assert.equal(await heading(), 'Orders of Ada.');
    assert.equal(new URL(page.url()).pathname, '/orders');
    const { 'login-demo': session, 'login-demo-seen': activity, ...others } = await jar();
    assert.deepEqual(others, {});
    const days = ({ expires }) => Math.round((expires - Date.now() / 1000) / DAY);
    assert.deepEqual([days(session), days(activity)], [90, 14]);
    assert.ok(session.httpOnly && activity.httpOnly);
    await click('Order');
    assert.match(await answer(), /You have ordered 2 honey\./);
    await look('orders');
    await follow('sealed-session');
    assert.equal(await heading(), 'Hello, Ada.');
    assert.match(await page.locator('.facts').textContent(), /Remembered\s*Yes/);
    assert.equal(await count(), '0');
    await look('signed-in');
  });
  await property('the basket travels in the cookie', async () => {
    const before = await jar();
    await click('one honey more');
    await click('one honey more');
    await click('one bread more');
    await click('one tea more');
    await click('one tea less');
    assert.match(await answer(), /the same id/);
    assert.equal(await count(), '3');
    assert.match(await page.locator('.opened').textContent(), /"honey":2/);
    const after = await jar();
    assert.notEqual(after['login-demo'].value, before['login-demo'].value);
    assert.equal(after['login-demo-seen'].value, before['login-demo-seen'].value);
    assert.ok(await page.getByRole('button', { name: 'one tea less' }).isDisabled());
    // A reload sometimes leaves the focus elsewhere than the fragment.
    await page.goto(url);
    assert.equal(await count(), '3');
    await look('basket');
    // For README.md of the example, where `pngquant --speed 1 48` makes it small enough.
    const clip = { x: 0, y: 0, width: 1200, height: 1010 };
    await page.screenshot({ path: path.join(screenshots, 'readme.png'), clip, fullPage: true });
  });
  await property('the secret is rotated under it, and the visitor stays signed in', async () => {
    const { 'login-demo': before } = await jar();
    const keyOfCookie = () => page.locator('.ring tr:has(.yours)').textContent();
    await follow('Operator');
    await look('operator');
    await click('Rotate the secret');
    assert.match(await answer(), /^The secret was rotated: \w{8} seals, \w{8} only opens\. You are still signed in\.$/);
    assert.equal((await jar())['login-demo'].value, before.value);
    assert.doesNotMatch(await keyOfCookie(), /seals/);
    await look('rotated');
    await follow('sealed-session');
    assert.equal(await heading(), 'Hello, Ada.');
    await click('one olives more');
    assert.equal(await count(), '4');
    await follow('Operator');
    assert.match(await keyOfCookie(), /seals/);
    await follow('sealed-session');
  });
  await property('a flipped bit signs out plainly, and flipped back it opens', async () => {
    for (const [part, other] of [['session id', 'sealed state'], ['sealed state', 'session id']]) {
      await click(`Flip a bit of the ${part}`);
      assert.equal(await heading(), 'This server remembers no one.');
      assert.equal(await page.locator('.note').count(), 1);
      assert.match(await answer(), new RegExp(`^One bit is flipped: byte \\d+, in the ${part}`));
      assert.equal(await page.locator('mark').count(), 1);
      const isInSight = (mark) => mark.getBoundingClientRect().bottom < innerHeight;
      assert.ok(await page.locator('mark').evaluate(isInSight), 'the marked byte is below the fold');
      assert.ok(await page.getByRole('button', { name: `Flip a bit of the ${other}` }).isDisabled());
      await look(`flipped-${part.replace(' ', '-')}`);
      // The mark stays when one has been elsewhere.
      await follow('Operator');
      await follow('sealed-session');
      await click(`Flip it back in the ${part}`);
      assert.equal(await heading(), 'Hello, Ada.');
      assert.match(await answer(), /flipped back/);
      assert.equal(await page.locator('mark').count(), 0);
      assert.equal(await count(), '4');
    }
  });
  await property('after a flipped bit one can sign in again, with an empty basket', async () => {
    await click('Flip a bit of the sealed state');
    await signIn('Grace <b>"Hopper" & Söhne', false);
    assert.equal(await heading(), 'Hello, Grace <b>"Hopper" & Söhne.');
    assert.equal(await count(), '0');
    const { 'login-demo': { expires }, ...others } = await jar();
    assert.equal(expires, -1);
    assert.deepEqual(Object.keys(others), ['login-demo-seen']);
    await look('signed-in-again');
  });
  await property('sign-out empties the jar, and says so', async () => {
    await click('Sign out');
    assert.equal(await heading(), 'This server remembers no one.');
    assert.match(await answer(), /^You are signed out\./);
    assert.deepEqual(await context.cookies(), []);
    assert.equal(await page.locator('.note').count(), 0);
    await look('signed-out');
  });
  await property('Back after the sign-out shows no visitor', async () => {
    let steps = 0;
    while (steps < 3 && (await page.goBack()) !== null) {
      steps += 1;
      assert.equal((await page.content()).includes('Grace'), false);
    }
    assert.ok(steps > 0, 'Back led nowhere');
    await page.goto(url);
  });
  await property('all visitors are signed out at once, and can sign in again', async () => {
    await click('one tea more');
    await signIn('Ada', false);
    assert.match(await answer(), /your basket came along/);
    assert.equal(await count(), '1');
    await look('basket-kept');
    await follow('Operator');
    await click('Sign everybody out');
    assert.match(await answer(), /^All sessions that started before .* have ended, yours too\.$/);
    await look('everybody-signed-out');
    await follow('sealed-session');
    assert.equal(await heading(), 'This server remembers no one.');
    assert.equal(await page.locator('.note').count(), 1);
    await signIn('A name of exactly forty characters, yes it', false);
    assert.match(await heading(), /^Hello, A name of exactly forty characters/);
    await look('long-name');
    await click('Sign out everywhere');
    assert.match(await answer(), /^You are signed out in all browsers\./);
  });
  await property('the public page, and none', async () => {
    await follow('A public page');
    assert.equal(await heading(), 'The same for everybody.');
    await look('public');
    await page.goto(`${url}/nothing`);
    assert.equal(await heading(), 'There is no such page.');
    await look('not-found');
  });
  await property('no page makes the browser complain', async () => {
    const unexpected = complaints.filter((text) => !/422|404|favicon/.test(text));
    assert.deepEqual(unexpected, []);
  });
  await browser.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [program, directory] = process.argv.slice(2);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => endAll().finally(() => process.exit(1)));
  const property = async (name, holds) => {
    const start = Date.now();
    await holds();
    console.log(`ok  ${name} [${((Date.now() - start) / 1000).toFixed(1)} s]`);
  };
  try {
    const screenshots = path.join(import.meta.dirname, 'screenshots');
    await walkLogin({ program, directory, screenshots, property });
  } finally {
    await endAll();
  }
}
