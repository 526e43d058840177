// Starting, writing, renewing, ending; choosing among duplicates; keys and options.

import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import test from 'node:test'

import { decode, encode } from '../src/base64url.js'
import {
  REASONS,
  createSessions,
  describeReason,
  isClaim,
  keyFromRawSecret,
  makeRing,
  parseKey,
  parseRing,
  readClaims,
} from '../src/index.js'
import { cookieValues } from '../src/cookie.js'
import { NOW, OTHER, SECRET, cookieOf } from './support.js'

const DAY = 86400
const at = { now: NOW }
const sessions = await createSessions({ keys: SECRET, audience: 'shop', revoke: null })
const state = async (fields, when = at, from = sessions) => {
  const { state, reason } = await from.open(fields, when)
  return reason ?? state
}

test('a session starts, is written, renewed and ends', async () => {
  const started = await sessions.start({ user: 7 }, at)
  assert.match(started.setCookie[0], /^__Host-id=[\w-]+; Path=\/; Secure; HttpOnly; SameSite=Lax$/)
  assert.match(started.setCookie[1], /^__Host-id-seen=[\w-]{44}; Path=\/; Secure; HttpOnly; SameSite=Lax$/)
  const opened = await sessions.open(cookieOf(started), { now: NOW + 60 })
  assert.deepEqual(opened, {
    state: 'valid',
    session: { ...started.session, openedAt: NOW + 60 },
    reason: null,
    duplicates: false,
  })
  assert.deepEqual(
    { ...opened.session, id: '', payload: '' },
    {
      id: '',
      keyId: '9e4859a4',
      startedAt: NOW,
      sealedAt: NOW,
      openedAt: NOW + 60,
      expiresAt: NOW + 43200,
      activeUntil: NOW + 1800,
      device: null,
      remembered: false,
      chunks: 1,
      payload: '',
      data: { user: 7 },
    },
  )
  const written = await sessions.seal(opened.session, { user: 8 }, { now: NOW + 60 })
  assert.equal(written.setCookie.length, 1)
  const seen = cookieOf(started).split('; ')[1]
  const again = await sessions.require(`${cookieOf(written)}; ${seen}`, { now: NOW + 60 })
  assert.deepEqual(
    [again.id, again.startedAt, again.sealedAt, again.expiresAt, again.data],
    [started.session.id, NOW, NOW + 60, NOW + 43200, { user: 8 }],
  )
  const renewed = await sessions.renew(again, { now: NOW + 1000 })
  assert.equal(renewed.setCookie.length, 1)
  assert.equal(
    (await sessions.open(`${cookieOf(written)}; ${cookieOf(renewed)}`, { now: NOW + 2700 })).session.activeUntil,
    NOW + 2800,
  )
  const last = await sessions.renew(again, { now: NOW + 43000 })
  assert.equal(last.session.activeUntil, NOW + 43200, 'no renewal prolongs the absolute timeout')
  const cycled = await sessions.cycle(again, { now: NOW + 120 })
  assert.notEqual(cycled.session.id, again.id)
  assert.deepEqual(
    [cycled.session.startedAt, cycled.session.expiresAt, cycled.session.data],
    [NOW, NOW + 43200, { user: 8 }],
  )
  assert.equal(await state(cookieOf(cycled), { now: NOW + 120 }), 'valid')
  assert.deepEqual(
    (await sessions.end(cookieOf(cycled), at)).setCookie.map((line) => line.split('; ')[0]),
    ['__Host-id=', '__Host-id-seen='],
  )
})

test('remembered sessions last longer, in cookies that survive the browser', async () => {
  const remembered = { idle: 14 * DAY, absolute: 90 * DAY }
  const keeping = await createSessions({ keys: SECRET, remembered })
  const started = await keeping.start(1, { ...at, remembered: true })
  assert.match(started.setCookie[0], /; Max-Age=7776000; /)
  assert.match(started.setCookie[1], /; Max-Age=1209600; /)
  assert.equal((await keeping.open(cookieOf(started), { now: NOW + 14 * DAY - 1 })).state, 'valid')
  assert.equal(await state(cookieOf(started), { now: NOW + 14 * DAY }, keeping), 'idle')
  const forgetful = await createSessions({ keys: SECRET })
  assert.equal(await state(cookieOf(started), { now: NOW + 43200 }, forgetful), 'too old', 'configured limits shorten')
  await assert.rejects(forgetful.start(1, { ...at, remembered: true }), { name: 'SealError' })
})

