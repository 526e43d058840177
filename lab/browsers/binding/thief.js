// What somebody gets who has copied the cookies.

import assert from 'node:assert/strict';
import { PROOF, SEEN, SESSION, expire, jarOf, proven, signIn, unproven } from './world.js';

const without = (jar, name) => Object.fromEntries(Object.entries(jar).filter(([other]) => other !== name));

export const thefts = {
  'a copied jar dies when its proof ends': async (world) => {
    const { site, visitor } = await world.bound();
    const jar = await jarOf(site, visitor);
    assert.deepEqual(Object.keys(jar).sort(), [SESSION, PROOF, SEEN]);
    proven(await world.send(site, '/who', jar));
    await expire(site, visitor);
    unproven(await world.send(site, '/who', jar));
    proven(await visitor.fetch('/who'));
    unproven(await world.send(site, '/who', jar));
  },

  'it dies too with a forged Secure-Session-Skipped, and without the activity cookie': async (world) => {
    const { site, visitor } = await world.bound();
    const jar = await jarOf(site, visitor);
    const identifier = site.refreshes(200)[0].headers['sec-secure-session-id'];
    await expire(site, visitor);
    for (const reason of ['quota_exceeded', 'server_error', 'unreachable']) {
      const headers = { 'Secure-Session-Skipped': `${reason};session_identifier="${identifier}"` };
      unproven(await world.send(site, '/who', jar, { headers }));
    }
    const { name, state } = await world.send(site, '/who', without(jar, SEEN));
    assert.deepEqual({ name, state }, { name: null, state: 'Rejected(Idle)' });
    proven(await visitor.fetch('/who'));
  },

  'a thief gets challenges, and neither an old proof nor no proof answers one': async (world) => {
    const { site, visitor } = await world.bound();
    const jar = await jarOf(site, visitor);
    const recorded = site.refreshes(200)[0].headers;
    await expire(site, visitor);
    const refresh = (headers) => world.send(site, '/device/refresh', jar, { method: 'POST', headers });
    const id = { 'Sec-Secure-Session-Id': recorded['sec-secure-session-id'] };
    const asked = await refresh(id);
    assert.equal(asked.status, 403);
    assert.match(asked.headers['secure-session-challenge'], /^"[\w-]{66}";id="/);
    const old = await refresh({ ...id, 'Secure-Session-Response': recorded['secure-session-response'] });
    assert.deepEqual({ status: old.status, set: old.set }, { status: 403, set: {} });
    proven(await visitor.fetch('/who'));
  },

  'a thief with an account and a device of his own gets no further with a bound session': async (world) => {
    const { site, visitor } = await world.bound();
    const thief = await world.visitor();
    await signIn(site, thief, { name: 'Mallory' });
    await bindAs(site, thief, 'Mallory');
    const jar = await jarOf(site, visitor);
    await expire(site, visitor);
    await expire(site, thief);
    assert.equal((await thief.fetch('/who')).name, 'Mallory');
    const own = await jarOf(site, thief);
    const mixed = {
      'his proof': { ...jar, [PROOF]: own[PROOF] },
      'his activity': { ...jar, [SEEN]: own[SEEN] },
      'his activity and proof': { ...own, [SESSION]: jar[SESSION] },
      'his session': { ...jar, [SESSION]: own[SESSION] },
    };
    for (const [name, jar] of Object.entries(mixed)) assert.equal((await world.send(site, '/who', jar)).name, null, name);
    // Both activity cookies, and both sessions.
    const both = `${SESSION}=${jar[SESSION]}; ${SEEN}=${jar[SEEN]}; ${SEEN}=${own[SEEN]}; ${PROOF}=${own[PROOF]}`;
    assert.equal((await world.send(site, '/who', {}, { headers: { Cookie: both } })).name, null, 'both activities');
    // His browser proves his key for the copied session.
    const stolen = `${SESSION}=${jar[SESSION]}; ${SEEN}=${jar[SEEN]}`;
    await swapAtRefresh(site, thief, stolen);
    proven(await visitor.fetch('/who'));
  },

  'his device cannot be bound to a copied plain session, nor registered for it': async (world) => {
    const site = await world.site();
    const plain = (await world.send(site, '/sign-in', {}, { method: 'POST', body: 'name=Ada' })).set;
    const stolen = `${SESSION}=${plain[SESSION]}; ${SEEN}=${plain[SEEN]}`;
    const thief = await world.visitor();
    // He registers with the challenge of his own sign-in and the copied session.
    site.change = ({ path }) => (path === '/device/register' ? { cookie: stolen } : {});
    await thief.open(`${site.url}/static`);
    await thief.fetch('/sign-in', { name: 'Mallory' });
    const { status } = await site.until('registration', ({ path }) => path === '/device/register');
    assert.equal(status, 400);
    site.change = () => ({});
    await signIn(site, thief, { name: 'Mallory' });
    await bindAs(site, thief, 'Mallory');
    await swapAtRefresh(site, thief, stolen);
    const { name, device } = await world.send(site, '/who', plain);
    assert.deepEqual({ name, device }, { name: 'Ada', device: 'Unbound' });
  },
};

async function bindAs(site, visitor, name) {
  const since = site.log.length;
  await visitor.fetch('/who');
  await site.until('binding', ({ path, status, set }) => path === '/device/refresh' && status === 200 && set[SEEN], { since });
  const answer = await visitor.fetch('/who');
  assert.deepEqual({ name: answer.name, device: answer.device }, { name, device: 'Proven' });
}

// The thief's browser asks for a refresh with the copied cookies instead of his own.
async function swapAtRefresh(site, thief, stolen) {
  await expire(site, thief);
  site.change = ({ path }) => (path === '/device/refresh' ? { cookie: stolen } : {});
  await thief.fetch('/who');
  const { set } = await site.until('refresh', ({ path, status }) => path === '/device/refresh' && status === 401);
  assert.deepEqual(set, {});
  assert.equal(site.refreshes(200).length, 0);
  site.change = () => ({});
}
