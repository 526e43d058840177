// Responses, as SPEC.md has them under "What happens to a response".

import assert from 'node:assert/strict'
import test from 'node:test'

import { forbidsStoring, mergePrivate, mergeVary } from '../src/cache.js'
import { createSessions, exportDayKeys, parseRing, readRevocations } from '../src/index.js'
import { NOW, OTHER, SECRET, TODAY, cookieOf } from './support.js'

const handed = []
const sessions = await createSessions({ keys: SECRET, revoke: (bytes) => void handed.push(bytes) })
const at = { now: NOW }
const later = { now: NOW + 300 }
const started = await sessions.start({ user: 7 }, at)
const cookies = cookieOf(started)

const request = (headers = { cookie: cookies }) => new Request('https://shop.example/', { headers })
const response = (status = 200, headers = {}) =>
  new Response(status === 204 || status === 304 ? null : 'page', { status, headers })
const sessionOf = async (when = at, from = request()) => (await sessions.open(from, when)).session
const seen = ({ headers }) => [
  headers.getSetCookie().map((line) => line.split('=')[0]),
  headers.get('cache-control'),
  headers.get('vary'),
]

test('what was only read is private, and renewed when that is due', async () => {
  const session = await sessionOf()
  const page = await sessions.finish(request(), response(), session, at)
  assert.deepEqual(seen(page), [[], 'private, no-cache', 'Cookie'])
  assert.equal(await page.text(), 'page')
  const renewed = await sessions.finish(request(), response(200, { 'cache-control': 'max-age=60' }), session, later)
  assert.deepEqual(seen(renewed), [['__Host-id-seen'], 'private, max-age=60', 'Cookie'])
  const [line] = renewed.headers.getSetCookie()
  const both = `${cookies.split('; ')[0]}; ${line.split(';')[0]}`
  assert.equal((await sessionOf({ now: NOW + 2000 }, request({ cookie: both }))).activeUntil, NOW + 300 + 1800)
})

test('no renewal for a prefetch, nor with 304 and 5xx, nor beside lines of the origin', async () => {
  const session = await sessionOf(later)
  for (const purpose of ['prefetch', 'Prefetch;prerender', ' prefetch']) {
    const prefetch = request({ 'cookie': cookies, 'sec-purpose': purpose })
    assert.deepEqual(seen(await sessions.finish(prefetch, response(), session, later))[0], [])
  }
  for (const status of [304, 500, 503]) {
    const page = await sessions.finish(request(), response(status), session, later)
    assert.deepEqual([page.status, ...seen(page)], [status, [], 'private, no-cache', 'Cookie'])
  }
  for (const name of ['__Host-id', '__Host-id-seen', '__Host-id.2']) {
    const page = await sessions.finish(request(), response(200, { 'set-cookie': `${name}=x; Path=/` }), session, later)
    assert.deepEqual(seen(page)[0], [name])
    assert.equal(page.headers.get('cache-control') === 'private, no-store', name === '__Host-id')
  }
  const other = response(200, { 'set-cookie': '__Host-ident=x; Path=/' })
  assert.deepEqual(seen(await sessions.finish(request(), other, session, later))[0], ['__Host-ident', '__Host-id-seen'])
})

test('guests stay cacheable, and a cookie that does not open does not', async () => {
  const open = response(200, { 'cache-control': 'public, max-age=60', 'vary': 'Accept-Encoding' })
  const guest = await sessions.finish(request({}), open, null, at)
  assert.deepEqual(seen(guest), [[], 'public, max-age=60', 'Accept-Encoding, Cookie'])
  for (const cookie of ['__Host-id-seen=x', '__Host-id.3=x', '__Host-ident=x']) {
    const page = await sessions.finish(request({ cookie }), open.clone(), null, at)
    assert.deepEqual(seen(page), [[], 'public, max-age=60', 'Accept-Encoding, Cookie'])
  }
  for (const cookie of ['__Host-id=x', 'a=1; __Host-id=']) {
    const page = await sessions.finish(request({ cookie }), open.clone(), null, at)
    assert.deepEqual(seen(page), [[], 'private, max-age=60', 'Accept-Encoding, Cookie'])
  }
})

