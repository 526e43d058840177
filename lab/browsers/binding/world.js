// What each property gets: servers at an address of their own, and a visitor with a jar of his own.

import assert from 'node:assert/strict';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { openChromium, openFirefox } from '../browsers.js';
import { start } from '../start.js';

// Both are needed. The first one's parameter lifts the quota of six signatures in nine minutes.
const SOFTWARE_KEYS = 'EnableBoundSessionCredentialsSoftwareKeysForManualTesting';
export const FEATURES = `DeviceBoundSessions:RefreshQuota/false,${SOFTWARE_KEYS}`;
export const FEATURES_WITH_QUOTA = `DeviceBoundSessions,${SOFTWARE_KEYS}`;

export const PROOF = '__Host-id-proof';
export const SESSION = '__Host-id';
export const SEEN = '__Host-id-seen';
export const ASKED = '__Host-id-asked';

// The proof lives for 64 seconds of the server's clock, and for 4 seconds in the browser.
export const LIFETIME = 64;
// Such a proof needs no refresh while a test runs.
export const LONG = { proof_lifetime: 660 };

let count = 0;

export class World {
  constructor({ program, front, directory, spki, browser }) {
    Object.assign(this, { program, front, directory, spki, browser });
  }

  async server(settings = {}) {
    let child;
    const started = (it) => { child = it; };
    const read = JSON.parse;
    const { site, control, key } = await start(this.program, { args: [JSON.stringify(settings)], read, started });
    const end = () => new Promise((resolve) => {
      child.on('exit', resolve);
      child.kill('SIGTERM');
    });
    return { port: site, key, ask: (method, path) => ask(control, method, path), end };
  }

  // An address with one server for each of the settings; all have the first one's key.
  async site(...settings) {
    const [first = {}, ...others] = settings;
    const servers = [await this.server(first)];
    for (const other of others) servers.push(await this.server({ key: servers[0].key, ...other }));
    count += 1;
    return this.front.add(`a${count}`, servers);
  }

  visitor() {
    return this.browser.visitor();
  }

  chromium(options) {
    return openChromium({ tlsPort: this.front.port, spki: this.spki, ...options });
  }

  firefox() {
    return openFirefox({ connectPort: this.front.connectPort, directory: this.directory });
  }

  send(...request) {
    return this.front.send(...request);
  }

  // A site and a visitor whose session is bound.
  async bound(settings = {}, form = {}) {
    const site = await this.site(settings);
    const visitor = await this.visitor();
    await signIn(site, visitor, form);
    await bind(site, visitor);
    return { site, visitor };
  }
}

// Signs in, and waits until the browser has registered a key.
export async function signIn(site, visitor, form = {}) {
  const since = site.log.length;
  await visitor.open(`${site.url}/static`);
  const { status } = await visitor.fetch('/sign-in', { name: 'Ada', ...form });
  assert.equal(status, 200);
  const { answer } = await site.until('sign-in', ({ path }) => path === '/sign-in', { since });
  assert.match(answer['secure-session-registration'], /^\(ES256\);path="\/device\/register";challenge="[\w-]{55}"$/);
  return site.until('registration', ({ path, status }) => path === '/device/register' && status === 200, { since });
}

// Waits until the next request has bound the session.
export async function bind(site, visitor) {
  const since = site.log.length;
  await visitor.fetch('/who');
  const accept = ({ path, status, set }) => path === '/device/refresh' && status === 200 && set[SEEN] !== undefined;
  const { set } = await site.until('binding', accept, { since });
  assert.equal(set[SEEN].length, 66);
  assert.equal((await visitor.fetch('/who')).device, 'Proven');
}

export async function jarOf(site, visitor) {
  const cookies = (await visitor.cookies()).filter(({ domain }) => domain === site.host);
  return Object.fromEntries(cookies.map(({ name, value }) => [name, value]));
}

// Waits until the proof has ended, in the browser and for the servers.
export async function expire(site, visitor) {
  const refreshing = () => site.log.some(({ path, status }) => path.startsWith('/device/') && status === null);
  for (let waited = 0; PROOF in await jarOf(site, visitor) || refreshing(); waited += 50) {
    if (waited > 20_000) throw new Error('the browser keeps the proof');
    await sleep(50);
  }
  await site.clock(LIFETIME + 1);
  site.mark();
}

// Asks until the answer is as it should be: browsers wait a little after a failure of the endpoint.
export async function eventually(what, ask, accept) {
  let last;
  for (let tries = 0; tries < 40; tries += 1) {
    last = await ask();
    if (accept(last)) return last;
    await sleep(500);
  }
  throw new Error(`never ${what}: ${JSON.stringify(last)}`);
}

export const proven = (answer) => assert.deepEqual(
  { name: answer.name, device: answer.device, status: answer.status }, { name: 'Ada', device: 'Proven', status: 200 });
export const unproven = (answer) => assert.deepEqual(
  { name: answer.name, device: answer.device, state: answer.state },
  { name: null, device: 'Unproven', state: 'Rejected(Unproven)' });

function ask(port, method, path) {
  return new Promise((resolve, reject) => {
    const sent = http.request({ host: '127.0.0.1', port, method, path, timeout: 20_000 }, async (answer) => {
      resolve(Buffer.concat(await answer.toArray()).toString());
    });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error(`${path} waits in vain`)));
    sent.end();
  });
}