test('a second sealing writes the earlier start, and configured limits only shorten', async () => {
  const ahead = await sessions.start(1, { now: NOW + 200 })
  const opened = await sessions.require(cookieOf(ahead), at)
  assert.equal(opened.startedAt, NOW + 200, 'within the leeway')
  const again = await sessions.seal(opened, 2, at)
  assert.deepEqual([again.session.startedAt, again.session.expiresAt], [NOW, NOW + 43200])
  const strict = await createSessions({ keys: SECRET, audience: 'shop', absolute: 3600 })
  const shorter = await strict.require(cookieOf(await sessions.start(1, at)), at)
  assert.equal(shorter.expiresAt, NOW + 3600)
  const written = await strict.seal(shorter, 2, at)
  assert.equal(readClaims(written.token).expires, NOW + 3600)
  // A server with longer limits gives no more than the token.
  const back = await sessions.require(`${cookieOf(written)}; ${cookieOf(await sessions.renew(shorter, at))}`, at)
  assert.equal(back.expiresAt, NOW + 3600)
  assert.equal(readClaims((await sessions.seal(back, 3, at)).token).expires, NOW + 3600)
  assert.equal((await strict.renew({ ...shorter }, { now: NOW + 3000 })).session.activeUntil, NOW + 3600)
})

test('a renewal is due after a tenth of the idle timeout, within its bounds', async () => {
  for (const [idle, worth] of [
    [1800, 180],
    [300, 60],
    [100, 50],
    [2, 1],
    [1, 1],
    [30 * DAY, DAY],
    [14 * DAY, DAY],
  ]) {
    const some = await createSessions({ keys: SECRET, idle, absolute: 400 * DAY })
    const { session } = await some.start(1, at)
    assert.equal(some.renewalIsDue(session, { now: NOW + worth - 1 }), false, `${idle}`)
    assert.equal(some.renewalIsDue(session, { now: NOW + worth }), true, `${idle}`)
    assert.equal(some.renewalIsDue(session, { now: NOW - 100 }), false, 'a clock that steps back renews nothing')
  }
  const some = await createSessions({ keys: SECRET, idle: 1800, absolute: 1900 })
  const { session: short } = await some.start(1, at)
  assert.equal(some.renewalIsDue(short, { now: NOW + 99 }), false)
  assert.equal(some.renewalIsDue(short, { now: NOW + 100 }), true, 'the last one, however little it moves')
  const { session: ended } = await some.renew(short, { now: NOW + 100 })
  assert.equal(some.renewalIsDue(ended, { now: NOW + 1800 }), false, 'once')
  const none = await createSessions({ keys: SECRET, idle: null })
  const { session, setCookie } = await none.start(1, at)
  assert.equal(setCookie.length, 1)
  assert.equal(none.renewalIsDue(session, { now: NOW + 9999 }), false)
  assert.deepEqual((await none.renew(session, at)).setCookie, [])
  assert.equal(await state(setCookie[0].split(';')[0], at, none), 'valid')
})

test('cut-off, revoked ids and bind', async () => {
  const bind = Uint8Array.of(1, 2, 3)
  const started = await sessions.start(1, { ...at, bind })
  const cookie = cookieOf(started)
  assert.equal(await state(cookie, at), 'not ours')
  assert.equal(await state(cookie, { ...at, bind }), 'valid')
  const opens = async (options) =>
    state(cookie, { ...at, bind }, await createSessions({ keys: SECRET, audience: 'shop', ...options }))
  assert.equal(await opens({ cutOff: NOW }), 'valid')
  assert.equal(await opens({ cutOff: NOW + 1 }), 'revoked')
  assert.equal(await opens({ revoked: [started.session.id] }), 'revoked')
  assert.equal(await opens({ revoked: async (id) => id === started.session.id }), 'revoked')
  assert.equal(await opens({ revoked: new Set(['0000000000000000']) }), 'valid')
  const list = new Set()
  const live = await createSessions({ keys: SECRET, audience: 'shop', revoked: list })
  list.add(started.session.id)
  assert.equal(await state(cookie, { ...at, bind }, live), 'revoked', 'a set may grow')
})

