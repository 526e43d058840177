// Keys that arrive, change, run out, and do not arrive.

import assert from 'node:assert/strict'
import test from 'node:test'

import { createSessions, exportDayKeys, makeRing, parseKey } from '../src/index.js'
import { OTHER, SECRET, cookieOf } from './support.js'

const seconds = () => Math.floor(Date.now() / 1000)
const today = () => Math.floor(Date.now() / 86_400_000)
const ring = async (...keys) =>
  makeRing((await Promise.all(keys.map(parseKey))).map((key, index) => ({ role: index === 0 ? 'seal' : 'open', key })))
const days = (count, from = today()) => Array.from({ length: count }, (_, ahead) => from + ahead)
const exported = async (keys, options = {}) =>
  JSON.stringify(await exportDayKeys(await ring(...keys), { rights: 'open', days: days(3), audience: 'shop', ...options }))
const server = await createSessions({ keys: SECRET, audience: 'shop' })
const signedIn = cookieOf(await server.start({ user: 7 }))

/** Moves the clock by this many seconds for one call. */
async function after(wait, act) {
  const real = Date.now
  Date.now = () => real() + wait * 1000
  try {
    return await act()
  } finally {
    Date.now = real
  }
}

test('keys are replaced, and refused ones change nothing', async () => {
  const sessions = await createSessions({ keys: await exported([OTHER]) })
  assert.equal((await sessions.open(signedIn)).state, 'unknown')
  await sessions.replaceKeys(await exported([OTHER, SECRET]))
  assert.equal((await sessions.open(signedIn)).state, 'valid')
  for (const keys of ['', '{}', null, await exported([SECRET], { audience: 'other' }), await exported([SECRET], { name: 'id' })]) {
    await assert.rejects(sessions.replaceKeys(keys), /KeyError|ConfigError/)
    assert.equal((await sessions.open(signedIn)).state, 'valid')
  }
})

test('a function is asked again, and the last good keys stay when it fails', async () => {
  const errors = []
  let answer = await exported([OTHER])
  let asked = 0
  const keys = async () => {
    asked++
    if (answer instanceof Error) throw answer
    return answer
  }
  const sessions = await createSessions({ keys, keysEvery: 10, onKeyError: (error) => errors.push(error.message) })
  assert.equal((await sessions.open(signedIn)).state, 'unknown')
  answer = await exported([SECRET])
  assert.equal((await sessions.open(signedIn)).state, 'unknown', 'not yet')
  assert.equal(asked, 1)
  assert.equal((await after(11, () => sessions.open(signedIn))).state, 'valid')
  answer = new Error('KV is away')
  assert.equal((await after(22, () => sessions.open(signedIn))).state, 'valid')
  answer = null
  assert.equal((await after(33, () => sessions.open(signedIn))).state, 'valid')
  answer = '{"format":'
  assert.equal((await after(44, () => sessions.check(signedIn))).state, 'live')
  assert.equal(asked, 5)
  assert.equal(errors.length, 3)
  assert.equal(errors[0], 'KV is away')
  assert(!errors.join().includes(answer))
})

test('requests that come while a function is asked go on with what is there', async () => {
  let release
  let asked = 0
  const good = await exported([SECRET])
  const keys = () => {
    asked++
    return asked === 1 ? good : new Promise((resolve) => (release = () => resolve(good)))
  }
  const sessions = await createSessions({ keys, keysEvery: 10 })
  await after(11, async () => {
    const first = sessions.open(signedIn)
    const others = await Promise.all([1, 2, 3].map(() => sessions.open(signedIn)))
    assert(others.every(({ state }) => state === 'valid'))
    assert.equal(asked, 2)
    release()
    assert.equal((await first).state, 'valid')
  })
})

