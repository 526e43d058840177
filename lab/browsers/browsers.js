// One small interface for both browsers. `openChromium` and `openFirefox` answer with { name, visitor, close }: a
// visitor has a cookie jar and one tab.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { WebSocket } from 'ws';
import { adopt } from './start.js';

export const CHROMIUM = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
  // test.js handles the signals; Chromium ends with this process.
  handleSIGINT: false,
  handleSIGTERM: false,
  handleSIGHUP: false,
};
const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

// The common part of both.
class Visitor {
  // A request of the page's own script. `form` makes it a POST.
  async fetch(path, form) {
    const { status, text } = await this.run(async ([path, form]) => {
      const init = form ? { method: 'POST', body: new URLSearchParams(form) } : {};
      const response = await fetch(path, init);
      return { status: response.status, text: await response.text() };
    }, [path, form]);
    return { status, text, ...(text.startsWith('{') ? JSON.parse(text) : {}) };
  }

  text(selector) {
    return this.run((selector) => document.querySelector(selector)?.textContent ?? null, selector);
  }

  click(selector) {
    return this.#leave((selector) => document.querySelector(selector).click(), selector);
  }

  // Presses Back. The browser may show the old page as it was left, and then no page loads.
  back() {
    return this.#leave(() => history.back());
  }

  async #leave(how, argument) {
    const left = Math.random();
    await this.run((left) => { window.left = left; }, left);
    await this.run(how, argument);
    for (let waited = 0; waited < 8000; waited += 50) {
      await sleep(50);
      // Between two pages no page answers, or Firefox's about:blank does, which is complete at once.
      const there = await this.run((left) => window.left !== left && location.protocol !== 'about:'
        && document.readyState === 'complete', left).catch(() => false);
      if (there) return;
    }
    throw new Error('the page did not change');
  }
}

// ---- Chromium, driven by playwright-core.

// `features` are switched on. A `profile` is a directory that outlives the browser, with one visitor.
export async function openChromium({ tlsPort, spki, features, profile }) {
  const options = {
    ...CHROMIUM,
    // Keeps pages alive for Back, as a browser does outside of tests.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: [...CHROMIUM.args,
      `--host-resolver-rules=MAP *.example.test 127.0.0.1:${tlsPort}, MAP other.test 127.0.0.1:${tlsPort}, MAP * ~NOTFOUND, EXCLUDE localhost`,
      `--ignore-certificate-errors-spki-list=${spki}`, ...(features ? [`--enable-features=${features}`] : [])],
  };
  if (profile) {
    const context = await chromium.launchPersistentContext(profile, options);
    return {
      name: `Chromium ${context.browser().version()}`,
      visitor: async () => new ChromiumVisitor(context, await context.newPage()),
      close: () => context.close(),
    };
  }
  const browser = await chromium.launch(options);
  return {
    name: `Chromium ${browser.version()}`,
    visitor: async () => {
      const context = await browser.newContext();
      return new ChromiumVisitor(context, await context.newPage());
    },
    close: () => browser.close(),
  };
}

class ChromiumVisitor extends Visitor {
  constructor(context, page) {
    super();
    this.context = context;
    this.page = page;
  }

  // Another tab with the same jar.
  async tab() {
    return new ChromiumVisitor(this.context, await this.context.newPage());
  }

  async open(url) {
    const response = await this.page.goto(url);
    return response?.status();
  }

  run(script, argument) {
    return this.page.evaluate(script, argument);
  }

  cookies() {
    return this.context.cookies();
  }

  // All cookies, or those of this name.
  forget(name) {
    return this.context.clearCookies(name && { name });
  }

  // Puts another value into a cookie that is there.
  async put(name, value) {
    const cookie = (await this.cookies()).find((cookie) => cookie.name === name);
    await this.context.addCookies([{ ...cookie, value }]);
  }

  close() {
    return this.context.close();
  }
}

// ---- Firefox as it comes from Debian, driven by WebDriver BiDi.

