// Tokens that were opened before: the same answers without cryptography, and nothing that belongs to one request is kept.

import assert from 'node:assert/strict'
import test from 'node:test'

import { decode, encode } from '../src/base64url.js'
import { placeRing } from '../src/day-keys.js'
import { createSessions, exportDayKeys, parseRing } from '../src/index.js'
import { amountKept, find, keep } from '../src/kept.js'
import { NOW, SECRET, TODAY, cookieOf, countCrypto } from './support.js'

const ring = await parseRing(SECRET)
const make = (options = {}) => createSessions({ keys: ring, audience: 'shop', ...options })
const at = { now: NOW }

/** Sessions that have opened this cookie twice, and so keep it. */
async function seen(cookie, options = {}, when = at) {
  const sessions = await make(options)
  for (let i = 0; i < 2; i++) assert.equal((await sessions.open(cookie, when)).state, 'valid')
  return sessions
}
const started = async (data, options = {}, when = at) => cookieOf(await (await make(options)).start(data, when))
const outcome = async (sessions, cookie, when = at) => {
  const { state, reason } = await sessions.open(cookie, when)
  return reason ?? state
}
/** The cookie with one character of its value changed, so that the text stays canonical. */
function flipped(cookie, index) {
  const start = cookie.indexOf('=') + 1
  const position = start + index
  return cookie.slice(0, position) + (cookie[position] === 'A' ? 'B' : 'A') + cookie.slice(position + 1)
}

test('what was opened before opens without cryptography, and to the same', async (context) => {
  const sessions = await make()
  const cookie = cookieOf(await sessions.start({ user: 7, cart: ['é', 2] }, at))
  const count = countCrypto(context)
  const first = await sessions.open(cookie, at)
  assert.deepEqual([count.hmacs > 0, count.decrypts], [true, 1])
  count.reset()
  assert.deepEqual(await sessions.open(cookie, at), first)
  assert.deepEqual([count.hmacs, count.decrypts], [0, 0])
  // A new activity token is verified, and the session is not opened again.
  const renewed = await sessions.renew(first.session, { now: NOW + 60 })
  const next = [cookie.split('; ')[0], ...renewed.setCookie.map((line) => line.split(';')[0])]
  count.reset()
  assert.equal((await sessions.open(next, at)).session.activeUntil, NOW + 60 + 1800)
  assert.deepEqual([count.hmacs, count.decrypts], [1, 0])
})

test('a session in several cookies is kept too', async (context) => {
  const cookie = await started('x'.repeat(12_000), { chunks: 4, largestCookies: 20_000 })
  const sessions = await seen(cookie)
  const count = countCrypto(context)
  assert.equal((await sessions.open(cookie, at)).session.chunks, 4)
  assert.deepEqual([count.hmacs, count.decrypts], [0, 0])
})

test('an application that changes what it was given changes it for no other request', async () => {
  const cookie = await started({ user: 7, roles: ['guest'] })
  const sessions = await seen(cookie)
  const { session } = await sessions.open(cookie, at)
  session.data.user = 1
  session.data.roles.push('admin')
  session.payload.fill(0x20)
  new Uint8Array(session.payload.buffer).fill(0x20)
  session.startedAt = 0
  const other = (await sessions.open(cookie, at)).session
  assert.deepEqual(other.data, { user: 7, roles: ['guest'] })
  assert.equal(new TextDecoder().decode(other.payload), '{"user":7,"roles":["guest"]}')
  assert.equal(other.startedAt, NOW)
})

test('times, revocations and the cut-off are asked for each request', async () => {
  const revoked = new Set()
  const options = { revoked, absolute: 3000 }
  const cookie = await started(1, options)
  const sessions = await seen(cookie, options)
  assert.equal(await outcome(sessions, cookie, { now: NOW + 1799 }), 'valid')
  assert.equal(await outcome(sessions, cookie, { now: NOW + 1800 }), 'idle')
  assert.equal(await outcome(sessions, cookie, { now: NOW + 3000 }), 'expired')
  assert.equal(await outcome(sessions, cookie, { now: NOW - 301 }), 'started in future')
  assert.equal(await outcome(sessions, cookie), 'valid')
  const { session } = await sessions.open(cookie, at)
  revoked.add(session.id)
  assert.equal(await outcome(sessions, cookie), 'revoked')
  revoked.clear()
  assert.equal(await outcome(sessions, cookie), 'valid')
  assert.equal(await outcome(sessions, cookie.split('; ')[0]), 'idle', 'without its activity cookie')
})

test('a token that differs in any character is another token', async () => {
  const cookie = await started('x'.repeat(200))
  const sessions = await seen(cookie)
  const fresh = await make()
  for (let index = 0; index < cookie.split('; ')[0].length - '__Host-id='.length - 1; index++) {
    const changed = flipped(cookie, index)
    const found = await outcome(sessions, changed)
    assert.notEqual(found, 'valid', `character ${index}`)
    assert.equal(found, await outcome(fresh, changed), `character ${index}`)
  }
  const [session, activity] = cookie.split('; ')
  for (let index = 0; index < 43; index++) {
    assert.equal(await outcome(sessions, `${session}; ${flipped(activity, index)}`), 'idle', `character ${index}`)
  }
  assert.equal(await outcome(sessions, cookie), 'valid')
})

