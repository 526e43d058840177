// Sessions in several cookies: written, removed, and never opened from cookies that were not sealed as one.

import assert from 'node:assert/strict'
import test from 'node:test'

import { createSessions, parseRing, readClaims } from '../src/index.js'
import { NOW, SECRET, countCrypto } from './support.js'

const ring = await parseRing(SECRET)
const make = (options = {}) =>
  createSessions({ keys: ring, audience: 'shop', idle: null, chunks: 4, largestCookies: 20_000, revoke: null, ...options })
const sessions = await make()
const at = { now: NOW }
const IN = [0, 1000, 4000, 8000, 12_000]
const data = (cookies) => 'x'.repeat(IN[cookies] - 2)

/** The jar after a response. */
function received(jar, setCookie) {
  const next = new Map(jar)
  for (const line of setCookie) {
    const [name, value] = line.split(';')[0].split('=')
    if (line.includes('; Max-Age=0;')) next.delete(name)
    else next.set(name, value)
  }
  return next
}
const fieldOf = (jar) => [...jar].map((pair) => pair.join('=')).join('; ')
const outcome = async (jar, reader = sessions) => {
  const { state, reason, session } = await reader.open(fieldOf(jar), at)
  return reason ?? (session === null ? state : session.data.length + 2)
}

test('a session grows and shrinks and leaves nothing behind', async () => {
  for (let before = 1; before <= 4; before++) {
    for (let after = 1; after <= 4; after++) {
      const jar = received(new Map(), (await sessions.start(data(before), at)).setCookie)
      assert.equal(jar.size, before)
      const { session } = await sessions.open(fieldOf(jar), at)
      assert.equal(session.chunks, before)
      const written = await sessions.seal(session, data(after), at)
      assert.match(written.setCookie.at(-1), /^__Host-id=/, 'what makes the others count comes last')
      const next = received(jar, written.setCookie)
      assert.deepEqual([next.size, await outcome(next)], [after, IN[after]])
      const cycled = received(next, (await sessions.cycle(written.session, at)).setCookie)
      assert.deepEqual([cycled.size, await outcome(cycled)], [after, IN[after]])
      const started = await sessions.start(data(1), { ...at, cookies: fieldOf(cycled) })
      assert.equal(received(cycled, started.setCookie).size, 1)
      assert.equal(received(cycled, (await sessions.end(fieldOf(cycled), at)).setCookie).size, 0)
    }
  }
  assert.equal(sessions.strip('theme=dark; __Host-id=a; __Host-id.2=b; __Host-id.4=c'), 'theme=dark')
  assert.equal((await sessions.end('a=1', at)).cookies.length, 2, 'nothing of what did not come')
})

test('with the cookies of the request, what is left of another session goes too', async () => {
  for (const count of [1, 2]) {
    const jar = received(new Map(), (await sessions.start(data(count), at)).setCookie)
    jar.set('__Host-id.3', 'left').set('__Host-id.4', 'left')
    const cookies = fieldOf(jar)
    const { session } = await sessions.open(cookies, at)
    const written = await sessions.seal(session, data(count), { ...at, cookies })
    const cycled = await sessions.cycle(session, { ...at, cookies })
    for (const { setCookie } of [written, cycled]) {
      assert.match(setCookie.at(-1), /^__Host-id=/)
      const next = received(jar, setCookie)
      assert.deepEqual([next.size, await outcome(next)], [count, IN[count]])
    }
  }
})

test('writing is switched on and off without an end to any session', async () => {
  const off = await make({ chunks: 1, largestCookies: undefined })
  const jar = received(new Map(), (await sessions.start(data(3), at)).setCookie)
  const { session } = await off.open(fieldOf(jar), at)
  assert.equal(session.data, data(3))
  const cycled = received(jar, (await off.cycle(session, at)).setCookie)
  assert.deepEqual([cycled.size, await outcome(cycled, off)], [3, IN[3]], 'it may stay as large')
  const smaller = received(jar, (await off.seal(session, data(1), at)).setCookie)
  assert.deepEqual([smaller.size, await outcome(smaller, off)], [1, IN[1]])
  await assert.rejects(off.seal(session, data(4), at), /option `chunks` allows 4096/)
  await assert.rejects(off.start(data(2), at), /option `chunks` allows 4096/)
})