test('of several cookies the one that started last wins, then the one sealed last, then the first', async () => {
  const old = await sessions.start('old', at)
  const young = await sessions.start('young', { now: NOW + 10 })
  const rewritten = await sessions.seal(young.session, 'rewritten', { now: NOW + 20 })
  const twin = await sessions.seal(young.session, 'twin', { now: NOW + 20 })
  const seen = [old, young].map((sealed) => cookieOf(sealed).split('; ')[1]).join('; ')
  const pair = (sealed) => `__Host-id=${sealed.token}`
  const when = { now: NOW + 20 }
  const winner = async (...sealed) => {
    const { session, duplicates } = await sessions.open([...sealed.map(pair), seen], when)
    assert.equal(duplicates, sealed.length > 1)
    return session.data
  }
  assert.equal(await winner(old, young), 'young')
  assert.equal(await winner(young, old), 'young')
  assert.equal(await winner(old, rewritten, young), 'rewritten')
  assert.equal(await winner(young, rewritten), 'rewritten')
  assert.equal(await winner(rewritten, twin), 'rewritten')
  assert.equal(await winner(twin, rewritten), 'twin')
  // Without its activity cookie the younger one is idle, and the other is chosen.
  const { session } = await sessions.open([pair(young), pair(old), cookieOf(old).split('; ')[1]], when)
  assert.equal(session.data, 'old')
})

test('at most 8 tokens are opened, and what is cheap to reject does not count', async () => {
  const good = await sessions.start('good', at)
  const bytes = decode(good.token)
  bytes[44] ^= 1
  const bad = `__Host-id=${encode(bytes)}`
  const behind = (count, pair) => state([...Array(count).fill(pair), cookieOf(good)])
  assert.equal(await behind(7, bad), 'valid')
  assert.equal(await behind(8, bad), 'not ours')
  assert.equal(await behind(5000, '__Host-id=x'), 'valid')
  const foreign = cookieOf(await (await createSessions({ keys: OTHER, audience: 'shop' })).start(1, at)).split('; ')[0]
  assert.equal(await behind(100, foreign), 'valid')
})

test('of several rejected tokens the reason of the one that got furthest is named', async () => {
  const started = cookieOf(await sessions.start(1, at))
  assert.equal(await state(['__Host-id=x', started.split('; ')[0], '__Host-id=y']), 'idle')
  assert.equal(await state('__Host-id=x; __Host-id=_w'), 'unknown version')
})

test('outside, every failure looks the same', async () => {
  const failures = [
    '',
    '__Host-id=x',
    `__Host-id=${'A'.repeat(200)}`,
    cookieOf(await sessions.start(1, at)).split('; ')[0],
  ]
  for (const fields of failures) {
    await assert.rejects(sessions.require(fields, at), { name: 'NoSession', message: 'no session' })
  }
  for (const reason of REASONS) {
    assert.equal(isClaim(reason), describeReason(reason).startsWith('what was sent'), reason)
  }
  assert.equal(REASONS.length, 16)
})

