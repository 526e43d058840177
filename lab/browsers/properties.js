// The properties that every browser must have.

import assert from 'node:assert/strict';
import { attackerUrl } from './sites.js';
import { crowdOut, overflow, tossAtNaiveServer, tossEverything, tossUnprefixed } from './tossing.js';

const DAY = 86_400;
const at = (site, path = '/static') => `https://${site}.example.test${path}`;
const names = (cookies) => cookies.map(({ name }) => name).sort();

async function signedIn(visitor, site = 'app', form = {}) {
  await visitor.forget();
  await visitor.open(at(site));
  const { status } = await visitor.fetch('/sign-in', { name: 'Ada', ...form });
  assert.equal(status, 200);
}

// `property(name, body)` runs one; `note(line)` writes an observation below it.
export async function checkProperties({ browser, origin, property, note }) {
  const visitor = await browser.visitor();
  const world = { visitor, origin };
  const who = () => visitor.fetch('/who');

  await property('the __Host- cookies are accepted, with HttpOnly, Secure and SameSite=Lax, for this host and session', async () => {
    await signedIn(visitor);
    const jar = await visitor.cookies();
    assert.deepEqual(names(jar), ['__Host-id', '__Host-id-seen']);
    for (const { domain, path, httpOnly, secure, sameSite, expires } of jar) {
      assert.deepEqual({ domain, path, httpOnly, secure, sameSite, expires }, {
        domain: 'app.example.test', path: '/', httpOnly: true, secure: true, sameSite: 'Lax', expires: -1,
      });
    }
    assert.equal(await visitor.run(() => document.cookie), '');
    assert.equal((await who()).name, 'Ada');
  });

  await property('the same cookies are kept on plain http://localhost, as README says', async () => {
    await visitor.forget();
    await visitor.open(`http://localhost:${origin.ports.app}/static`);
    assert.equal((await visitor.fetch('/sign-in', { name: 'Ada' })).status, 200);
    assert.deepEqual(names(await visitor.cookies()), ['__Host-id', '__Host-id-seen']);
    assert.equal((await who()).name, 'Ada');
  });

  await property('a tossed cookie never takes over or ends a __Host- session, in any spelling', async () => {
    note('each spelling, and how it reached the server:');
    return `${await tossEverything(world, note)} cases`;
  });

  await property('the same cookies take over a server that decodes names or trims Unicode spaces', () => tossAtNaiveServer(world));

  await property('nine tossed heads do not crowd out a __Host- session', async () => {
    assert.deepEqual(await crowdOut(world, 'app'), { who: 'Ada', state: 'Valid', elsewhere: 'Ada' });
  });

  await property('a flooded jar signs a __Host- session out and does nothing worse', async () => {
    const name = await overflow(world, 'app');
    assert.ok([null, 'Ada'].includes(name), name);
    return name === null ? 'signed out' : 'still signed in';
  });

  for (const [site, cookie] of [['plain', 'id'], ['domain', 'id; Domain=example.test']]) {
    await property(`without the prefix (${cookie}) a tossed cookie has the documented effect`, async () => {
      note('the owner of the session: at once > after a change > after sign-out');
      await tossUnprefixed(world, site, note);
      const { who, elsewhere } = await crowdOut(world, site);
      assert.deepEqual({ who, elsewhere }, { who: null, elsewhere: 'Ada' });
      note('nine altered tokens on longer paths: no session on these paths');
    });
  }

  await property('a session above 4096 bytes is refused with a 500 and the old one kept; the largest that fits is kept', async () => {
    await signedIn(visitor);
    let [fits, refused] = [0, 8192];
    while (refused - fits > 1) {
      const size = Math.floor((fits + refused) / 2);
      const { status } = await visitor.fetch('/change', { size });
      assert.ok([200, 500].includes(status), `${size}: ${status}`);
      if (status === 200) fits = size;
      else refused = size;
      assert.equal((await who()).note, fits, 'the browser has the last session that the crate sent');
    }
    await visitor.fetch('/change', { size: fits });
    const length = async () => {
      const cookie = (await visitor.cookies()).find(({ name }) => name === '__Host-id');
      return cookie.name.length + cookie.value.length;
    };
    assert.equal(await length(), 4096);
    assert.equal((await visitor.fetch('/change', { size: refused })).status, 500);
    assert.equal(await length(), 4096);
    assert.equal((await who()).note, fits);
    // Whether the browser's own limit is the same.
    const set = [4096, 4097].map((size) => `c${size}=${'x'.repeat(size - 5)}; Secure`);
    await visitor.open(attackerUrl('evil.example.test', { set }));
    const kept = names(await visitor.cookies()).filter((name) => name.startsWith('c'));
    note(`of cookies of 4096 and 4097 bytes, this browser keeps ${kept.join(' and ')}`);
    assert.ok(kept.includes('c4096'));
    return `name and value 4096 bytes, note ${fits} bytes`;
  });

  await property('a remembered session of 400 days is kept that long, and 401 days are refused when configured', async () => {
    await signedIn(visitor, 'long', { remember: true });
    const now = Date.now() / 1000;
    const [cookie, ...others] = (await visitor.cookies()).filter(({ domain }) => domain === 'long.example.test');
    assert.deepEqual(others, []);
    assert.ok(Math.abs(cookie.expires - now - 400 * DAY) < 120, `expires in ${(cookie.expires - now) / DAY} days`);
    assert.match(origin.beyond400Days, /at most 400 days/);
    await visitor.open(attackerUrl('evil.example.test', { set: [`c=x; Max-Age=${500 * DAY}; Secure`] }));
    const capped = (await visitor.cookies()).find(({ name }) => name === 'c').expires - now;
    note(`of 500 days, this browser keeps ${Math.round(capped / DAY)}`);
    assert.ok(capped > 399 * DAY);
  });

  await property('sign-out empties the jar', async () => {
    for (const site of ['app', 'long', 'plain', 'domain']) {
      await signedIn(visitor, site, site === 'long' ? { remember: true } : {});
      assert.notDeepEqual(await visitor.cookies(), []);
      await visitor.fetch('/sign-out', {});
      assert.deepEqual(await visitor.cookies(), [], site);
    }
  });

  await checkBack(visitor, property);
  await checkCrossSite(world, property);
  await checkParallel(world, property);

  await property('a page that only fetches stays signed in while it is used, and is signed out after 12 hours', async () => {
    await signedIn(visitor);
    await visitor.open(at('app', '/'));
    let renewals = 0;
    let seen = (await visitor.cookies()).find(({ name }) => name === '__Host-id-seen').value;
    for (let minutes = 5; minutes < 12 * 60; minutes += 5) {
      await origin.clock(5 * 60);
      assert.equal((await who()).name, 'Ada', `after ${minutes} minutes`);
      const now = (await visitor.cookies()).find(({ name }) => name === '__Host-id-seen').value;
      renewals += now === seen ? 0 : 1;
      seen = now;
    }
    await origin.clock(5 * 60 - 1);
    assert.equal((await who()).name, 'Ada', 'one second before 12 hours');
    await origin.clock(1);
    assert.equal((await who()).name, null, 'at 12 hours');
    await signedIn(visitor);
    await origin.clock(30 * 60 - 1);
    assert.equal((await who()).name, 'Ada', 'one second before the idle timeout');
    await origin.clock(30 * 60);
    assert.equal((await who()).name, null, 'at the idle timeout');
    return `${renewals} renewals`;
  });
  await visitor.close();
}

