// Whether Chromium still binds sessions to software keys, and real registrations and refreshes for a Rust test.

import assert from 'node:assert/strict';
import { LIFETIME, SESSION, bind, expire, signIn } from './world.js';

// Whether the browser registers a key when it is offered, without a line of the crate.
export async function canBind(world) {
  const site = world.front.add('probe', []);
  const offer = { 'Secure-Session-Registration': '(ES256);path="/register";challenge="abc"' };
  site.fault = ({ path }) => (path === '/' ? { status: 200, headers: offer } : 400);
  const visitor = await world.visitor();
  await visitor.open(`${site.url}/`);
  const registered = await site.until('registration', ({ path }) => path === '/register').catch(() => null);
  await visitor.close();
  return /\./.test(registered?.headers['secure-session-response']);
}

// Each row is a request to an endpoint as the browser sent it, and the status of the answer.
export async function record(world) {
  const site = await world.site();
  const visitor = await world.visitor();
  const sent = [];
  let now = await site.clock(0);
  site.change = (entry) => {
    const { path, headers } = entry;
    if (path.startsWith('/device/')) {
      sent.push({
        endpoint: path.split('/').at(-1),
        now,
        cookies: headers.cookie ?? '',
        identifier: headers['sec-secure-session-id'] ?? null,
        proof: headers['secure-session-response'] ?? null,
        entry,
      });
    }
    return {};
  };
  const later = async () => {
    await expire(site, visitor);
    now = await site.clock(0);
    await visitor.fetch('/who');
  };
  for (const form of [{}, { remember: true }]) {
    await signIn(site, visitor, form);
    await bind(site, visitor);
    await later();
    await later();
  }
  await visitor.fetch('/sign-out', {});
  await later();
  await expire(site, visitor);
  const proven = new Set();
  const rows = sent.flatMap(({ entry, ...row }) => {
    const { status, cookies } = entry;
    const key = `${row.identifier} ${cookies[SESSION]}`;
    // A session that was revoked meanwhile: the table has no revocations.
    if (status === 401 && proven.has(key)) return [];
    if (status === 200) proven.add(key);
    return [{ ...row, status }];
  });
  const seen = new Set(rows.map(({ endpoint, status }) => `${endpoint} ${status}`));
  for (const kind of ['register 200', 'refresh 200', 'refresh 403', 'refresh 401']) assert.ok(seen.has(kind), kind);
  return {
    note: 'Recorded by `lab/browsers/device --record`. The key was made for it and is used nowhere else.',
    browser: world.browser.name,
    secret: site.servers[0].key.split('_').at(-1),
    audience: 'device',
    proof_lifetime: LIFETIME,
    rows,
  };
}