test('the key whose time has come seals, and both open', async () => {
  const ring = `# two keys\r\nseal ${SECRET}\r\nseal ${OTHER} from=2030-01-01T00:00:00Z ; # soon`
  const instant = Date.UTC(2030, 0, 1) / 1000
  const rotating = await createSessions({ keys: ring })
  const before = await rotating.start(1, { now: instant - 1 })
  const after = await rotating.start(1, { now: instant })
  assert.deepEqual([before.session.keyId, after.session.keyId], ['9e4859a4', '56f76705'])
  assert.deepEqual([readClaims(before.token).keyId, readClaims(after.token).keyId], ['9e4859a4', '56f76705'])
  assert.equal(await state(cookieOf(before), { now: instant }, rotating), 'valid')
  for (const from of ['2030-01-01T01:00:00+01:00', '2029-12-31T23:00:00-01:00', '2030-01-01T00:00:00-00:00']) {
    assert.deepEqual([...(await parseRing(`seal ${SECRET}\nseal ${OTHER} from=${from}`)).sealing.keys()], [0, instant])
  }
  for (const from of [
    '2030-02-30T00:00:00Z',
    '2030-01-01T24:00:00Z',
    '2030-01-01T00:00:00',
    '2030-01-01T00:00:00.5Z',
    '2030-01-01T00:00:00.0Z',
    '2030-01-01t00:00:00Z',
    '2030-01-01T00:00:00z',
    '2016-12-31T23:59:60Z',
    '2030-13-01T00:00:00Z',
    '1970-01-01T00:00:00Z',
    '1970-01-01T00:30:00+01:00',
    '0070-01-01T00:00:00Z',
    '2030-01-01',
    '1893456000',
    '2030-01-01T23:59:60Z',
  ]) {
    await assert.rejects(
      parseRing(`seal ${SECRET}\nseal ${OTHER} from=${from}`),
      { name: 'KeyError', message: /entry 2 .*its time is written/ },
      from,
    )
  }
})

test('what cannot be sealed is an error', async () => {
  const { session } = await sessions.start(1, at)
  const refused = (message) => ({ name: 'SealError', message })
  const tooLarge = /would take 4\d+ bytes, and the option `chunks` allows 4096/
  await assert.rejects(sessions.start('x'.repeat(3000), at), refused(tooLarge))
  await assert.rejects(sessions.start(undefined, at), refused(/serialised/))
  await assert.rejects(sessions.start(10n, at), refused(/serialised/))
  await assert.rejects(sessions.seal(session, new TextEncoder().encode('{"a":'), at), refused(/not JSON/))
  await assert.rejects(sessions.seal(session, Uint8Array.of(0xff), at), refused(/not JSON/))
  await assert.rejects(sessions.seal(session, 1, { now: NOW + 43200 }), refused(/expiry/))
  await assert.rejects(sessions.seal({ ...session, id: 'B7477EBEB19CEF38' }, 1, at), refused(/session id/))
  await assert.rejects(sessions.start(1, { now: 2 ** 32 }), refused(/2106|expiry/))
  const large = new TextEncoder().encode('{"user":18446744073709551615}')
  const exact = await sessions.seal(session, large, at)
  assert.deepEqual(exact.session.payload, large, 'bytes are sealed as they are')
  const longest = await sessions.start('x'.repeat(2993), at)
  assert.equal('__Host-id'.length + longest.token.length, 4096)
  assert.equal(cookieValues(cookieOf(longest), '__Host-id')[0], longest.token)
  assert.equal(await state(cookieOf(longest)), 'valid')
})

test('what servers would refuse to read is refused before it is sealed', async () => {
  const { session } = await sessions.start(1, at)
  const deep = (depth) => '['.repeat(depth) + ']'.repeat(depth)
  for (const [json, problem] of [
    ['"\\ud83c"', /half a surrogate pair/],
    ['{"a":{"\\uDC00\\uD800":1}}', /half a surrogate pair/],
    ['[1e999]', /largest double/],
    ['{"a":-2e308}', /largest double/],
    ['9'.repeat(400), /largest double/],
    [deep(128), /127 arrays/],
    [`${'{"a":'.repeat(128)}1${'}'.repeat(128)}`, /127 arrays/],
  ]) {
    const refused = { name: 'SealError', message: problem }
    await assert.rejects(sessions.seal(session, new TextEncoder().encode(json), at), refused, json)
    await assert.rejects(sessions.start(new TextEncoder().encode(json), at), refused, json)
  }
  for (const json of [
    deep(127),
    '"\\ud83c\\udf6a"',
    '"\\\\ud83c 1e999 [[["',
    '[1e308,1e-999,"\\"[\\u0041"]',
    `[${'[],{},'.repeat(200)}1]`,
  ]) {
    const { token } = await sessions.seal(session, new TextEncoder().encode(json), at)
    assert.equal(typeof token, 'string', json)
  }
  const nested = JSON.parse(deep(128))
  const values = [
    [{ name: 'Ann 🍪'.slice(0, 5) }, /half a surrogate pair/],
    [{ ['🍪'.slice(0, 1)]: 1 }, /half a surrogate pair/],
    [nested, /127 arrays/],
    [NaN, /NaN/],
    [{ a: [-Infinity] }, /NaN/],
    [{ a: { user: 2 ** 53 } }, /keep it as a string/],
    [[-(2 ** 60)], /keep it as a string/],
    [1e300, /keep it as a string/],
  ]
  for (const [value, message] of values) {
    await assert.rejects(sessions.seal(session, value, at), { name: 'SealError', message }, inspect(value))
  }
  for (const value of [2 ** 53 - 1, 0.1, -0, null, '🍪', { a: '9007199254740993' }]) {
    assert.deepEqual((await sessions.seal(session, value, at)).session.data, value === 0 ? 0 : value)
  }
})

