// What the holder of a day's keys can do, and what it cannot.

import assert from 'node:assert/strict'
import test from 'node:test'

import { decode, encode } from '../src/base64url.js'
import { random } from '../src/crypto.js'
import { placeRing } from '../src/day-keys.js'
import { createSessions, exportDayKeys, parseDayKeys, parseRing } from '../src/index.js'
import { NOW, OTHER, SECRET, TODAY, cookieOf } from './support.js'

const ring = await parseRing(SECRET)
const at = { now: NOW }
const server = await createSessions({ keys: ring, audience: 'shop' })
const days = [TODAY, TODAY + 1]

/** Sessions from keys exported for these rights, days, name and audience. */
async function holder(rights, other = {}, options = {}) {
  return createSessions({ keys: await exportDayKeys(ring, { audience: 'shop', rights, days, ...other }), ...options })
}

/** A cookie field with this part of the session token replaced. */
function tampered(sealed, change) {
  const bytes = decode(sealed.token)
  change(bytes)
  return cookieOf(sealed).replace(sealed.token, encode(bytes))
}

test('a check tells live heads from dead ones', async () => {
  const checker = await holder('check')
  const started = await server.start({ user: 7 }, at)
  const cookie = cookieOf(started)
  const live = { state: 'live', ids: [started.session.id], reason: null, duplicates: false }
  assert.deepEqual(await checker.check(cookie, at), live)
  assert.deepEqual(await server.check(cookie, at), live, 'the holder of the root can check too')
  assert.equal((await checker.check(cookie, { now: NOW + 1799 })).state, 'live')
  const dead = async (fields, when, reason) => {
    const { state, ids, reason: found } = await checker.check(fields, when)
    assert.deepEqual([state, ids, found], ['dead', [], reason])
  }
  await dead(cookie, { now: NOW + 1800 }, 'idle')
  await dead(cookie, { now: NOW + 43200 }, 'expired')
  await dead(cookie.split('; ')[0], at, 'idle')
  await dead(cookie, { now: NOW, bind: Uint8Array.of(1) }, 'not ours')
  await dead('__Host-id=x', at, 'malformed')
  await dead('__Host-id=', at, 'malformed')
  for (const position of [9, 16, 17, 28, 29, 44]) {
    await dead(
      tampered(started, (bytes) => (bytes[position] ^= 1)),
      at,
      'not ours',
    )
  }
  const other = await server.start({ user: 7 }, at)
  await dead(`${cookie.split('; ')[0]}; ${cookieOf(other).split('; ')[1]}`, at, 'idle')
  assert.equal((await checker.check('theme=dark', at)).state, 'absent')
  const listed = await holder('check', {}, { revoked: new Set([started.session.id]) })
  assert.deepEqual((await listed.check(cookie, at)).reason, 'revoked')
})

test('a key or version that is not known here is not called dead', async () => {
  const checker = await holder('check')
  const newer = await createSessions({ keys: `seal ${OTHER}\nopen ${SECRET}`, audience: 'shop' })
  const opened = await newer.open(cookieOf(await server.start(1, at)), at)
  const renewed = await newer.renew(opened.session, { now: NOW + 600 })
  for (const cookie of [
    cookieOf(await newer.start(1, at)),
    `__Host-id=${'_'.repeat(100)}`,
    `${cookieOf(await server.start(1, at)).split('; ')[0]}; ${cookieOf(renewed)}`,
  ]) {
    assert.equal((await checker.check(cookie, at)).state, 'unknown')
  }
  const later = await holder('check', { days: [TODAY + 1] })
  assert.equal(
    (await later.check(cookieOf(await server.start(1, { now: TODAY * 86400 })), { now: TODAY * 86400 })).state,
    'unknown',
  )
})

test('the holder of check keys can neither open nor seal', async () => {
  const checker = await holder('check')
  const { session, setCookie } = await server.start({ user: 7 }, at)
  const refused = { name: 'ConfigError', message: /check keys neither open nor seal/ }
  await assert.rejects(checker.open(setCookie[0], at), refused)
  await assert.rejects(checker.require(setCookie[0], at), refused)
  await assert.rejects(checker.start({ user: 1 }, at), refused)
  await assert.rejects(checker.seal(session, { user: 1 }, at), refused)
  await assert.rejects(checker.cycle(session, at), refused)
  await assert.rejects(checker.renew(session, at), refused)
  const { keys } = await exportDayKeys(ring, { rights: 'check', days })
  assert.equal(JSON.stringify(keys).includes('"seal"'), false)
})