test('without keys, guests are guests and everybody else is unknown', async () => {
  const errors = []
  const options = { onKeyError: (error) => errors.push(error), revoke: null, audience: 'shop' }
  let answer
  const sessions = await createSessions({ keys: () => answer, name: '__Host-id', ...options })
  assert.equal(errors.length, 1)
  assert.equal((await sessions.open('theme=dark')).state, 'absent')
  assert.equal((await sessions.check(null)).state, 'absent')
  assert.deepEqual(await sessions.open(signedIn), {
    state: 'unknown',
    session: null,
    reason: 'unknown key',
    duplicates: false,
  })
  assert.equal((await sessions.check('__Host-id=x')).state, 'unknown')
  await assert.rejects(sessions.start({ user: 7 }), { name: 'KeyError', message: /no keys/ })
  assert.equal(await sessions.reaches(), 0)
  const request = new Request('https://shop.example/', { headers: { cookie: signedIn } })
  const page = await sessions.finish(request, new Response('page'), null)
  assert.deepEqual([page.headers.get('cache-control'), page.headers.getSetCookie()], ['private, no-cache', []])
  answer = SECRET
  assert.equal((await after(2, () => sessions.open(signedIn))).state, 'valid')
  const nameless = await createSessions({ keys: () => null, onKeyError: () => {} })
  assert.equal((await nameless.check('theme=dark')).state, 'unknown', 'the keys would have said the name')
  assert.equal((await nameless.check(null)).state, 'absent')
})

test('the other options are checked before keys arrive', async () => {
  const keys = () => null
  const quiet = { keys, onKeyError: () => {} }
  for (const options of [{ idle: 'x' }, { cookieName: 'id' }, { padTo: 0 }, { keysEvery: 0 }, { keysEvery: 1.5 }]) {
    await assert.rejects(createSessions({ ...quiet, ...options }), { name: 'ConfigError' })
  }
  await assert.rejects(createSessions({ keys, onKeyError: 'log' }), { name: 'ConfigError' })
})

test('a missing day is unknown, and the keys say how far they reach', async () => {
  const sessions = await createSessions({ keys: await exported([SECRET], { days: days(3) }) })
  const end = (today() + 3) * 86_400 - 43_200
  assert.equal(await sessions.reaches(), end)
  assert.equal(await sessions.reaches({ now: seconds() + 86_400 }), end)
  const late = { now: end + 1 }
  const cookies = cookieOf(await server.start({ user: 8 }, late))
  for (const call of ['open', 'check']) {
    const { state, reason } = await sessions[call](cookies, late)
    assert.deepEqual([state, reason], ['unknown', 'unknown key'])
  }
  await assert.rejects(sessions.start({ user: 8 }, late), /export more days/)
  const gap = await createSessions({ keys: await exported([SECRET], { days: [today(), today() + 2] }) })
  assert.equal(await gap.reaches(), (today() + 1) * 86_400 - 43_200)
  const past = await createSessions({ keys: await exported([SECRET], { days: [today() - 1] }) })
  assert((await past.reaches()) < seconds())
  assert.equal(await server.reaches(), Infinity)
  const remembered = { idle: 86_400, absolute: 10 * 86_400 }
  const longer = await createSessions({ keys: await exported([SECRET], { days: days(12), remembered }) })
  assert.equal(await longer.reaches(), (today() + 2) * 86_400)
})

test('keys with other rights, and rings that were cloned, are refused', async () => {
  const sessions = await createSessions({ keys: await exported([SECRET]) })
  await assert.rejects(sessions.replaceKeys(await exported([SECRET], { rights: 'check' })), { name: 'ConfigError' })
  assert.equal((await sessions.open(signedIn)).state, 'valid')
  const { keys, sealing } = await ring(SECRET)
  const copies = new Map([...keys].map(([id, { root }]) => [id, { id, root: { ...root } }]))
  await assert.rejects(createSessions({ keys: { keys: copies, sealing } }), { name: 'ConfigError' })
})

test('a clock that was set back does not end the asking', async () => {
  let asked = 0
  const keys = async () => (asked++, SECRET)
  const sessions = await after(4 * 365 * 86_400, () => createSessions({ keys, audience: 'shop' }))
  assert.equal((await sessions.open(signedIn)).state, 'valid')
  assert.equal(asked, 2)
})

test('whatever onKeyError does, the visitor does not notice', async () => {
  const real = console.error
  const said = []
  console.error = (text) => said.push(text)
  try {
    for (const onKeyError of [
      () => {
        throw new Error('log down')
      },
      async () => {
        throw new Error('log down')
      },
    ]) {
      const sessions = await createSessions({ keys: () => null, name: '__Host-id', onKeyError })
      assert.equal((await sessions.open(signedIn)).state, 'unknown')
      await assert.rejects(sessions.end(signedIn), { name: 'KeyError' })
    }
  } finally {
    console.error = real
  }
  assert(said.every((text) => text.includes('log down')) && said.length >= 2)
})