test('an integer that JavaScript would change turns no user into another', async () => {
  const bytes = new TextEncoder().encode('{"user":9007199254740993}')
  const started = await sessions.start(bytes, at)
  const { session } = await sessions.open(cookieOf(started), at)
  const refused = { name: 'SealError', message: /keep it as a string/ }
  await assert.rejects(sessions.seal(session, { ...session.data, theme: 'dark' }, at), refused)
  await assert.rejects(
    sessions.seal(session, { user: String(session.data.user) }, at),
    refused,
    'it is another one already',
  )
  const written = await sessions.seal(session, new TextEncoder().encode('{"user":9007199254740993,"theme":"dark"}'), at)
  assert.equal(new TextDecoder().decode(written.session.payload), '{"user":9007199254740993,"theme":"dark"}')
  assert.deepEqual((await sessions.cycle(session, at)).session.payload, bytes, 'as it is')
  for (const survives of ['[9007199254740992.0,1e30,"9007199254740993"]', '[9007199254740994,-9007199254740991]']) {
    const { session } = await sessions.start(new TextEncoder().encode(survives), at)
    assert.deepEqual((await sessions.seal(session, 'new', at)).session.data, 'new', survives)
  }
})

test('a session that was revoked after it was opened is neither written nor cycled nor renewed', async () => {
  const revoked = new Set()
  const listening = await createSessions({ keys: SECRET, revoked })
  const started = await listening.start({ user: 7 }, at)
  const { session } = await listening.open(cookieOf(started), at)
  const strict = await createSessions({ keys: SECRET, cutOff: NOW + 1 })
  const later = { now: NOW + 900 }
  const refused = { name: 'SealError', message: /revoked after it was opened/ }
  for (const [which, revoke] of [
    [listening, () => revoked.add(session.id)],
    [strict, () => {}],
  ]) {
    revoke()
    await assert.rejects(which.cycle(session, later), refused)
    await assert.rejects(which.seal(session, { user: 8 }, later), refused)
    assert.deepEqual(await which.renew(session, later), {
      session,
      token: null,
      cookies: [],
      setCookie: [],
      revocations: null,
    })
  }
  revoked.clear()
  assert.equal((await listening.cycle(session, later)).setCookie.length, 2)
})

test('only sessions that were opened or started are written', async () => {
  const started = await sessions.start({ user: 7 }, at)
  const { session } = await sessions.open(cookieOf(started), at)
  const refused = { name: 'SealError', message: /none that `open` or `start` gave/ }
  for (const other of [
    null,
    undefined,
    {},
    JSON.parse(JSON.stringify(session)),
    { ...session, expiresAt: NaN },
    { ...session, startedAt: '1' },
    { ...session, openedAt: NaN },
    { ...session, activeUntil: NaN },
    { ...session, remembered: undefined },
  ]) {
    await assert.rejects(sessions.seal(other, 1, at), refused, inspect(other))
    await assert.rejects(sessions.cycle(other, at), refused, inspect(other))
    await assert.rejects(sessions.renew(other, at), refused, inspect(other))
  }
  for (const same of [session, started.session, structuredClone(session)]) {
    assert.deepEqual((await sessions.cycle(same, at)).session.data, { user: 7 })
  }
})

