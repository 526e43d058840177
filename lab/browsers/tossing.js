// A sibling subdomain tosses cookies: evil.example.test sets them for all of example.test.

import assert from 'node:assert/strict';
import { attackerUrl } from './sites.js';

// Spellings of a name. The attacker hopes that the browser takes one for another name, and the server for this name.
const SPELLINGS = {
  'the name itself': (name) => name,
  'percent-encoded': (name) => name.replace(/H|i/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  'U+2000 in front': (name) => `\u2000${name}`,
  'U+00A0 in front': (name) => `\u00a0${name}`,
  'U+0085 in front': (name) => `\u0085${name}`,
  'a space in front': (name) => ` ${name}`,
  'a tab in front': (name) => `\t${name}`,
  'upper case': (name) => name.toUpperCase(),
  'in quotes': (name) => `"${name}"`,
  'no name, name in the value': (name) => `=${name}`,
};

// The steps of each story. A genuine token is one of the attacker's own account.
const STORIES = {
  'garbage, then sign-in': ['garbage', 'sign in'],
  'sign-in, then garbage': ['sign in', 'garbage'],
  'genuine, then sign-in': ['genuine', 'sign in'],
  'sign-in, then an older genuine': ['older', 'sign in', 'genuine'],
  'sign-in, then a newer genuine': ['sign in', 'genuine'],
  'genuine, no sign-in': ['genuine'],
};

// The owner of the session that the visitor then has: at once, after a change of it, after signing out.
const KEPT = 'own > own > none';
const TAKEN = 'ATTACKER > ATTACKER > none';

// Without the prefix the effect depends on where the tossed cookie lands: beside the visitor's, over it (same name, Domain
// and Path), or on a path of its own, where no sign-in or sign-out sees it. A sign-out ends the sessions that it sees.
const UNPREFIXED = {
  beside: {
    'garbage, then sign-in': KEPT,
    'sign-in, then garbage': KEPT,
    'genuine, then sign-in': KEPT,
    'sign-in, then an older genuine': KEPT,
    'sign-in, then a newer genuine': TAKEN,
    'genuine, no sign-in': 'ATTACKER',
  },
  'on a path of its own': {
    'garbage, then sign-in': KEPT,
    'sign-in, then garbage': KEPT,
    'genuine, then sign-in': 'own > own > ATTACKER',
    'sign-in, then an older genuine': 'own > own > ATTACKER',
    'sign-in, then a newer genuine': 'ATTACKER > ATTACKER > ATTACKER',
    'genuine, no sign-in': 'ATTACKER',
  },
  over: {
    'garbage, then sign-in': KEPT,
    'sign-in, then garbage': 'none > none > none',
    'genuine, then sign-in': KEPT,
    'sign-in, then an older genuine': TAKEN,
    'sign-in, then a newer genuine': TAKEN,
    'genuine, no sign-in': 'ATTACKER',
  },
};

// The session of a visitor of the site with one cookie of the attacker in the jar.
async function story({ visitor, origin, site }, steps, { spell, path, script }) {
  await visitor.forget();
  const home = `https://${site}.example.test/static`;
  let tokens;
  for (const step of steps) {
    if (step === 'sign in') {
      await origin.clock(1);
      await visitor.open(home);
      await visitor.fetch('/sign-in', { name: 'Ada' });
      await origin.clock(1);
    } else {
      tokens ??= await origin.attackersTokens(site);
      if (step !== 'older') await toss(visitor, tokens, { garbage: step === 'garbage', spell, path, script });
    }
  }
  await visitor.open(home);
  const who = async () => {
    const { name, state, cookies } = await visitor.fetch('/who');
    const foreign = cookies.map((pair) => pair.split('=')[0]).filter((name) => name !== '' && !(name in tokens));
    const who = { Ada: 'own', Mallory: 'ATTACKER' }[name] ?? 'none';
    if (site === 'app' && who === 'none') assert.equal(state, 'Absent', 'a disguised cookie was taken for ours');
    return { who, cookies, foreign };
  };
  const first = await who();
  const sent = [...new Set(first.foreign)].join(' and ')
    || (first.cookies.length > (steps.includes('sign in') ? 2 : 0) ? 'twice' : '');
  if (!steps.includes('sign in')) return { seen: first.who, sent };
  await visitor.fetch('/change', { size: 10 });
  const second = await who();
  await visitor.fetch('/sign-out', {});
  const third = await who();
  return { seen: `${first.who} > ${second.who} > ${third.who}`, sent };
}

async function toss(visitor, tokens, { garbage, spell, path, script }) {
  const lines = Object.entries(tokens).map(([name, value]) =>
    `${spell(name)}=${garbage ? 'garbage' : value}; Domain=example.test; Path=${path}; Secure`);
  await visitor.open(attackerUrl('evil.example.test', script ? {} : { set: lines }));
  if (script) await visitor.run((lines) => lines.forEach((line) => { document.cookie = line; }), lines);
}

// Every spelling, path and order at the site with the `__Host-` cookie; `report` hears how each spelling arrived.
export async function tossEverything(world, report) {
  let count = 0;
  for (const [spelling, spell] of Object.entries(SPELLINGS)) {
    const arrived = new Set();
    for (const way of [{ path: '/' }, { path: '/who' }, { path: '/', script: true }]) {
      for (const [name, steps] of Object.entries(STORIES)) {
        // One story is enough for a cookie that a script sets: the jar is the same.
        if (way.script && name !== 'sign-in, then a newer genuine') continue;
        const { seen, sent } = await story({ ...world, site: 'app' }, steps, { spell, ...way });
        assert.equal(seen, steps.includes('sign in') ? KEPT : 'none', `${spelling}, ${JSON.stringify(way)}, ${name}`);
        arrived.add(sent || 'refused by the browser');
        count += 1;
      }
    }
    report(`${spelling}: ${[...arrived].join(' or ')}`);
  }
  return count;
}

// The same attack on a server that decodes names or trims more than space and tab: it must succeed there.
export async function tossAtNaiveServer(world) {
  for (const spelling of ['percent-encoded', 'U+2000 in front', 'U+00A0 in front']) {
    const how = { spell: SPELLINGS[spelling], path: '/' };
    const { seen } = await story({ ...world, site: 'naive' }, STORIES['sign-in, then a newer genuine'], how);
    assert.equal(seen, TAKEN, spelling);
  }
}

// The same name without a prefix: each story must end as `UNPREFIXED` says.
export async function tossUnprefixed(world, site, report) {
  for (const path of ['/', '/who']) {
    const lands = path !== '/' ? 'on a path of its own' : site === 'domain' ? 'over' : 'beside';
    for (const [name, expected] of Object.entries(UNPREFIXED[lands])) {
      const { seen } = await story({ ...world, site }, STORIES[name], { spell: (same) => same, path });
      assert.equal(seen, expected, `${site}, Path=${path}, ${name}`);
      report(`Path=${path}, ${name}: ${seen}`);
    }
  }
}

// Nine heads with the key's public id and a wrong check, on longer paths than the visitor's own.
export async function crowdOut({ visitor, origin }, site) {
  await visitor.forget();
  await visitor.open(`https://${site}.example.test/static`);
  await visitor.fetch('/sign-in', { name: 'Ada' });
  const [[name, token]] = Object.entries(await origin.attackersTokens(site));
  const altered = token.slice(0, 60) + (token[60] === 'A' ? 'B' : 'A') + token.slice(61);
  const paths = Array.from({ length: 9 }, (_, depth) => `/who${'/a'.repeat(depth + 1)}`);
  const set = paths.map((path) => `${name}=${altered}; Domain=example.test; Path=${path}; Secure`);
  await visitor.open(attackerUrl('evil.example.test', { set }));
  await visitor.open(`https://${site}.example.test/static`);
  const { name: who, state } = await visitor.fetch(paths.at(-1));
  const { name: elsewhere } = await visitor.fetch('/who');
  return { who, state, elsewhere };
}

// More cookies than the browser keeps for a site.
export async function overflow({ visitor }, site) {
  await visitor.forget();
  await visitor.open(`https://${site}.example.test/static`);
  await visitor.fetch('/sign-in', { name: 'Ada' });
  for (let batch = 0; batch < 5; batch += 1) {
    const set = Array.from({ length: 50 }, (_, index) => `c${batch}_${index}=x; Domain=example.test; Path=/static; Secure`);
    await visitor.open(attackerUrl('evil.example.test', { set }));
  }
  await visitor.open(`https://${site}.example.test/private`);
  return (await visitor.fetch('/who')).name;
}
