// Sessions that take several cookies: what browsers keep, and what is left after races between responses.

import assert from 'node:assert/strict';

const SITE = 'https://large.example.test';
const names = (cookies) => cookies.map(({ name }) => name).sort();
const ours = (count) => ['__Host-id', '__Host-id-seen', '__Host-id.2', '__Host-id.3', '__Host-id.4'].slice(0, count + 1);
// Lengths of notes that take as many cookies.
const SIZES = [0, 1000, 4000, 8000, 12_000];

export async function checkChunks({ browser, races, property, note }) {
  const visitor = await browser.visitor();
  const who = () => visitor.fetch('/who');
  const change = async (cookies) => {
    assert.equal((await visitor.fetch('/change', { size: SIZES[cookies] })).status, 200);
    assert.equal((await who()).note, SIZES[cookies]);
  };
  const signIn = async () => {
    assert.equal((await visitor.fetch('/sign-in', { name: 'Ada' })).status, 200);
    assert.equal((await who()).name, 'Ada');
  };
  // No response changes the jar.
  const unchanged = async (state) => {
    const before = await visitor.cookies();
    assert.equal((await who()).state, state);
    assert.deepEqual(names(await visitor.cookies()), names(before));
  };

  await visitor.open(`${SITE}/static`);

  await property('sessions of one to four cookies are kept whole, grow, shrink and end without a rest', async () => {
    for (let before = 1; before <= 4; before += 1) {
      for (let after = 1; after <= 4; after += 1) {
        await signIn();
        await change(before);
        await change(after);
        assert.deepEqual(names(await visitor.cookies()), ours(after).sort());
      }
    }
    await visitor.fetch('/sign-out', {});
    assert.deepEqual(await visitor.cookies(), []);
    await signIn();
    await change(4);
    const sizes = (await visitor.cookies()).map(({ name, value }) => name.length + value.length);
    return `largest cookie ${Math.max(...sizes)} bytes`;
  });

  await property('a lost or older cookie leaves no session and is not touched; the next sign-in heals it', async () => {
    for (const name of ['__Host-id', '__Host-id.2', '__Host-id.4']) {
      await signIn();
      await change(4);
      const older = (await visitor.cookies()).find((cookie) => cookie.name === name).value;
      await visitor.fetch('/change', { size: SIZES[4] - 1 });
      await visitor.put(name, older);
      await unchanged('Rejected(Incomplete)');
      await visitor.forget(name);
      await unchanged(name === '__Host-id' ? 'Absent' : 'Rejected(Incomplete)');
      await visitor.fetch('/sign-out', {});
      assert.deepEqual(await visitor.cookies(), [], 'a sign-out leaves nothing');
      await visitor.fetch('/sign-in', { name: 'Ada' });
      await change(4);
    }
  });

  await property(`after ${races} races between two responses there is one session or none`, async () => {
    await signIn();
    const seed = Math.floor(Math.random() * 2 ** 31);
    const { problems, ...counts } = await visitor.run(race, { races, seed, sizes: SIZES });
    assert.deepEqual(problems, [], `SEED=${seed}`);
    note(`seed ${seed}: ${Object.entries(counts).map(([what, count]) => `${what} ${count}`).join(', ')}`);
    await signIn();
    assert.deepEqual(names(await visitor.cookies()), ours(1), 'the next sign-in removes what is left over');
  });

  await property('in a jar that overflows there is the session or none, and a sign-in works', async () => {
    for (const attributes of ['', '; Secure']) {
      await visitor.forget();
      await signIn();
      await change(4);
      const fill = (count) => visitor.run(([count, attributes]) => {
        for (let index = 0; index < count; index += 1) document.cookie = `c${index}=${'x'.repeat(20)}${attributes}`;
      }, [count, attributes]);
      const seen = [];
      for (const count of [140, 170, 200, 300]) {
        await fill(count);
        const { state, note: length } = await who();
        assert.ok(state !== 'Valid' || length === SIZES[4]);
        assert.ok(['Valid', 'Absent', 'Rejected(Incomplete)', 'Rejected(Idle)'].includes(state), state);
        const left = names(await visitor.cookies()).filter((name) => name.startsWith('__Host-id'));
        seen.push(`after ${count} ${state}, ${left.length} of 5 left`);
      }
      note(`cookies of a script${attributes}: ${seen.join('; ')}`);
      await signIn();
      await change(4);
    }
    await visitor.forget();
  });
}

// Runs in the page. Each race begins with a sign-in; the seed decides what the two requests write, and when.
async function race({ races, seed, sizes }) {
  let state = seed;
  const below = (most) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
  const send = (path, form) => fetch(path, { method: 'POST', body: new URLSearchParams(form) });
  const look = async () => (await fetch('/who')).json();
  const counts = { 'sent first': 0, 'sent second': 0, 'signed out': 0, 'none while they raced': 0, 'with left-over cookies': 0 };
  const problems = [];
  for (let index = 0; index < races && problems.length < 5; index += 1) {
    await send('/sign-in', { name: 'Ada' });
    await send('/change', { size: sizes[1 + below(4)] });
    const isSignOut = below(4) === 0;
    const racers = ['first', 'second'].map((name) => ({ name, size: sizes[1 + below(4)] + below(3), pause: below(1500) }));
    if (isSignOut) delete racers[below(2)].size;
    const [first, second, meanwhile] = await Promise.all([...racers.map((racer) => send('/race', racer)), look()]);
    if (meanwhile.state !== 'Valid') counts['none while they raced'] += 1;
    const answers = await Promise.all([first, second].map((response) => response.json()));
    const { state, name, note, cookies } = await look();
    const won = racers.find((racer) => racer.name === name);
    const right = isSignOut ? state !== 'Valid' : state === 'Valid' && won?.size === note;
    // A mixture would fail again and again.
    if (!right || state === 'Rejected(Incomplete)' || !answers.every(({ came }) => came)) {
      problems.push({ index, racers, answers, state, name, note });
    }
    const count = isSignOut ? 'signed out' : `sent ${name}`;
    counts[count] += 1;
    const sent = cookies.filter((cookie) => /^__Host-id\.?\d?=/.test(cookie)).length;
    const needed = state === 'Valid' ? 1 + sizes.slice(1, -1).filter((_, at) => note > [2900, 5900, 9000][at]).length : 0;
    if (sent > needed) counts['with left-over cookies'] += 1;
  }
  return { ...counts, problems };
}
