// `require_proof`: the route /pay takes no proof that is older than ten seconds.

import assert from 'node:assert/strict';
import { ASKED, LONG, PROOF, bind, eventually, expire, jarOf, proven, signIn } from './world.js';
import { endBinding } from './visits.js';

const BODY = { note: 'x'.repeat(1000) };

// A bound session whose proof is valid and 20 seconds old.
async function aged(world, settings = LONG) {
  const { site, visitor } = await world.bound(settings);
  await age(site);
  return { site, visitor };
}

async function age(site) {
  await site.clock(20);
  site.mark();
}

const statuses = (site, path = '/pay') => site.requests(path).map(({ status }) => status);

export const proofs = {
  'a page, fetch, a form and POST by fetch pass after a 307, with their bodies': async (world) => {
    const { site, visitor } = await aged(world);
    await visitor.open(`${site.url}/pay`);
    assert.deepEqual(statuses(site), [307, 200]);
    await visitor.open(`${site.url}/`);
    await age(site);
    proven(await visitor.fetch('/pay'));
    assert.deepEqual(statuses(site), [307, 200]);
    await age(site);
    const answer = await visitor.fetch('/pay', BODY);
    proven(answer);
    assert.equal(answer.body, 1005);
    assert.deepEqual(statuses(site), [307, 200]);
    await age(site);
    await visitor.click('#pay');
    assert.match(await visitor.text('body'), /"body":9,"device":"Proven"/);
    assert.deepEqual(statuses(site), [307, 200]);
    assert.ok(!(ASKED in await jarOf(site, visitor)), 'the marker is gone');
  },

  'a young proof is asked for no other': async (world) => {
    const { site, visitor } = await world.bound(LONG);
    site.mark();
    proven(await visitor.fetch('/pay'));
    proven(await visitor.fetch('/pay', BODY));
    assert.deepEqual(statuses(site), [200, 200]);
  },

  'a thief whose copied proof still lives is refused': async (world) => {
    const { site, visitor } = await aged(world);
    const jar = await jarOf(site, visitor);
    proven(await world.send(site, '/who', jar));
    const asked = await world.send(site, '/pay', jar);
    assert.equal(asked.status, 307);
    assert.equal(asked.set[PROOF], '');
    // He follows as a browser would, keeps the proof against the answer, or tells another site's name.
    const followed = { ...jar, [ASKED]: '1' };
    assert.equal((await world.send(site, '/pay', followed)).status, 403);
    delete followed[PROOF];
    assert.equal((await world.send(site, '/pay', followed)).status, 401);
    assert.equal((await world.send(site, '/pay', jar, { headers: { 'Sec-Fetch-Site': 'cross-site' } })).status, 403);
    proven(await visitor.fetch('/pay'));
  },

  'a session that is bound to no device is refused at once': async (world) => {
    const site = await world.site({ ...LONG, offer: false });
    const visitor = await world.visitor();
    await visitor.open(`${site.url}/static`);
    await visitor.fetch('/sign-in', { name: 'Ada' });
    assert.equal((await visitor.fetch('/pay')).status, 403);
    assert.deepEqual(statuses(site), [403]);
  },

  'an ended binding does not loop, with a proof that still lives or without': async (world) => {
    const { site, visitor } = await aged(world);
    // The 307 removes the proof, the browser asks for another one and gives its key up.
    site.fault = ({ path }) => (path === '/device/refresh' ? 401 : undefined);
    await visitor.open(`${site.url}/pay`);
    site.fault = () => undefined;
    assert.deepEqual(statuses(site), [307, 403]);
    site.mark();
    await visitor.open(`${site.url}/pay`);
    assert.equal((await visitor.fetch('/pay', BODY)).status, 403);
    assert.deepEqual(statuses(site), [307, 403, 307, 403]);
    // The 403 puts the proof back: the visitor stays signed in until it ends.
    await visitor.open(`${site.url}/static`);
    proven(await visitor.fetch('/who'));
    await signIn(site, visitor);
    await bind(site, visitor);
    const other = await world.bound();
    await expire(other.site, other.visitor);
    await endBinding(other.site, other.visitor);
    assert.equal((await other.visitor.fetch('/pay')).status, 401);
    assert.deepEqual(statuses(other.site), [401]);
  },

  'a link of another site to such a page does not loop': async (world) => {
    const { site, visitor } = await aged(world);
    await visitor.open(`https://other.test/?to=${site.url}/pay`);
    await visitor.click('#link');
    await eventually('answered', async () => statuses(site), (statuses) => statuses.length > 0);
    assert.deepEqual(statuses(site), [403]);
    await visitor.open(`${site.url}/static`);
    proven(await visitor.fetch('/pay'));
  },

  'clocks that are five seconds apart are no trouble, and thirty do not loop': async (world) => {
    // The first server makes the proofs, and the second one asks for them.
    for (const [ahead, expected] of [[5, [307, 200]], [30, [307, 403]]]) {
      const site = await world.site(LONG, { ...LONG, ahead });
      site.choose = ({ path }) => (path === '/pay' ? 1 : 0);
      const visitor = await world.visitor();
      await signIn(site, visitor);
      await bind(site, visitor);
      await age(site);
      await visitor.fetch('/pay', BODY);
      assert.deepEqual(statuses(site), expected, `${ahead} seconds ahead`);
      // The other way round.
      site.choose = ({ path }) => (path === '/pay' ? 0 : 1);
      await age(site);
      await visitor.fetch('/pay', BODY);
      const seen = statuses(site);
      assert.ok(seen.length <= 2 && seen.at(-1) === 200, `${ahead} seconds behind: ${seen}`);
    }
  },
};