test('too large names the number, the option and the largest field', async () => {
  const usual = await make({ largestCookies: undefined })
  const large = { user: 7, token: 'x'.repeat(6000) }
  await assert.rejects(usual.start(large, at), /option `largestCookies` allows 7500;.*`token` with 6002 bytes/)
  const wide = { wide: '\u00e9'.repeat(2000), long: 'x'.repeat(3000) }
  const one = await make({ chunks: 1 })
  await assert.rejects(one.start(wide, at), /option `chunks` allows 4096;.*`wide` with 4002 bytes/)
  for (const chunks of [0, 5, 1.5, '2']) await assert.rejects(make({ chunks }), /`chunks` takes 1 to 4/)
  for (const largestCookies of [4000, NaN, '7500']) await assert.rejects(make({ largestCookies }), /takes at least \d+/)
  await assert.rejects(make({ name: 'n'.repeat(254) }), /at most 253 bytes with `chunks`/)
})

test('padding fills the cookies that are needed and takes no other', async () => {
  const padding = await make({ padTo: 1000 })
  const length = async (bytes) => {
    const { setCookie } = await padding.start('x'.repeat(bytes - 2), at)
    return fieldOf(received(new Map(), setCookie)).length
  }
  assert.equal(await length(2001), await length(2995))
  assert.equal(await length(2996), await length(3000))
  assert.equal(await length(6001), await length(6049))
})

test('a cookie that is missing, older or swapped gives no session', async () => {
  const old = received(new Map(), (await sessions.start(data(4), at)).setCookie)
  const { session } = await sessions.open(fieldOf(old), at)
  const whole = received(old, (await sessions.seal(session, data(4), at)).setCookie)
  const [two, three] = [whole.get('__Host-id.2'), whole.get('__Host-id.3')]
  const changed = (...pairs) => new Map([...whole, ...pairs])
  for (const name of ['__Host-id.2', '__Host-id.3', '__Host-id.4']) {
    const without = new Map(whole)
    without.delete(name)
    assert.equal(await outcome(without), 'incomplete', name)
    assert.equal((await sessions.check(fieldOf(without), at)).state, 'live', 'a check needs the first alone')
    assert.equal(await outcome(changed([name, old.get(name)])), 'incomplete', 'of the state before')
    assert.equal(await outcome(changed([name, whole.get(name).slice(0, 8) + old.get(name).slice(8)])), 'damaged')
    without.set(name.toLowerCase(), whole.get(name))
    assert.equal(await outcome(without), 'incomplete', 'a name of another case')
  }
  assert.equal(await outcome(changed(['__Host-id.2', three], ['__Host-id.3', two])), 'damaged')
  assert.equal(await outcome(changed(['__Host-id', old.get('__Host-id')])), 'incomplete')
  for (const value of [`${two}A`, `${two}=`, two.slice(1), two.slice(0, 8), '']) {
    assert.equal(await outcome(changed(['__Host-id.2', value])), 'incomplete')
    const field = `__Host-id.2=${value}; ${fieldOf(whole)}`
    assert.equal((await sessions.open(field, at)).state, 'valid', 'the right one counts')
  }
  assert.equal(readClaims(whole.get('__Host-id')).chunks, 4)
  const tokens = { session: [whole.get('__Host-id')], activity: [] }
  assert.equal((await sessions.openTokens(tokens, at)).reason, 'incomplete')
  const chunks = ['.2', '.3', '.4'].map((end) => [whole.get(`__Host-id${end}`)])
  assert.equal((await sessions.openTokens({ ...tokens, chunks }, at)).state, 'valid')
  await assert.rejects(sessions.openTokens({ ...tokens, chunks: [two] }, at), { name: 'TypeError' })
})

test('forged heads make nothing be put together, and the work for 400 KB is bounded', async (context) => {
  const jar = received(new Map(), (await sessions.start(data(4), at)).setCookie)
  const first = jar.get('__Host-id')
  const forged = first.slice(0, 30) + (first[30] === 'A' ? 'B' : 'A') + first.slice(31)
  const count = countCrypto(context)
  const flood = (pair) => `${pair}; `.repeat((400 * 1024) / pair.length)
  const chunks = flood(`__Host-id.2=${first.slice(40, 48)}${jar.get('__Host-id.2').slice(8, 900)}`)
  const other = received(new Map(), (await sessions.start(data(1), at)).setCookie)
  await sessions.open(fieldOf(other), at) // derives the keys of the day
  for (const [field, reason, decrypts] of [
    [flood(`__Host-id=${forged}`) + chunks, 'not ours', 0],
    [flood(`__Host-id=${first}`) + chunks, 'incomplete', 0],
    [chunks + fieldOf(jar), null, 1],
  ]) {
    count.reset()
    assert.equal((await sessions.open(field, at)).reason, reason)
    assert.equal(count.decrypts, decrypts)
    assert(count.hmacs > 0 && count.hmacs <= 8 * 3, `${count.hmacs} HMACs`)
  }
})