test('padding hides the length and is not given back', async () => {
  const padding = await createSessions({ keys: SECRET, padTo: 64 })
  const [short, long] = [await padding.start('a', at), await padding.start('a'.repeat(50), at)]
  assert.equal(short.token.length, long.token.length)
  const { session } = await padding.open(cookieOf(short), at)
  assert.deepEqual([session.data, session.payload.length], ['a', 3])
})

test('times and binds of another kind are refused, not misread', async () => {
  for (const now of [NaN, Infinity, -1, 1.5, '1893369660', Date.now() * 1e6, null]) {
    await assert.rejects(sessions.open('__Host-id=x', { now }), TypeError, String(now))
  }
  await assert.rejects(sessions.open('__Host-id=x', { now: NOW, bind: 'text' }), TypeError)
  assert.equal((await sessions.open(cookieOf(await sessions.start(1)))).state, 'valid', 'the clock is the default')
})

test('options that cannot be meant are refused', async () => {
  const refused = [
    { idle: 0 },
    { idle: 1.5 },
    { absolute: 401 * DAY },
    { idle: 43201 },
    { remembered: { idle: 2, absolute: 1 } },
    { name: 'a b' },
    { name: '__host-id' },
    { name: 'x'.repeat(251) },
    { audience: 'x'.repeat(256) },
    { audience: '\ud800' },
    { cutOff: '0' },
    { revoked: ['B7477EBEB19CEF38'] },
    { padTo: 0 },
    { keys: undefined },
    { cutOff: NaN },
    { absolute: NaN },
    { cutOff: NOW * 1000 },
    { cookieName: 'id' },
    { audience: 5 },
    { audience: null },
    { name: 5 },
    { revoked: null },
    { revoked: 5 },
    { revoked: '' },
    { revoked: [7477195619338200] },
    { remembered: true },
    ...[{}, [], 7, null, new Map(), Buffer.from(SECRET), parseRing(SECRET), await parseKey(SECRET)].map((keys) => ({
      keys,
    })),
    { keys: JSON.parse(JSON.stringify(await parseRing(SECRET))) },
  ]
  for (const options of refused) {
    await assert.rejects(createSessions({ keys: SECRET, ...options }), { name: 'ConfigError' }, JSON.stringify(options))
  }
  for (const options of [undefined, null, SECRET])
    await assert.rejects(createSessions(options), { name: 'ConfigError' })
  for (const key of [SECRET, parseKey(SECRET), undefined]) {
    assert.throws(() => makeRing([{ role: 'seal', key }]), { name: 'KeyError' })
  }
  for (const text of [Buffer.from(SECRET), undefined]) await assert.rejects(parseRing(text), { name: 'KeyError' })
  await assert.rejects(keyFromRawSecret('x'.repeat(32)), { name: 'KeyError' })
  await createSessions({ keys: SECRET, name: 'x'.repeat(255), idle: null })
  await createSessions({ keys: SECRET, absolute: 60 })
})

test('nothing shows a secret', async () => {
  const ring = await parseRing(SECRET)
  for (const shown of [
    inspect(ring, { depth: 9, showHidden: true }),
    JSON.stringify(ring),
    inspect(sessions, { depth: 9 }),
  ]) {
    assert.equal(shown.includes(SECRET.slice(17, 33)), false)
  }
  const [key] = ring.keys.values()
  await assert.rejects(crypto.subtle.exportKey('raw', key.root))
  assert.equal('export' in key.root, false, 'as that of a KeyObject')
})

test('no two sealings share a salt', async () => {
  const { session } = await sessions.start(1, at)
  const tokens = new Set()
  for (let round = 0; round < 200; round++) tokens.add((await sessions.seal(session, 1, at)).token)
  assert.equal(tokens.size, 200)
})

test('a start ahead of the clock moves back to the opening when it is written', async () => {
  const ahead = await createSessions({ keys: SECRET })
  const { setCookie } = await ahead.start(1, { now: NOW + 200 })
  const cookies = setCookie.map((line) => line.split(';')[0]).join('; ')
  const { session } = await ahead.open(cookies, { now: NOW })
  assert.equal(session.startedAt, NOW + 200)
  const written = await ahead.seal(session, 2, { now: NOW + 150 })
  assert.equal(written.session.startedAt, NOW, 'not the later time of the write')
})
