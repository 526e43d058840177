// Sessions that are bound to a device: opened, renewed, checked with the keys of each right, and by a worker.

import assert from 'node:assert/strict'
import test from 'node:test'

import { fromHex, concat, u32 } from '../src/bytes.js'
import { placeRing } from '../src/day-keys.js'
import { createSessions, exportDayKeys, parseDayKeys, parseRing, readClaims } from '../src/index.js'
import { PROOF, sealActivity, sealSigned } from '../src/token.js'
import { handle } from '../worker/worker.js'
import { memoryCache } from '../worker/serve.js'
import { NOW, OTHER, SECRET, TODAY, cookieOf } from './support.js'

const DEVICE = 'e6fb3e67539f4559079de086ada86e1c'
const NONE = new Uint8Array()
const at = { now: NOW }
const ring = await parseRing(SECRET)
const device = { proof: 660 }
const server = await createSessions({ keys: ring, audience: 'shop', device, revoke: null })
const days = [TODAY, TODAY + 1]

const exported = (rights, other = {}) => exportDayKeys(ring, { audience: 'shop', rights, days, device, ...other })
const holder = async (rights, options = {}) => createSessions({ keys: await exported(rights), revoke: null, ...options })

/** The cookies of a session that is bound at `NOW`: session, activity, proof. */
async function bound(data = { user: 7 }) {
  const started = await server.start(data, at)
  const place = (suffix) => placeRing(ring, `__Host-id-${suffix}`, 'shop')
  const activity = await sealActivity(place('seen'), started.session.id, DEVICE, NOW + 1800, NONE, NOW)
  const proof = await sealSigned(place('proof'), PROOF, concat(fromHex(DEVICE, 16), u32(NOW)), NOW + 660, NONE, NOW)
  const cookies = [`__Host-id=${started.token}`, `__Host-id-seen=${activity}`, `__Host-id-proof=${proof}`]
  return { started, cookies, all: cookies.join('; '), unproven: cookies.slice(0, 2).join('; ') }
}

const outcome = async (sessions, fields, when = at) => {
  const { state, reason, session } = await sessions.open(fields, when)
  return reason ?? `${state}, ${session?.device === null ? 'plain' : session?.device === DEVICE ? 'proven' : ''}`
}

test('a started session is plain; a bound one needs its proof, with the root or both keys of a day', async () => {
  const { started, all, unproven } = await bound()
  for (const sessions of [server, await holder('open')]) {
    assert.equal(await outcome(sessions, cookieOf(started)), 'valid, plain')
    assert.equal(await outcome(sessions, all), 'valid, proven')
    assert.equal(await outcome(sessions, all, { now: NOW + 659 }), 'valid, proven')
    assert.equal(await outcome(sessions, all, { now: NOW + 660 }), 'unproven')
    assert.equal(await outcome(sessions, unproven), 'unproven')
    const values = all.split('; ').map((pair) => pair.split('=')[1])
    const tokens = { session: [values[0]], activity: [values[1]] }
    assert.equal((await sessions.openTokens(tokens, at)).reason, 'unproven')
    assert.equal((await sessions.openTokens({ ...tokens, proof: [values[2]] }, at)).state, 'valid')
    await assert.rejects(sessions.openTokens({ ...tokens, proof: values[2] }, at), { name: 'TypeError' })
  }
  const shorter = await createSessions({ keys: ring, audience: 'shop', device: { proof: 120 } })
  assert.equal(await outcome(shorter, all, { now: NOW + 120 }), 'unproven', 'configured limits shorten')
  assert.equal(await outcome(await holder('open', { device: { proof: 120 } }), all, { now: NOW + 120 }), 'unproven')
})

test('without device binding a bound session is idle, and never a plain one', async () => {
  const { all } = await bound()
  const unaware = await createSessions({ keys: ring, audience: 'shop' })
  assert.equal(await outcome(unaware, all), 'idle')
  assert.equal(await outcome(await holder('open', { device: null }), all), 'idle')
  const { state, ids } = await unaware.check(all, at)
  assert.deepEqual([state, ids.length], ['unknown', 1], 'but not dead: another server may know the version')
})

test('renewal, a new id and writes keep the device', async () => {
  const { all, cookies } = await bound()
  const { session } = await server.open(all, at)
  const activity = await server.renew(session, { now: NOW + 600 })
  assert.match(activity.setCookie[0], /^__Host-id-seen=A[\w-]{65}; /)
  assert.equal(readClaims(activity.token).device, DEVICE)
  assert.equal(await outcome(server, [cookies[0], cookieOf(activity), cookies[2]], { now: NOW + 600 }), 'valid, proven')
  assert.equal(await outcome(server, [cookies[0], cookieOf(activity)], { now: NOW + 600 }), 'unproven')
  const cycled = await server.cycle(session, at)
  assert.notEqual(cycled.session.id, session.id)
  assert.equal(await outcome(server, `${cookieOf(cycled)}; ${cookies[2]}`), 'valid, proven')
  const written = await server.seal(session, { user: 8 }, at)
  assert.equal(written.setCookie.length, 1)
  assert.equal(await outcome(server, [cookieOf(written), cookies[1], cookies[2]]), 'valid, proven')
  const started = await server.start({ user: 9 }, at)
  assert.equal(readClaims(cookieOf(started).split('__Host-id-seen=')[1]).device, null)
  for (const device of [undefined, 'x']) {
    for (const call of ['renew', 'cycle']) {
      await assert.rejects(server[call]({ ...session, device }, at), { name: 'SealError' })
    }
  }
})