// The page that Back shows after sign-out. If the browser kept the page alive, it asks no server and no cache, and only
// `no-store` on the page prevents this.
async function checkBack(visitor, property) {
  const pages = [
    { what: 'no Cache-Control', kept: true },
    { what: 'max-age=3600', query: '?cache=max-age%3D3600', kept: true },
    { what: 'no-store', query: '?cache=no-store', kept: false },
    { what: 'no Cache-Control and Clear-Site-Data at sign-out', site: 'long', kept: true },
  ];
  const back = async ({ site = 'app', query = '' }, mayKeep) => {
    const url = at(site, `/private${query}`);
    await signedIn(visitor, site);
    await visitor.open(url);
    await visitor.run((mayKeep) => {
      addEventListener('pageshow', ({ persisted }) => { window.alive = persisted; });
      // No browser keeps a page alive that has a listener for `unload`.
      if (!mayKeep) addEventListener('unload', () => {});
    }, mayKeep);
    assert.equal(await visitor.text('#secret'), 'the secret of Ada');
    await visitor.click('#out');
    assert.deepEqual(await visitor.cookies(), []);
    await visitor.back();
    const alive = await visitor.run(() => window.alive === true);
    const shown = await visitor.text('#secret');
    await visitor.open(url);
    assert.equal(await visitor.text('#secret'), 'nothing for guests', 'opened again');
    return { alive, shown };
  };
  const nothing = { alive: false, shown: 'nothing for guests' };
  await property('after sign-out, Back shows nothing private from the HTTP cache, with any Cache-Control', async () => {
    for (const page of pages) assert.deepEqual(await back(page, false), nothing, page.what);
  });
  await property('after sign-out, Back shows nothing private of a page with no-store, kept alive or not', async () => {
    assert.deepEqual(await back(pages.find(({ kept }) => !kept), true), nothing);
  });
  await property('LIMIT: without no-store, Back shows a private page that the browser kept alive', async () => {
    for (const page of pages.filter(({ kept }) => kept)) {
      assert.deepEqual(await back(page, true), { alive: true, shown: 'the secret of Ada' }, page.what);
    }
    return 'also with max-age, also with Clear-Site-Data';
  });
}