export async function openFirefox({ connectPort, directory }) {
  const profile = fs.mkdtempSync(path.join(directory, 'firefox-'));
  const args = ['--headless', '--no-remote', '--remote-debugging-port', '0', '--profile', profile];
  const child = spawn(FIREFOX, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: profile } });
  adopt(child);
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const close = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  try {
    const address = await new Promise((resolve, reject) => {
      child.on('error', reject);
      ended.then((code) => reject(new Error(`Firefox ended (${code}) before it could be driven`)));
      readline.createInterface({ input: child.stderr }).on('line', (line) => {
        const found = /WebDriver BiDi listening on (ws:\S+)/.exec(line);
        if (found) resolve(found[1]);
      });
    });
    const bidi = await connect(`${address}/session`);
    const { capabilities } = await bidi('session.new', {
      capabilities: {
        alwaysMatch: {
          acceptInsecureCerts: true,
          proxy: { proxyType: 'manual', sslProxy: `127.0.0.1:${connectPort}` },
        },
      },
    });
    return {
      name: `Firefox ${capabilities.browserVersion}`,
      visitor: async () => {
        const { userContext } = await bidi('browser.createUserContext', {});
        const { context } = await bidi('browsingContext.create', { type: 'tab', userContext });
        return new FirefoxVisitor(bidi, userContext, context);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

// Answers with a function that sends a command and answers with its result.
async function connect(address) {
  const socket = new WebSocket(address, { perMessageDeflate: false });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const waiting = new Map();
  socket.on('message', (text) => {
    const message = JSON.parse(text);
    const { resolve, reject } = waiting.get(message.id) ?? {};
    waiting.delete(message.id);
    if (message.type === 'success') resolve?.(message.result);
    if (message.type === 'error') reject?.(new Error(`${message.error}: ${message.message}`));
  });
  socket.on('close', () => waiting.forEach(({ reject }) => reject(new Error('Firefox has gone'))));
  let id = 0;
  return (method, params) => new Promise((resolve, reject) => {
    id += 1;
    waiting.set(id, { resolve, reject });
    socket.send(JSON.stringify({ id, method, params }));
  });
}

class FirefoxVisitor extends Visitor {
  constructor(bidi, userContext, context) {
    super();
    Object.assign(this, { bidi, userContext, context });
  }

  async open(url) {
    await this.bidi('browsingContext.navigate', { context: this.context, url, wait: 'complete' });
    return this.run(() => performance.getEntriesByType('navigation')[0]?.responseStatus);
  }

  async run(script, argument = null) {
    const { type, result, exceptionDetails } = await this.bidi('script.callFunction', {
      functionDeclaration: `async (text) => JSON.stringify(await (${script})(JSON.parse(text))) ?? 'null'`,
      arguments: [{ type: 'string', value: JSON.stringify(argument) }],
      target: { context: this.context },
      awaitPromise: true,
      userActivation: true,
    });
    if (type === 'exception') throw new Error(exceptionDetails.text);
    return JSON.parse(result.value);
  }

  async cookies() {
    const { cookies } = await this.bidi('storage.getCookies', { partition: this.#jar() });
    // The list can still name a cookie that was removed a moment ago, with its end rounded to the next second.
    const kept = cookies.filter(({ expiry }) => expiry === undefined || expiry > Date.now() / 1000 + 1);
    return kept.map(({ value, expiry, sameSite, ...cookie }) => ({
      ...cookie,
      value: value.type === 'string' ? value.value : Buffer.from(value.value, 'base64').toString('latin1'),
      expires: expiry ?? -1,
      sameSite: sameSite[0].toUpperCase() + sameSite.slice(1),
    }));
  }

  forget(name) {
    return this.bidi('storage.deleteCookies', { filter: name && { name }, partition: this.#jar() });
  }

  async put(name, value) {
    const { cookies } = await this.bidi('storage.getCookies', { filter: { name }, partition: this.#jar() });
    const [{ size, ...cookie }] = cookies;
    await this.bidi('storage.setCookie', { cookie: { ...cookie, value: { type: 'string', value } }, partition: this.#jar() });
  }

  #jar() {
    return { type: 'storageKey', userContext: this.userContext };
  }

  close() {
    return this.bidi('browser.removeUserContext', { userContext: this.userContext });
  }
}