test('a genuine head on another body is damaged, and the genuine token stays', async () => {
  const cookie = await started('x'.repeat(200))
  const sessions = await seen(cookie)
  const [session, activity] = cookie.split('; ')
  const bytes = decode(session.split('=')[1])
  for (const length of [bytes.length - 1, bytes.length + 3, 70]) {
    const other = new Uint8Array(length)
    other.set(bytes.subarray(0, Math.min(length, bytes.length)))
    assert.equal(await outcome(sessions, `__Host-id=${encode(other)}; ${activity}`), 'damaged', `${length} bytes`)
  }
  assert.equal(await outcome(sessions, cookie), 'valid')
})

test('the same cookies with another bind are not ours', async () => {
  const bind = Uint8Array.of(1, 2, 3)
  const cookie = await started(1, {}, { now: NOW, bind })
  const sessions = await seen(cookie, {}, { now: NOW, bind })
  for (const other of [[], [1, 2], [1, 2, 4], [1, 2, 3, 0]]) {
    assert.equal(await outcome(sessions, cookie, { now: NOW, bind: Uint8Array.from(other) }), 'not ours')
  }
  const [same, before] = [bind.slice(), { now: NOW, bind }]
  bind.fill(9)
  assert.equal(await outcome(sessions, cookie, before), 'not ours', 'what was kept is a copy')
  assert.equal(await outcome(sessions, cookie, { now: NOW, bind: same }), 'valid')
})

test('other chunks are looked at on each request', async () => {
  const options = { chunks: 4, largestCookies: 20_000, idle: null }
  const [cookie, other] = [await started('x'.repeat(12_000), options), await started('y'.repeat(12_000), options)]
  const sessions = await seen(cookie, options)
  const chunk = (of, number) => of.split('; ').find((pair) => pair.startsWith(`__Host-id.${number}=`))
  for (const number of [2, 3, 4]) {
    const mine = chunk(cookie, number)
    const without = cookie.replace(mine, 'a=1')
    assert.equal(await outcome(sessions, without), 'incomplete')
    assert.equal(await outcome(sessions, `${chunk(other, number)}; ${without}`), 'incomplete')
    assert.equal(await outcome(sessions, cookie.replace(mine, flipped(mine, 100))), 'damaged')
    assert.equal(await outcome(sessions, `${flipped(mine, 100)}; ${cookie}`), 'damaged', 'the first one counts')
  }
  assert.equal(await outcome(sessions, cookie), 'valid')
})

test('of two sessions, the one that counts is the same whether they are kept or not', async () => {
  const [old, recent] = [await started('old', {}, { now: NOW - 100 }), await started('recent')]
  const sessions = await seen(old)
  for (let i = 0; i < 3; i++) {
    const { session, duplicates } = await sessions.open(`${old}; ${recent}`, at)
    assert.deepEqual([session.data, duplicates], ['recent', true])
  }
})

test('forged tokens are not kept, nor what only a check has seen', async (context) => {
  const cookie = await started(1)
  const sessions = await make()
  const forged = flipped(cookie, 20)
  const count = countCrypto(context)
  const counted = async (open) => {
    count.reset()
    await open()
    return count.hmacs
  }
  assert.equal(await outcome(sessions, forged), 'not ours')
  for (let i = 0; i < 2; i++) assert.equal(await counted(() => sessions.open(forged, at)), 1)
  const keys = await exportDayKeys(ring, { audience: 'shop', rights: 'check', days: [TODAY, TODAY + 1] })
  const checker = await createSessions({ keys })
  assert.equal((await checker.check(cookie, at)).state, 'live')
  for (let i = 0; i < 2; i++) assert.equal(await counted(() => checker.check(cookie, at)), 2)
})

test('what no request had for a minute goes, also by a clock that was set back', async (context) => {
  const cookie = await started(1)
  const count = countCrypto(context)
  for (const [later, decrypts] of [
    [59, 0],
    [60, 1],
    [-60, 1],
  ]) {
    const sessions = await seen(cookie)
    count.reset()
    assert.equal(await outcome(sessions, cookie, { now: NOW + later }), 'valid')
    assert.equal(count.decrypts, decrypts, `${later} seconds`)
  }
})

test('sessions with other keys keep nothing of these', async (context) => {
  const cookie = await started(1)
  await seen(cookie)
  const count = countCrypto(context)
  assert.equal(await outcome(await make(), cookie), 'valid')
  assert.equal(count.decrypts, 1)
})

test('the store is bounded, and what was used last stays', () => {
  const keys = placeRing(ring, '__Host-id', '')
  const none = new Uint8Array()
  const token = (number) => {
    const bytes = new Uint8Array(1000)
    new DataView(bytes.buffer).setUint32(41, number)
    return bytes
  }
  const head = (number) => token(number).subarray(0, 45)
  const frame = { started: 1, sealed: 1, remembered: false, payload: new Uint8Array(930) }
  for (let number = 0; number < 10_000; number++) {
    const now = NOW + Math.floor(number / 200)
    keep(keys, head(number), token(number), none, frame, now)
    assert.notEqual(find(keys, head(0), none, now), undefined, 'used each second')
    assert(amountKept(keys).size <= 4 * 1024 * 1024)
  }
  const { count, size } = amountKept(keys)
  assert.equal(size, count * (1200 + 1000 + 930))
  assert.equal(count, Math.floor((4 * 1024 * 1024) / (1200 + 1000 + 930)))
  const end = NOW + 49
  assert.equal(find(keys, head(1), none, end), undefined)
  assert.notEqual(find(keys, head(9999), none, end), undefined)
  keep(keys, head(9999), token(9999), none, frame, end)
  assert.deepEqual(amountKept(keys), { count, size }, 'kept once')
  assert.equal(find(keys, head(9999), none, end + 60), undefined)
  assert.deepEqual(amountKept(keys), { count: 0, size: 0 })
})
