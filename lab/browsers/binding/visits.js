// What a visitor sees whose browser can be bound.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { LONG, PROOF, SEEN, SESSION, bind, eventually, expire, jarOf, proven, signIn, unproven } from './world.js';

const BODY = { note: 'x'.repeat(1000) };
const OTHERS = { 'another site': 'https://other.test', 'a sibling site': 'https://sibling.example.test' };

// Follows a link of another site's page.
async function follow(visitor, host, site, path = '/') {
  await visitor.open(`${host}/?to=${site.url}${path}`);
  await visitor.click('#link');
}

// The text of the page, after its one step.
const greeting = (visitor, accept) => eventually('the page', () => visitor.text('#who').catch(() => null), accept);

export const visits = {
  'a sign-in by fetch registers, and the first refresh binds': async (world) => {
    const site = await world.site();
    const visitor = await world.visitor();
    const { set } = await signIn(site, visitor);
    assert.equal(set[PROOF].length, 60);
    assert.equal((await jarOf(site, visitor))[SEEN].length, 44);
    await bind(site, visitor);
    assert.ok((await site.events()).some((event) => /is bound to a device/.test(event)));
  },

  'a sign-in by a page that redirects registers too': async (world) => {
    const site = await world.site();
    const visitor = await world.visitor();
    await visitor.open(`${site.url}/sign-in`);
    await site.until('registration', ({ path, status }) => path === '/device/register' && status === 200);
    await bind(site, visitor);
  },

  'a guest is offered nothing': async (world) => {
    const site = await world.site();
    const visitor = await world.visitor();
    await visitor.open(`${site.url}/`);
    assert.equal(site.log.find(({ path }) => path === '/').answer['secure-session-registration'], undefined);
    assert.deepEqual(await jarOf(site, visitor), {});
  },

  'the browser finds its proof: five requests cause no refresh': async (world) => {
    const { site, visitor } = await world.bound(LONG);
    site.mark();
    for (let request = 0; request < 5; request += 1) proven(await visitor.fetch('/who'));
    assert.equal(site.refreshes().length, 0);
  },

  'a page, fetch and POST with a body arrive proven after expiry': async (world) => {
    const { site, visitor } = await world.bound();
    await expire(site, visitor);
    await visitor.open(`${site.url}/`);
    assert.equal(await visitor.text('#who'), 'Ada Proven');
    await expire(site, visitor);
    proven(await visitor.fetch('/who'));
    await expire(site, visitor);
    const answer = await visitor.fetch('/who', BODY);
    proven(answer);
    assert.equal(answer.body, 1005);
    assert.equal(site.requests('/who').length, 1);
  },

  'twelve parallel requests cause at most two refreshes': async (world) => {
    const { site, visitor } = await world.bound();
    await expire(site, visitor);
    site.fault = async ({ path }) => { if (path === '/device/refresh') await sleep(300); };
    const answers = await visitor.run(() => Promise.all(Array.from({ length: 12 }, async () => {
      const response = await fetch('/who');
      return { status: response.status, ...await response.json() };
    })));
    assert.equal(answers.length, 12);
    answers.forEach(proven);
    const refreshes = site.refreshes(200).length;
    assert.ok(refreshes <= 2, `${refreshes} refreshes`);
    return String(refreshes);
  },

  'an excluded path causes no refresh': async (world) => {
    const { site, visitor } = await world.bound();
    await expire(site, visitor);
    unproven(await visitor.fetch('/assets/logo'));
    await sleep(500);
    assert.equal(site.refreshes().length, 0);
    proven(await visitor.fetch('/who'));
  },

  'a late answer that writes loses neither its data nor the binding': (world) => late(world, async (visitor) => {
    await visitor.run(() => {
      window.late = fetch('/slow-change', { method: 'POST', body: new URLSearchParams({ note: 'late' }) })
        .then(({ status }) => status);
    });
  }, 'late'),

  'a late answer that renews loses no binding': (world) => late(world, async (visitor) => {
    await visitor.run(() => { window.late = fetch('/slow-read').then(({ status }) => status); });
  }, ''),

  'a link from another and from a sibling site arrives proven after one step': async (world) => {
    const { site, visitor } = await world.bound();
    for (const [name, host] of Object.entries(OTHERS)) {
      await expire(site, visitor);
      await follow(visitor, host, site);
      await greeting(visitor, (text) => text === 'Ada Proven');
      assert.equal(site.requests('/').length, 2, `${name}: ${site.story()}`);
    }
  },

  'while the proof lives, such a link needs no step': async (world) => {
    const { site, visitor } = await world.bound(LONG);
    for (const host of Object.values(OTHERS)) {
      site.mark();
      await follow(visitor, host, site);
      await greeting(visitor, (text) => text === 'Ada Proven');
      assert.equal(site.requests('/').length, 1, site.story());
    }
  },

  'on an ended binding such a link takes at most three requests': async (world) => {
    const { site, visitor } = await world.bound();
    await expire(site, visitor);
    await endBinding(site, visitor);
    for (const [name, host] of Object.entries(OTHERS)) {
      site.mark();
      await follow(visitor, host, site);
      await greeting(visitor, (text) => text === 'guest Unproven');
      await sleep(1000);
      assert.ok(site.requests('/').length <= 3, `${name}: ${site.story()}`);
    }
    await signIn(site, visitor);
    await bind(site, visitor);
  },

  'with `allow_initiator` a link of that site arrives proven at once': async (world) => {
    const { site, visitor } = await world.bound({ initiators: ['other.test'] });
    await expire(site, visitor);
    await follow(visitor, OTHERS['another site'], site);
    await greeting(visitor, (text) => text === 'Ada Proven');
    assert.equal(site.requests('/').length, 1, site.story());
    const [refresh] = site.refreshes(200);
    return `its refresh carries ${Object.keys(refresh.cookies).join(' ') || 'no cookies'}`;
  },

  'SameSite=Strict works; a link of a sibling site takes one step, one of another site has no session': async (world) => {
    const { site, visitor } = await world.bound({ strict: true });
    await expire(site, visitor);
    proven(await visitor.fetch('/who'));
    await expire(site, visitor);
    await follow(visitor, OTHERS['a sibling site'], site);
    await greeting(visitor, (text) => text === 'Ada Proven');
    await expire(site, visitor);
    await follow(visitor, OTHERS['another site'], site);
    await greeting(visitor, (text) => text === 'guest Unbound');
    await visitor.open(`${site.url}/`);
    assert.equal(await visitor.text('#who'), 'Ada Proven');
  },

  '`cycle_id` keeps the binding': async (world) => {
    const { site, visitor } = await world.bound();
    const { id } = await visitor.fetch('/who');
    await expire(site, visitor);
    await visitor.fetch('/cycle', {});
    await expire(site, visitor);
    const answer = await visitor.fetch('/who');
    proven(answer);
    assert.notEqual(answer.id, id);
    assert.equal(site.requests('/device/register').length, 0);
  },

  'a second sign-in replaces the binding': async (world) => {
    const { site, visitor } = await world.bound();
    const [{ headers }] = site.refreshes(200);
    const { id } = await visitor.fetch('/who');
    await signIn(site, visitor);
    await bind(site, visitor);
    await expire(site, visitor);
    const answer = await visitor.fetch('/who');
    proven(answer);
    assert.notEqual(answer.id, id);
    const used = site.refreshes(200).map((entry) => entry.headers['sec-secure-session-id']);
    assert.ok(used.length > 0 && !used.includes(headers['sec-secure-session-id']), 'the new key proves');
    await expire(site, visitor);
    proven(await visitor.fetch('/who'));
    return `refused refreshes of the first key: ${site.log.filter(({ status }) => status === 401).length}`;
  },

  'a late proof of the session before costs a page one step, and fetch one answer': async (world) => {
    const { site, visitor } = await world.bound(LONG);
    const old = (await jarOf(site, visitor))[PROOF];
    await signIn(site, visitor);
    await bind(site, visitor);
    const bringBack = () => visitor.context.addCookies([{
      name: PROOF, value: old, url: site.url, httpOnly: true, secure: true, sameSite: 'Lax', expires: Date.now() / 1000 + 600,
    }]);
    await bringBack();
    site.mark();
    await visitor.open(`${site.url}/`);
    assert.equal(await visitor.text('#who'), 'Ada Proven');
    assert.deepEqual(site.requests('/').map(({ status }) => status), [307, 200]);
    await bringBack();
    unproven(await visitor.fetch('/who'));
    proven(await visitor.fetch('/who'));
  },

  'sign-out removes the cookies, and the browser stops refreshing after one 401': async (world) => {
    const { site, visitor } = await world.bound();
    await visitor.fetch('/sign-out', {});
    await eventually('empty', () => jarOf(site, visitor), (jar) => !(SESSION in jar) && !(SEEN in jar));
    await expire(site, visitor);
    assert.deepEqual(await jarOf(site, visitor), {});
    for (let request = 0; request < 4; request += 1) {
      const { name, device } = await visitor.fetch('/who');
      assert.deepEqual({ name, device }, { name: null, device: 'Unbound' });
    }
    await sleep(500);
    const refused = site.log.filter(({ path, status }) => path === '/device/refresh' && status === 401).length;
    assert.ok(refused <= 1, `${refused} times 401`);
    site.mark();
    await visitor.fetch('/who');
    await sleep(500);
    assert.equal(site.refreshes().length, 0);
    await signIn(site, visitor);
    await bind(site, visitor);
  },

  'an endpoint that answers 500 for a while costs the proof, not the session': async (world) => {
    const { site, visitor } = await world.bound();
    site.fault = ({ path }) => (path === '/device/refresh' ? 500 : undefined);
    await expire(site, visitor);
    unproven(await visitor.fetch('/who'));
    const skipped = site.requests('/who')[0].headers['secure-session-skipped'];
    site.fault = () => undefined;
    proven(await eventually('proven', () => visitor.fetch('/who'), ({ device }) => device === 'Proven'));
    assert.equal(site.refreshes(401).length, 0);
    return `Secure-Session-Skipped: ${String(skipped).split(';')[0]}`;
  },

  'while binding is introduced, an unproven session is a session': async (world) => {
    const { site, visitor } = await world.bound({ introduce: true });
    await expire(site, visitor);
    site.fault = ({ path }) => (path === '/device/refresh' ? 500 : undefined);
    const { name, device, state } = await visitor.fetch('/who');
    assert.deepEqual({ name, device, state }, { name: 'Ada', device: 'Unproven', state: 'Valid' });
    site.fault = () => undefined;
    proven(await eventually('proven', () => visitor.fetch('/who'), ({ device }) => device === 'Proven'));
  },

  'several tabs share the proof, and a sign-out in one ends the session in all': async (world) => {
    const { site, visitor } = await world.bound();
    const tabs = [visitor, await visitor.tab(), await visitor.tab()];
    await Promise.all(tabs.slice(1).map((tab) => tab.open(`${site.url}/static`)));
    await expire(site, visitor);
    const answers = await Promise.all(tabs.map((tab) => tab.fetch('/who')));
    answers.forEach(proven);
    const refreshes = site.refreshes(200).length;
    await tabs[1].fetch('/sign-out', {});
    for (const tab of tabs) assert.equal((await tab.fetch('/who')).name, null);
    await signIn(site, tabs[2]);
    await bind(site, tabs[2]);
    await expire(site, visitor);
    for (const tab of tabs) proven(await tab.fetch('/who'));
    return `${refreshes} refreshes for three tabs`;
  },

  '`RequireDevice` lets a proven session pass and no other': async (world) => {
    const { site, visitor } = await world.bound();
    proven(await visitor.fetch('/bound'));
    await expire(site, visitor);
    const { status } = await world.send(site, '/bound', await jarOf(site, visitor));
    assert.equal(status, 401);
    const plain = await world.send(site, '/sign-in', {}, { method: 'POST', body: 'name=Ada' });
    assert.equal((await world.send(site, '/required', plain.set)).status, 200);
    assert.equal((await world.send(site, '/bound', plain.set)).status, 403);
    proven(await visitor.fetch('/bound'));
  },
};