test('a genuine head on a random body passes the check and never opens', async () => {
  const checker = await holder('check')
  for (let round = 0; round < 50; round++) {
    const started = await server.start({ user: round }, at)
    const cookie = tampered(started, (bytes) => bytes.set(random(bytes.length - 45), 45))
    assert.equal((await checker.check(cookie, at)).state, 'live')
    const { state, session, reason } = await server.open(cookie, at)
    assert.deepEqual([state, session, reason], ['rejected', null, 'damaged'])
  }
})

test('what check keys can make (heads, activity) never opens as a session', async () => {
  // The thief seals under the check keys in the place of the seal keys.
  const file = await exportDayKeys(ring, { audience: 'shop', rights: 'check', days })
  const keys = file.keys.map((entry) => ({ ...entry, session: { ...entry.session, seal: entry.session.check } }))
  const thief = await createSessions({
    keys: { ...file, rights: 'open', sealing: [{ key_id: '9e4859a4', from: 0 }], keys },
  })
  const checker = await holder('check')
  for (let round = 0; round < 20; round++) {
    const forged = cookieOf(await thief.start({ user: 'admin' }, at))
    assert.equal((await checker.check(forged, at)).state, 'live', 'other holders of check keys believe it')
    assert.equal((await server.open(forged, at)).reason, 'damaged')
  }
})

test('heads of another day, name or audience are refused', async () => {
  const started = await server.start({ user: 7 }, at)
  const [session, activity] = cookieOf(started).split('; ')
  for (const other of [{ audience: 'bank' }, { audience: '' }, { name: '__Host-other' }]) {
    const checker = await holder('check', other)
    const name = other.name ?? '__Host-id'
    const cookie = [session, activity].map((pair) => pair.replace('__Host-id', name)).join('; ')
    assert.deepEqual((await checker.check(cookie, at)).reason, 'not ours', JSON.stringify(other))
    assert.deepEqual((await (await holder('open', other)).open(cookie, at)).reason, 'not ours')
  }
  // The keys of another day, given out as those of today.
  const file = await exportDayKeys(ring, { audience: 'shop', rights: 'open', days: [TODAY + 5] })
  const posing = { ...file, keys: days.map((day) => ({ ...file.keys[0], day })) }
  assert.equal((await (await createSessions({ keys: posing })).open(cookieOf(started), at)).reason, 'not ours')
  const otherDay = await holder('open', { days: [TODAY + 5] })
  assert.equal((await otherDay.open(cookieOf(started), at)).reason, 'unknown key')
})

test('both keys of a day open and seal what expires on that day, and no more', async () => {
  const edge = await holder('open')
  const started = await edge.start({ user: 7 }, at)
  const { session } = await server.open(cookieOf(started), at)
  assert.deepEqual(session.data, { user: 7 })
  const renewed = await edge.renew(session, { now: NOW + 1000 })
  const cookie = `${cookieOf(started).split('; ')[0]}; ${cookieOf(renewed)}`
  assert.equal((await server.open(cookie, { now: NOW + 2700 })).state, 'valid')
  await assert.rejects(edge.start(1, { now: NOW + 3 * 86400 }), { name: 'SealError', message: /export more days/ })
})

test('the flags are sealed, so the longest idle timeout counts', async () => {
  const lifetimes = { remembered: { idle: 14 * 86400, absolute: 90 * 86400 } }
  const keeper = await createSessions({ keys: ring, ...lifetimes })
  const { session, ...sealed } = await keeper.start(1, { ...at, remembered: true })
  const export91 = { audience: '', days: Array.from({ length: 92 }, (_, i) => TODAY + i) }
  const checker = await holder('check', export91, lifetimes)
  assert.equal((await checker.check(cookieOf(sealed), { now: NOW + 7 * 86400 })).state, 'live')
  const without = await holder('check', export91, { remembered: { idle: null, absolute: 90 * 86400 } })
  assert.equal((await without.check(cookieOf(sealed).split('; ')[0], at)).state, 'live')
  const short = await holder('check', export91)
  const longer = await short.check(cookieOf(sealed), at)
  assert.deepEqual([longer.state, longer.reason], ['unknown', 'idle'], 'a server with longer timeouts may open it')
  assert.equal(
    (await short.check(cookieOf(sealed).split('; ')[0], at)).state,
    'dead',
    'without activity it is idle there too',
  )
  const revoking = await holder('check', export91, { revoked: [session.id] })
  assert.equal((await revoking.check(cookieOf(sealed), at)).state, 'dead')
})