test('a sign-in sends both cookies and revokes the session that came, if the response succeeds', async () => {
  handed.length = 0
  const signIn = await sessions.start({ user: 8 }, { ...at, cookies: request() })
  for (const status of [304, 500]) {
    const page = await sessions.finish(request(), response(status), signIn, at)
    assert.deepEqual(seen(page), [[], 'private, no-cache', 'Cookie'])
  }
  assert.deepEqual(handed, [])
  const page = await sessions.finish(request(), response(303, { location: '/' }), signIn, at)
  assert.deepEqual(seen(page), [['__Host-id', '__Host-id-seen'], 'private, no-store', 'Cookie'])
  assert.deepEqual([page.status, page.headers.get('location')], [303, '/'])
  assert.deepEqual([...readRevocations(handed[0], at).revoked], [started.session.id])
})

test('a write sends the session cookie, and the activity if that is due', async () => {
  const written = async (when) => sessions.seal(await sessionOf(when), { user: 7, theme: 'dark' }, when)
  assert.deepEqual(seen(await sessions.finish(request(), response(), await written(at), at))[0], ['__Host-id'])
  const page = await sessions.finish(request(), response(), await written(later), later)
  assert.deepEqual(seen(page), [['__Host-id', '__Host-id-seen'], 'private, no-store', 'Cookie'])
})

test('a session that ended before the response was ready is not sent', async () => {
  const revoked = new Set()
  const listening = await createSessions({ keys: SECRET, revoked, revoke: null })
  const { session } = await listening.open(request(), at)
  const written = await listening.seal(session, { user: 9 }, at)
  const late = { now: NOW + 43_200 }
  assert.deepEqual(seen(await listening.finish(request(), response(), written, late))[0], [])
  revoked.add(session.id)
  for (const outcome of [written, session]) {
    const page = await listening.finish(request(), response(), outcome, later)
    assert.deepEqual(seen(page), [[], 'private, no-cache', 'Cookie'])
  }
})

test('an end is sent with every status, and says until when each session that came is refused', async () => {
  const other = await sessions.start({ user: 9 }, { now: NOW - 100 })
  const both = request({ cookie: `${cookies}; ${cookieOf(other)}; __Host-id=x` })
  for (const status of [200, 303, 304, 500]) {
    handed.length = 0
    const end = await sessions.end(both, at)
    const page = await sessions.finish(both, response(status), end, at)
    assert.deepEqual(seen(page), [['__Host-id', '__Host-id-seen'], 'private, no-store', 'Cookie'])
    assert.equal(handed.length, 1)
    const ids = [started.session.id, other.session.id].sort()
    assert.deepEqual([...readRevocations(handed[0], at).revoked], ids)
    const untils = { [started.session.id]: NOW + 43_500, [other.session.id]: NOW + 43_400 }
    for (const id of ids) {
      const last = { now: untils[id] - 1 }
      assert(readRevocations(handed[0], last).revoked.has(id))
      assert(!readRevocations(handed[0], { now: untils[id] }).revoked.has(id))
    }
  }
  handed.length = 0
  await sessions.finish(request({}), response(), await sessions.end(request({}), at), at)
  assert.deepEqual(handed, [], 'nothing came')
})