async function checkCrossSite({ visitor, origin }, property) {
  const form = (method, how) => `<form method=${method} action="${at('app', '/target')}?${how}"><input name=x value=y>`
    + '<button id=go>go</button></form>';
  await property('a cross-site POST does not carry the session: form, fetch, frame', async () => {
    await signedIn(visitor);
    await origin.seen();
    await visitor.open(attackerUrl('other.test', { html: form('post', 'form') }));
    await visitor.click('#go');
    assert.equal(await visitor.text('#who'), 'guest');
    await visitor.open(attackerUrl('other.test', { html: 'fetch' }));
    await visitor.run((url) => fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include' }).catch(() => {}),
      `${at('app', '/target')}?fetch`);
    await visitor.run((html) => new Promise((resolve) => {
      document.body.innerHTML = `<iframe name=frame></iframe>${html.replace('<form', '<form target=frame')}`;
      document.querySelector('iframe').onload = () => setTimeout(resolve, 100);
      document.querySelector('#go').click();
    }), form('post', 'frame'));
    const seen = await origin.seen();
    assert.deepEqual([...new Set(seen)].sort(), ['POST fetch guest', 'POST form guest', 'POST frame guest']);
    await visitor.open(at('app'));
    assert.equal((await visitor.fetch('/who')).name, 'Ada', 'the session is still there');
  });

  await property('a link from another site carries it (Lax), and so does a POST of a sibling subdomain (same site)', async () => {
    await signedIn(visitor);
    await visitor.open(attackerUrl('other.test', { html: `<a id=go href="${at('app', '/target')}?link">go</a>` }));
    await visitor.click('#go');
    assert.equal(await visitor.text('#who'), 'Ada');
    await visitor.open(attackerUrl('evil.example.test', { html: form('post', 'sibling') }));
    await visitor.click('#go');
    assert.equal(await visitor.text('#who'), 'Ada');
    await origin.seen();
  });
}

// Four requests wait at the origin while the visitor signs out in the same browser.
async function checkParallel({ visitor, origin }, property) {
  const overlap = async (slow) => {
    await signedIn(visitor);
    await origin.clock(5 * 60);
    await visitor.run((slow) => {
      const init = slow === '/slow-change' ? { method: 'POST', body: new URLSearchParams({ size: 5 }) } : {};
      window.slow = Promise.all([1, 2, 3, 4].map((n) => fetch(`${slow}?${n}`, init).then((response) => response.json())));
    }, slow);
    await origin.waiting(4);
    await visitor.fetch('/sign-out', {});
    assert.deepEqual(await visitor.cookies(), []);
    await origin.open(4);
    const answers = await visitor.run(() => window.slow);
    assert.deepEqual(answers.map(({ name }) => name), ['Ada', 'Ada', 'Ada', 'Ada']);
    return { left: names(await visitor.cookies()), name: (await visitor.fetch('/who')).name };
  };
  await property('parallel reads and renewals that end after a sign-out never bring the session back', async () => {
    const { left, name } = await overlap('/slow-read');
    assert.equal(name, null);
    assert.ok(!left.includes('__Host-id'), left.join());
    return `left in the jar: ${left.join() || 'nothing'}`;
  });
  await property('parallel writes that end after a sign-out never bring the session back', async () => {
    const { left, name } = await overlap('/slow-change');
    assert.equal(name, null);
    assert.ok(!left.includes('__Host-id'), left.join());
  });
}
