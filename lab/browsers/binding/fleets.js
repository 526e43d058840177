// Several servers of one address, deploys, restarts, and browsers that come back or cannot be bound.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  FEATURES, FEATURES_WITH_QUOTA, LIFETIME, SESSION, bind, expire, jarOf, proven, signIn, unproven,
} from './world.js';

// Every request goes to the next server.
function alternate(site) {
  let turn = 0;
  site.choose = () => {
    turn += 1;
    return turn % site.servers.length;
  };
}

// Each server sees the session by itself.
async function everywhere(site, visitor, check) {
  for (const number of site.servers.keys()) {
    site.choose = () => number;
    check(await visitor.fetch('/who'));
  }
}

const isAda = ({ name }) => assert.equal(name, 'Ada');

export const fleets = {
  'a restart of the server changes nothing': async (world) => {
    const { site, visitor } = await world.bound();
    const before = await site.clock(0);
    const after = await world.site({ key: site.servers[0].key });
    await site.servers[0].end();
    site.servers = after.servers;
    await site.clock(before - await site.clock(0) + 1);
    proven(await visitor.fetch('/who'));
    await expire(site, visitor);
    proven(await visitor.fetch('/who'));
    assert.ok(site.refreshes(200).length > 0);
  },

  'two servers with one ring take turns': async (world) => {
    const site = await world.site({}, {});
    alternate(site);
    const visitor = await world.visitor();
    await signIn(site, visitor);
    await bind(site, visitor);
    for (let round = 0; round < 2; round += 1) {
      await expire(site, visitor);
      for (let request = 0; request < 4; request += 1) proven(await visitor.fetch('/who'));
    }
  },

  'deploys in the right order lose nobody: first servers that open, then servers that offer': async (world) => {
    // Step 1: servers of the version before, and those that offer nothing.
    const first = await world.site({ device: false }, { offer: false });
    const visitor = await world.visitor();
    for (const server of [0, 1]) {
      first.choose = () => server;
      await visitor.open(`${first.url}/static`);
      await visitor.fetch('/sign-in', { name: 'Ada' });
      alternate(first);
      for (let request = 0; request < 4; request += 1) isAda(await visitor.fetch('/who'));
      await everywhere(first, visitor, ({ name, device }) => assert.deepEqual([name, device], ['Ada', 'Unbound']));
    }
    assert.equal(first.requests('/device/register').length, 0);
    // Step 2: beside those that offer nothing, those that offer.
    const second = await world.site({ offer: false }, {});
    const other = await world.visitor();
    second.choose = ({ path }) => (path === '/sign-in' ? 1 : 0);
    await signIn(second, other);
    await bind(second, other);
    for (let round = 0; round < 2; round += 1) {
      await expire(second, other);
      alternate(second);
      for (let request = 0; request < 4; request += 1) proven(await other.fetch('/who'));
      await everywhere(second, other, proven);
    }
  },

  'in the wrong order visitors are signed out: a server of the version before does not know bound sessions': async (world) => {
    const site = await world.site({}, { device: false });
    const visitor = await world.visitor();
    await signIn(site, visitor);
    await bind(site, visitor);
    site.choose = () => 1;
    const { name, state } = await visitor.fetch('/who');
    assert.equal(name, null);
    // It has no endpoint either: its 404 ends the binding in the browser, and the session everywhere.
    await expire(site, visitor);
    await visitor.fetch('/who');
    await site.until('404', ({ path, status }) => path === '/device/refresh' && status === 404, { since: 0 });
    site.choose = () => 0;
    unproven(await visitor.fetch('/who'));
    return `there it is ${state}`;
  },

  'a remembered session is bound to the profile: it survives a restart of the browser': async (world) => {
    const profile = fs.mkdtempSync(path.join(world.directory, 'profile-'));
    const site = await world.site();
    const session = async (body) => {
      const browser = await world.chromium({ features: FEATURES, profile });
      try {
        return await body(await browser.visitor());
      } finally {
        await browser.close();
      }
    };
    const id = await session(async (visitor) => {
      await signIn(site, visitor, { remember: true });
      await bind(site, visitor);
      return (await visitor.fetch('/who')).id;
    });
    // The proof ends in the profile too, four seconds after it was made.
    await sleep(4500);
    await site.clock(LIFETIME + 1);
    site.mark();
    await session(async (visitor) => {
      await visitor.open(`${site.url}/`);
      assert.equal(await visitor.text('#who'), 'Ada Proven');
      assert.equal((await visitor.fetch('/who')).id, id);
      assert.equal(site.requests('/device/register').length, 0);
      assert.ok(site.refreshes(200).length > 0);
    });
  },

  'a Chromium that cannot be bound stays signed in': async (world) => {
    const browser = await world.chromium();
    try {
      return await staysPlain(world, await browser.visitor());
    } finally {
      await browser.close();
    }
  },

  'Firefox, which cannot be bound, stays signed in': async (world) => {
    const browser = await world.firefox();
    try {
      await staysPlain(world, await browser.visitor());
      return browser.name;
    } finally {
      await browser.close();
    }
  },

  'a quota that is used up costs the proof until it refills, not the session': async (world, { long }) => {
    const browser = await world.chromium({ features: FEATURES_WITH_QUOTA });
    try {
      const site = await world.site();
      const visitor = await browser.visitor();
      await signIn(site, visitor);
      await bind(site, visitor);
      // Each needs a signature, since the challenges end after 60 seconds.
      let signatures = 2;
      for (; signatures < 12; signatures += 1) {
        await expire(site, visitor);
        if ((await visitor.fetch('/who')).device !== 'Proven') break;
      }
      const [{ headers }] = site.requests('/who');
      assert.match(headers['secure-session-skipped'], /^quota_exceeded/);
      assert.equal(site.refreshes(401).length, 0);
      const jar = await jarOf(site, visitor);
      assert.ok(SESSION in jar, 'the session cookie stays');
      // It is one quota for all of example.test: a sign-in elsewhere is left plain, and works.
      const other = await world.site();
      await visitor.open(`${other.url}/static`);
      await visitor.fetch('/sign-in', { name: 'Ada' });
      await sleep(2000);
      const { name, device } = await visitor.fetch('/who');
      assert.deepEqual({ name, device }, { name: 'Ada', device: 'Unbound' });
      assert.equal(other.requests('/device/register').length, 0);
      await visitor.open(`${site.url}/static`);
      const found = `used up after ${signatures} signatures`;
      if (!long) return found;
      for (let minute = 0; minute < 11; minute += 1) {
        await sleep(60_000);
        if ((await visitor.fetch('/who')).device === 'Proven') return `${found}, refilled after ${minute + 1} minutes`;
      }
      throw new Error('the quota does not refill');
    } finally {
      await browser.close();
    }
  },
};

async function staysPlain(world, visitor) {
  const site = await world.site();
  await visitor.open(`${site.url}/static`);
  await visitor.fetch('/sign-in', { name: 'Ada' });
  for (let round = 0; round < 3; round += 1) {
    const { name, device } = await visitor.fetch('/who');
    assert.deepEqual({ name, device }, { name: 'Ada', device: 'Unbound' });
    await site.clock(LIFETIME + 1);
  }
  await visitor.open(`${site.url}/`);
  assert.equal(await visitor.text('#who'), 'Ada Unbound');
  assert.equal(site.log.filter(({ path }) => path.startsWith('/device/')).length, 0);
  assert.equal((await visitor.fetch('/pay')).status, 403);
}