test('an end asks where revocations go, and a list that cannot be reached fails the sign-out', async () => {
  const silent = await createSessions({ keys: SECRET })
  await assert.rejects(silent.end(request(), at), { name: 'ConfigError', message: /`revoke/ })
  const failing = await createSessions({ keys: SECRET, revoke: async () => Promise.reject(new Error('no channel')) })
  const end = await failing.end(request(), at)
  await assert.rejects(failing.finish(request(), response(), end, at), /no channel/)
  await assert.rejects(createSessions({ keys: SECRET, revoke: true }), { name: 'ConfigError' })
})

test('the handle of a request joins its writes, and a page that does not look stays as it is', async () => {
  const jar = new Map()
  const visit = async (act) => {
    const sent = request(jar.size === 0 ? {} : { cookie: [...jar].map((pair) => pair.join('=')).join('; ') })
    const handle = sessions.load(sent)
    const said = await act(handle)
    const page = await handle.finish(response())
    for (const line of page.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    return [said, ...seen(page)]
  }
  const fresh = await visit(() => 'not looked')
  assert.deepEqual(fresh, ['not looked', [], null, null])
  assert.deepEqual(await visit((handle) => handle.get()), [null, [], null, 'Cookie'])
  assert.deepEqual(await visit((handle) => handle.set({ user: 1 })), [false, [], null, 'Cookie'])
  const signIn = await visit(async (handle) => {
    await handle.start({ user: 7 })
    await handle.set({ user: 7, theme: 'dark' })
    return handle.get()
  })
  assert.deepEqual(signIn, [{ user: 7, theme: 'dark' }, ['__Host-id-seen', '__Host-id'], 'private, no-store', 'Cookie'])
  assert.deepEqual((await visit((handle) => handle.get()))[0], { user: 7, theme: 'dark' })
  const before = await visit((handle) => handle.session())
  await visit((handle) => handle.cycle())
  const after = await visit((handle) => handle.session())
  assert.notEqual(after[0].id, before[0].id)
  assert.deepEqual(after[0].data, before[0].data)
  handed.length = 0
  const swapped = await visit(async (handle) => {
    await handle.end()
    assert.equal(await handle.get(), null)
    await handle.start({ user: 8 })
    return handle.get()
  })
  assert.deepEqual(swapped[0], { user: 8 })
  assert.deepEqual([...readRevocations(handed[0]).revoked], [after[0].id])
  assert.equal((await visit((handle) => handle.end()))[2], 'private, no-store')
  assert.equal(jar.size, 0)
})

test('an end stays, where the sign-in after it may not be sent', async () => {
  for (const [status, sent] of [
    [500, ['__Host-id', '__Host-id-seen']],
    [200, ['__Host-id', '__Host-id-seen']],
  ]) {
    handed.length = 0
    const handle = sessions.load(request(), at)
    await handle.end()
    await handle.start({ user: 8 })
    const page = await handle.finish(response(status))
    assert.deepEqual(seen(page), [sent, 'private, no-store', 'Cookie'])
    const isRemoved = page.headers.getSetCookie().map((line) => line.includes('Max-Age=0'))
    assert.deepEqual(isRemoved, [status === 500, status === 500])
    assert.deepEqual([...readRevocations(handed[0], at).revoked], [started.session.id])
  }
})

test('the handle takes the time and what the session is bound to', async () => {
  const bind = Uint8Array.of(1, 2, 3)
  const bound = await sessions.start({ user: 7 }, { ...at, bind })
  const sent = request({ cookie: cookieOf(bound) })
  assert.equal(await sessions.load(sent, at).get(), null)
  const handle = sessions.load(sent, { ...later, bind })
  assert.deepEqual(await handle.get(), { user: 7 })
  const [line] = (await handle.finish(response())).headers.getSetCookie()
  const both = request({ cookie: `${cookieOf(bound).split('; ')[0]}; ${line.split(';')[0]}` })
  assert.deepEqual(await sessions.load(both, { now: NOW + 2000, bind }).get(), { user: 7 })
})

test('Cache-Control is merged as the crate merges it', () => {
  for (const [value, merged] of [
    [null, 'private, no-cache'],
    ['', 'private, no-cache'],
    ['public, max-age=60', 'private, max-age=60'],
    ['Public, S-MaxAge=60, Max-Age=60, stale-while-revalidate=5', 'private, Max-Age=60'],
    ['private="x-a, x-b", max-age=1', 'private, max-age=1'],
    ['max-age=60, no cache, =5, a"b', 'private, max-age=60'],
    ['ext="a,b", no-store', 'private, ext="a,b", no-store'],
    ['ext="never closed, max-age=5', 'private, max-age=5'],
    ['public', 'private'],
    ['max-age="60', 'private, no-cache'],
  ]) {
    assert.equal(mergePrivate(value), merged, String(value))
  }
})

test('Vary keeps its names once, and `*`', () => {
  assert.equal(mergeVary(null), 'Cookie')
  assert.equal(mergeVary('Accept, cookie, accept, ä'), 'Accept, cookie')
  assert.equal(mergeVary('Accept, *'), '*')
})

test('fields that override Cache-Control go, unless they forbid storing', async () => {
  const session = await sessionOf()
  const targeted = {
    'CDN-Cache-Control': 'max-age=60',
    'Surrogate-Control': 'private',
    'Edge-Control': 'no-store, content="ESI/1.0"',
    'X-Accel-Expires': '60',
    'Akamai-Cache-Control': 'no-store, must-understand',
    'Netlify-CDN-Cache-Control': 'private, no-cache',
  }
  const page = await sessions.finish(request(), response(200, targeted), session, at)
  const left = Object.keys(targeted).filter((name) => page.headers.has(name))
  assert.deepEqual(left, ['Edge-Control', 'Netlify-CDN-Cache-Control'])
  assert(forbidsStoring('x-accel-expires', '0') && !forbidsStoring('x-accel-expires', '0, 0'))
  for (const value of ['no-store="x"', '!no-store', 'no-store, max-age=1', '']) {
    assert(!forbidsStoring('cdn-cache-control', value), value)
  }
})

test('writes of one request run one after the other, and a sign-out is not undone', async () => {
  for (const other of [(handle) => handle.cycle(), (handle) => handle.set({ user: 9 })]) {
    for (const order of [0, 1]) {
      const handle = sessions.load(request(), at)
      await handle.get()
      const acts = [() => handle.end(), () => other(handle)]
      await Promise.all((order === 0 ? acts : acts.reverse()).map((act) => act()))
      const page = await handle.finish(response())
      assert(page.headers.getSetCookie().every((line) => line.includes('Max-Age=0')))
      assert.deepEqual(seen(page)[0].sort(), ['__Host-id', '__Host-id-seen'])
    }
  }
})

test('a write that nobody waited for is sent, and none is taken after the response', async () => {
  handed.length = 0
  const handle = sessions.load(request(), at)
  handle.end()
  assert.deepEqual(seen(await handle.finish(response()))[0], ['__Host-id', '__Host-id-seen'])
  assert.equal(handed.length, 1)
  for (const late of [() => handle.start({ user: 8 }), () => handle.set(1), () => handle.cycle(), () => handle.end()]) {
    await assert.rejects(late(), { name: 'SealError', message: /was finished/ })
  }
  assert.deepEqual(seen(await handle.finish(response()))[0], [], 'once')
  assert.equal(handed.length, 1)
  const unseen = sessions.load(request(), at)
  await unseen.finish(response())
  await assert.rejects(unseen.get(), { name: 'SealError', message: /was finished/ })
})

test('a session that the origin writes counts, and an end counts in any case', async () => {
  const lines = (...cookies) => {
    const page = response()
    for (const line of cookies) page.headers.append('Set-Cookie', line)
    return page
  }
  const written = await sessions.seal(await sessionOf(), { user: 7, theme: 'dark' }, at)
  const both = await sessions.finish(request(), lines('__Host-id-seen=x; Path=/', 'theme=dark'), written, at)
  assert.deepEqual(seen(both)[0], ['__Host-id-seen', 'theme', '__Host-id'])
  const theirs = await sessions.finish(request(), lines('__Host-id=x; Path=/'), written, at)
  assert.deepEqual(theirs.headers.getSetCookie(), ['__Host-id=x; Path=/'])
  for (const nameless of ['__Host-id', '__Host-id; Path=/', '\u00a0__Host-id=x']) {
    const page = await sessions.finish(request(), lines(nameless), written, at)
    assert.deepEqual(seen(page)[0].at(-1), '__Host-id', nameless)
    assert.equal(page.headers.getSetCookie().length, 2, nameless)
  }
  handed.length = 0
  const end = await sessions.end(request(), at)
  const ended = await sessions.finish(request(), lines('__Host-id=x; Path=/', ' __Host-id-seen =x', 'theme=dark'), end, at)
  assert.deepEqual(seen(ended)[0], ['theme', '__Host-id', '__Host-id-seen'])
  assert(ended.headers.getSetCookie().slice(1).every((line) => line.includes('Max-Age=0')))
  assert.equal(handed.length, 1)
})

test('a page of a session is private, whatever became of the request since', async () => {
  const sent = request()
  const handle = sessions.load(sent, at)
  await handle.get()
  sent.headers.delete('cookie')
  const page = await handle.finish(response(200, { 'cache-control': 'public, max-age=60' }))
  assert.equal(page.headers.get('cache-control'), 'private, max-age=60')
  await assert.rejects(sessions.finish(request(), response(), await sessions.open(request(), at), at), {
    name: 'SealError',
  })
})

test('a list that cannot be asked fails what reads the session, and not the page that says so', async () => {
  let asked = 0
  let failing = true
  const revoked = () => {
    asked++
    if (failing) throw new Error('the list is away')
    return false
  }
  const away = await createSessions({ keys: SECRET, revoked, revoke: null })
  const handle = away.load(request(), at)
  await assert.rejects(handle.get(), /the list is away/)
  const page = await handle.finish(response(503))
  assert.deepEqual(seen(page), [[], 'private, no-cache', 'Cookie'])
  failing = false
  asked = 0
  const next = away.load(request(), at)
  await next.get()
  await next.finish(response())
  assert.equal(asked, 1, 'a page that is only read asks once')
})

test('a start asks where revocations go too, and a renewal without the key of its day is left out', async () => {
  const silent = await createSessions({ keys: SECRET })
  await assert.rejects(silent.start({ user: 8 }, { ...at, cookies: request() }), { name: 'ConfigError' })
  await silent.start({ user: 8 }, at)
  const ring = await parseRing(`open ${SECRET}\nseal ${OTHER}`)
  const keys = await exportDayKeys(ring, { rights: 'open', days: [TODAY, TODAY + 1] })
  const missing = { ...keys, keys: keys.keys.filter(({ key_id, day }) => day !== TODAY || SECRET.includes(key_id)) }
  const partial = await createSessions({ keys: missing, revoke: null })
  const handle = partial.load(request(), later)
  assert.deepEqual(await handle.get(), { user: 7 })
  assert.deepEqual(seen(await handle.finish(response()))[0], [])
})

test('a session that was read counts, also with another request; one that others let live longer is refused as long', async () => {
  const stripped = request({})
  const page = await sessions.finish(stripped, response(200, { 'cache-control': 'max-age=60' }), await sessionOf(), at)
  assert.equal(page.headers.get('cache-control'), 'private, max-age=60')
  // A server with this timeout would take the token for a day, but for its own expiry.
  const longer = await createSessions({ keys: SECRET, absolute: 86_400, revoke: null })
  const { revocations } = await longer.end(request(), at)
  const isRevoked = (now) => readRevocations(revocations, { now }).revoked.has(started.session.id)
  assert.deepEqual([isRevoked(NOW + 86_699), isRevoked(NOW + 86_700)], [true, false])
})