test('a sign-out and `strip` take the proof too', async () => {
  const { all } = await bound()
  const checks = await holder('check')
  for (const sessions of [server, await holder('open'), checks]) {
    if (sessions !== checks) {
      const { cookies } = await sessions.end(all, at)
      assert.deepEqual(
        cookies.map(({ name }) => name),
        ['__Host-id', '__Host-id-seen', '__Host-id-proof'],
      )
    }
    assert.equal(sessions.strip(`a=1; ${all}; b=2`), 'a=1; b=2')
  }
})

test('a check without activity keys calls no session dead that may be good', async () => {
  const checker = await holder('check')
  const { started, all, unproven, cookies } = await bound()
  const { id } = started.session
  const check = async (fields, when = at) => {
    const { state, reason, ids } = await checker.check(fields, when)
    return [state, reason, ...ids]
  }
  for (const fields of [all, unproven, cookieOf(started)]) {
    assert.deepEqual(await check(fields), ['unknown', 'unknown key', id])
  }
  // What needs no key of the activity: it ended, or none came.
  assert.deepEqual(await check(all, { now: NOW + 1800 }), ['dead', 'idle'])
  assert.deepEqual(await check(cookies[0]), ['dead', 'idle'])
  assert.deepEqual(await check(all, { now: NOW + 43200 }), ['dead', 'expired'])
  assert.deepEqual(await check(`${cookies[0].slice(0, -90)}; ${cookies[1]}`), ['dead', 'malformed'])
  assert.deepEqual(await check(all.replace('__Host-id=AZ5IWa', '__Host-id=AZ5IWb')), ['unknown', 'unknown key'])
  const revoking = await holder('check', { revoked: [id] })
  assert.deepEqual((await revoking.check(all, at)).state, 'dead', 'the activity makes no difference to a revoked one')
  const unbound = await createSessions({ keys: await exported('check'), idle: null })
  assert.deepEqual((await unbound.check(unproven, at)).state, 'live', 'activity is not asked for')
})

test('a check with activity keys takes both kinds for activity, and no proof for a condition', async () => {
  const { started, all, unproven, cookies } = await bound()
  for (const checker of [await holder('check activity'), await holder('open'), server]) {
    for (const fields of [all, unproven, cookieOf(started)]) {
      assert.deepEqual((await checker.check(fields, at)).ids, [started.session.id])
    }
    assert.equal((await checker.check(unproven, { now: NOW + 1800 })).state, 'dead')
    const other = (await bound()).cookies[1]
    assert.equal((await checker.check(`${cookies[0]}; ${other}`, at)).state, 'dead')
  }
})

test('the worker passes bound sessions on', async () => {
  const { all, unproven } = await bound()
  const newer = await createSessions({ keys: OTHER, audience: 'shop', device })
  const plainKeys = await exportDayKeys(ring, { audience: 'shop', rights: 'check', days })
  const sent = []
  const real = globalThis.fetch
  globalThis.fetch = async (request) => (sent.push(request.headers), new Response('page'))
  try {
    // The last one has keys from before the server had device binding.
    const edges = [await holder('check'), await holder('check activity'), await createSessions({ keys: plainKeys })]
    for (const sessions of edges) {
      for (const Cookie of [all, unproven, cookieOf(await newer.start(1, at))]) {
        const request = new Request('https://shop.example/', { headers: { Cookie } })
        await handle(request, { sessions, origin: 'https://origin.example', cache: memoryCache(), now: NOW })
        assert.deepEqual([sent.at(-1).get('X-Session-State'), sent.at(-1).get('Cookie')], ['live', Cookie])
      }
    }
  } finally {
    globalThis.fetch = real
  }
})

test('each right has its keys, and no more', async () => {
  const fields = async (rights, other) => {
    const { keys, ...file } = JSON.parse(JSON.stringify(await exported(rights, other)))
    return [file.rights, file.device?.proof, Object.keys(keys[0]).slice(2).join(' ')]
  }
  assert.deepEqual(await fields('check'), ['check', 660, 'session'])
  assert.deepEqual(await fields('check activity'), ['check', 660, 'session activity'])
  assert.deepEqual(await fields('open', { device: {} }), ['open', 660, 'session activity proof'])
  for (const rights of ['check', 'check activity']) {
    assert.deepEqual(await fields(rights, { device: null }), ['check', undefined, 'session activity'])
  }
})

test('options and day keys that could drop the binding are refused', async () => {
  const keys = await exported('open')
  const refused = async (options, message) => assert.rejects(createSessions(options), { name: 'ConfigError', message })
  for (const proof of [60, 86401, 61.5, '660', null]) await refused({ keys: ring, device: { proof } }, /61 to 86400/)
  for (const device of [true, 'on', 660]) await refused({ keys: ring, device }, /`device` is null, or an object/)
  await refused({ keys: ring, device, idle: null }, /needs an idle timeout/)
  await refused({ keys: ring, device, remembered: { idle: null, absolute: 86400 } }, /needs an idle timeout/)
  await refused({ keys, idle: null }, /needs an idle timeout/)
  await refused({ keys: ring, device, name: 'x'.repeat(247) }, /at most 246 bytes/)
  assert.equal((await createSessions({ keys: ring, device, name: 'x'.repeat(246) })).cookieName.length, 246)
  const without = (field) => ({ ...keys, keys: keys.keys.map(({ [field]: _, ...rest }) => rest) })
  await refused({ keys: without('proof') }, /lack the proof keys/)
  await refused({ keys: without('activity') }, /lack the activity keys/)
  const check = await exported('check')
  await refused({ keys: check, device: null }, /lack the activity keys/)
  assert.deepEqual(parseDayKeys(JSON.stringify(keys)), keys)
  const [entry] = keys.keys
  for (const bad of [{ ...keys, device: { proof: 60 } }, { ...keys, keys: [{ ...entry, proof: {} }] }]) {
    assert.throws(() => parseDayKeys(bad), { name: 'KeyError' })
  }
})