// The browser gives its key up.
export async function endBinding(site, visitor) {
  site.fault = ({ path }) => (path === '/device/refresh' ? 401 : undefined);
  unproven(await visitor.fetch('/who'));
  await site.until('end', ({ path, status }) => path === '/device/refresh' && status === 401);
  site.fault = () => undefined;
  site.mark();
  unproven(await visitor.fetch('/who'));
  assert.equal(site.refreshes().length, 0);
}

// A request that began before the session was bound is answered after it.
async function late(world, begin, note) {
  const site = await world.site();
  const visitor = await world.visitor();
  await signIn(site, visitor);
  // So that the request is not held until the session is bound, and that a read renews.
  site.fault = ({ path }) => (path === '/device/refresh' ? 500 : undefined);
  await eventually('gone', () => jarOf(site, visitor), (jar) => !(PROOF in jar));
  await site.clock(600);
  await begin(visitor);
  await site.servers[0].ask('POST', '/waiting?by=1');
  site.fault = () => undefined;
  const isProven = ({ device }) => device === 'Proven';
  await eventually('bound', () => visitor.fetch('/who'), isProven);
  await expire(site, visitor);
  proven(await visitor.fetch('/who'));
  await site.servers[0].ask('POST', '/open?by=1');
  assert.equal(await visitor.run(() => window.late), 200);
  // It came in plain, and so it renews a plain session.
  const { set } = await site.until('answer', ({ path }) => path.startsWith('/slow'), { since: 0 });
  assert.equal(set[SEEN].length, 44);
  const meanwhile = await jarOf(site, visitor);
  await expire(site, visitor);
  await eventually('bound again', () => visitor.fetch('/who'), isProven);
  await expire(site, visitor);
  const answer = await visitor.fetch('/who');
  proven(answer);
  assert.equal(answer.note, note);
  const jar = await jarOf(site, visitor);
  assert.equal(jar[SEEN].length, 66);
  await expire(site, visitor);
  unproven(await world.send(site, '/who', jar));
  // The weakness: a copy made before the session was bound again.
  assert.equal((await world.send(site, '/who', meanwhile)).device, 'Unbound');
}