test('day keys say the lifetimes of the server, and options overrule them', async () => {
  const remembered = { idle: 14 * 86400, absolute: 90 * 86400 }
  const keeper = await createSessions({ keys: ring, remembered })
  const long = cookieOf(await keeper.start(1, { ...at, remembered: true }))
  const some = { audience: '', days: Array.from({ length: 92 }, (_, i) => TODAY + i) }
  const told = { ...some, idle: 600, absolute: 7200, remembered }
  const checker = await holder('check', told)
  assert.equal((await checker.check(long, { now: NOW + 7 * 86400 })).state, 'live')
  const opener = await holder('open', told)
  assert.equal((await opener.open(long, { now: NOW + 7 * 86400 })).state, 'valid')
  assert.equal((await opener.open(long, { now: NOW + 14 * 86400 })).reason, 'idle')
  const times = async (options) => {
    const { session } = await (await holder('open', told, options)).start(1, at)
    return [session.activeUntil - NOW, session.expiresAt - NOW]
  }
  assert.deepEqual(await times({}), [600, 7200])
  assert.deepEqual(await times({ idle: 60 }), [60, 7200])
  assert.deepEqual(await times({ absolute: 300 }), [300, 300])
  assert.equal((await (await holder('open', told, { remembered: null })).open(long, at)).reason, 'idle')
  const never = await holder('check', { ...told, remembered: { idle: null, absolute: 90 * 86400 } })
  assert.equal((await never.check(long.split('; ')[0], at)).state, 'live', 'a remembered session never goes idle there')
  const exported = JSON.parse(JSON.stringify(await exportDayKeys(ring, { rights: 'check', days, idle: null })))
  assert.deepEqual([exported.idle, 'absolute' in exported, 'remembered' in exported], [null, false, false])
})

test('broken day keys are refused without showing a key', async () => {
  const good = await exportDayKeys(ring, { rights: 'open', days })
  assert.deepEqual(parseDayKeys(JSON.stringify(good)), good)
  const [entry] = good.keys
  const bad = [
    '{',
    '{"format":"sealed-session day keys v1"',
    {},
    null,
    { ...good, format: 'sealed-session day keys v2' },
    { ...good, rights: 'all' },
    { ...good, name: 7 },
    { ...good, keys: [] },
    { ...good, keys: [entry, entry] },
    { ...good, keys: [{ ...entry, key_id: '9E4859A4' }] },
    { ...good, keys: [{ ...entry, day: 1.5 }] },
    { ...good, keys: [{ ...entry, day: 49711 }] },
    { ...good, keys: [{ ...entry, session: { check: entry.session.check } }] },
    { ...good, keys: [{ ...entry, session: { ...entry.session, check: entry.session.check.slice(1) } }] },
    { ...good, keys: [{ ...entry, activity: {} }] },
    { ...good, rights: 'check' },
    { ...good, sealing: undefined },
    { ...good, sealing: [{ key_id: '9e4859a4', from: 5 }] },
    { ...good, sealing: [0, -5].map((from) => ({ key_id: '9e4859a4', from })) },
    { ...good, sealing: [null] },
    { ...good, audience: 'x'.repeat(256) },
    { ...good, idle: '1800' },
    { ...good, idle: 43201 },
    { ...good, absolute: 401 * 86400 },
    { ...good, remembered: 5 },
    { ...good, remembered: { idle: 1 } },
    { ...good, sealing: [0, 5, 5].map((from) => ({ key_id: '9e4859a4', from })) },
  ]
  for (const json of bad) {
    assert.throws(
      () => parseDayKeys(json),
      (error) => {
        assert.equal(error.name, 'KeyError', JSON.stringify(json))
        return !error.message.includes(entry.session.check.slice(0, 16))
      },
    )
  }
  await assert.rejects(createSessions({ keys: good, audience: 'bank' }), { name: 'ConfigError' })
  const noActivity = { ...good, keys: good.keys.map(({ activity, ...rest }) => rest) }
  await assert.rejects(createSessions({ keys: noActivity }), { name: 'ConfigError', message: /activity/ })
  assert.equal((await (await createSessions({ keys: noActivity, idle: null })).open('x=1', at)).state, 'absent')
})

test('imported keys are kept per key and day, within a bound, and those of past days are dropped', async () => {
  const keys = placeRing(ring, 'id', '')
  const isKept = async (day, now) =>
    (await keys.checkKey('9e4859a4', day, now)) === (await keys.checkKey('9e4859a4', day, now))
  for (let day = 0; day < 1024; day++) await keys.checkKey('9e4859a4', day, 0)
  assert.equal(await isKept(1023, 0), true)
  assert.equal(await isKept(1024, 0), false, 'full')
  assert.equal(await isKept(1024, 1024 * 86400), true, 'the days before are past')
  await assert.rejects(keys.checkKey('00000000', 1, 0), { name: 'KeyError' })
})
