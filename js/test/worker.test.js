// The worker over real HTTP, in front of a stand-in origin that holds the root secret and trusts the worker too much.

import assert from 'node:assert/strict'
import { createServer, request as httpRequest } from 'node:http'
import test, { after, before, beforeEach } from 'node:test'

import { createSessions, exportDayKeys, parseRing } from 'sealed-session'
import { decode, encode } from '../src/base64url.js'
import { random } from '../src/crypto.js'
import worker, { handle } from '../worker/worker.js'
import { memoryCache, serve } from '../worker/serve.js'
import { OTHER, SECRET, cookieOf } from './support.js'

const ring = await parseRing(SECRET)
const sessions = await createSessions({ keys: ring, audience: 'shop' })
const today = Math.floor(Date.now() / 86_400_000)
const dayKeys = await exportDayKeys(ring, { audience: 'shop', rights: 'check', days: [today, today + 1] })
const revoked = new Set()
const checker = await createSessions({ keys: dayKeys, revoked })

let seen = []
let cache
let setting
let ports
let servers

/** All of its answers are public for a minute: the worker must not rely on a careful origin. */
const origin = createServer(async (incoming, outgoing) => {
  seen.push(incoming)
  const { state, session } = await sessions.open(incoming.headers.cookie)
  const headers = { 'Content-Type': 'text/plain', 'Cache-Control': 'public, max-age=60', 'Vary': 'X-Session-State' }
  const pages = {
    '/': () => (session ? `hello ${session.data.user}` : `hello guest (${state})`),
    '/private': () => ((headers['Cache-Control'] = 'private, max-age=60'), 'private'),
    '/varies': () => ((headers.Vary = 'X-Session-State, Cookie'), `theme ${incoming.headers.cookie}`),
    '/host': () => `${incoming.headers['x-forwarded-host']}`,
  }
  if (incoming.url === '/login') {
    const started = await sessions.start({ user: 'ada' })
    headers['Set-Cookie'] = started.setCookie
  }
  const body = incoming.method === 'POST' ? await text(incoming) : (pages[incoming.url.split('?')[0]]?.() ?? 'page')
  outgoing.writeHead(200, headers).end(body)
})

async function text(stream) {
  let whole = ''
  for await (const chunk of stream) whole += chunk
  return whole
}

const listen = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))

before(async () => {
  servers = [origin, serve((request) => handle(request, setting))]
  ports = await Promise.all(servers.map(listen))
})

beforeEach(() => {
  seen = []
  cache = memoryCache()
  setting = { sessions: checker, origin: `http://127.0.0.1:${ports[0]}`, cache }
})

after(() => servers.forEach((server) => server.close()))

/** A request on the wire, with header fields exactly as given. */
function get(path, headers = {}, { method = 'GET', body, port = ports[1] } = {}) {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }, async (response) => {
      resolve({ body: await text(response), headers: response.headers, status: response.statusCode })
    })
    request.on('error', reject)
    request.end(body)
  })
}

const last = () => seen.at(-1).headers

test('guests get the public page from the cache, whatever other cookies they send', async () => {
  const first = await get('/')
  assert.deepEqual(
    [first.status, first.body, first.headers.vary],
    [200, 'hello guest (absent)', 'X-Session-State, Cookie'],
  )
  assert.equal(last()['x-session-state'], 'none')
  assert.equal((await get('/', { Cookie: 'theme=dark' })).body, first.body)
  assert.equal((await get('/', { Cookie: 'theme=dark' })).headers['x-fresh-until'], undefined)
  assert.equal(seen.length, 1)
  assert.equal((await get('/?page=2')).status, 200)
  assert.equal(seen.length, 2)
  setting = { ...setting, now: Math.floor(Date.now() / 1000) + 61 }
  await get('/')
  assert.equal(seen.length, 3, 'not longer than the origin allows')
})

test('visitors with dead cookies are guests', async () => {
  await get('/')
  const started = await sessions.start({ user: 'ada' })
  const idle = cookieOf(started).split('; ')[0]
  const dead = [idle, '__Host-id=x', '__Host-id=', cookieOf(await sessions.start(1, { now: 1e9 }))]
  for (const cookie of dead)
    assert.equal((await get('/', { Cookie: `a=1; ${cookie}; b=2` })).body, 'hello guest (absent)')
  assert.equal(seen.length, 1, 'all from the cache')
  await get('/other', { Cookie: `a=1; ${idle}; __Host-id-seen=x;b=2` })
  assert.equal(last().cookie, 'a=1; b=2')
  const large = await createSessions({ keys: ring, audience: 'shop', chunks: 2 })
  const inTwo = cookieOf(await large.start('x'.repeat(4000), { now: 1e9 }))
  assert.match(inTwo, /^__Host-id\.2=/)
  await get('/large', { Cookie: `a=1; ${inTwo}; __Host-id.4=x;b=2` })
  assert.equal(last().cookie, 'a=1; b=2')
  await get('/another', { Cookie: idle })
  assert.equal(last().cookie, undefined)
  revoked.add(started.session.id)
  await get('/revoked', { Cookie: cookieOf(started) })
  assert.equal(last()['x-session-state'], 'none')
  revoked.clear()
})

test('live sessions go through, and nothing of theirs is stored or taken from the cache', async () => {
  await get('/')
  const cookie = cookieOf(await sessions.start({ user: 'ada' }))
  for (let round = 0; round < 3; round++) assert.equal((await get('/', { Cookie: cookie })).body, 'hello ada')
  assert.deepEqual([seen.length, last()['x-session-state'], last().cookie], [4, 'live', cookie])
  // Two Cookie fields, as HTTP/2 clients send them.
  assert.equal((await get('/', { Cookie: cookie.split('; ') })).body, 'hello ada')
  assert.equal((await get('/only-live', { Cookie: cookie })).status, 200)
  assert.equal(cache.size(), 1)
  assert.equal((await get('/')).body, 'hello guest (absent)')
})

test('a client cannot choose its own X-Session-State', async () => {
  const cookie = cookieOf(await sessions.start({ user: 'ada' }))
  await get('/a', { 'X-Session-State': 'live' })
  assert.equal(last()['x-session-state'], 'none')
  await get('/b', { 'x-session-state': ['live', 'live'] })
  assert.equal(last()['x-session-state'], 'none')
  await get('/', { 'Cookie': cookie, 'X-Session-State': 'none' })
  assert.equal(last()['x-session-state'], 'live')
  assert.equal((await get('/')).body, 'hello guest (absent)')
})

test('a genuine head on a random body poisons nothing', async () => {
  const started = await sessions.start({ user: 'mallory' })
  const [, activity] = cookieOf(started).split('; ')
  for (let round = 0; round < 10; round++) {
    const bytes = decode(started.token)
    bytes.set(random(bytes.length - 45), 45)
    const forged = `__Host-id=${encode(bytes)}; ${activity}`
    const answer = await get('/', { 'Cookie': forged, 'X-Session-State': 'none' })
    assert.equal(answer.body, 'hello guest (rejected)', 'the origin opened it and found no session')
    assert.equal(last()['x-session-state'], 'live')
    assert.equal(cache.size(), 0)
  }
  assert.equal((await get('/')).body, 'hello guest (absent)')
  assert.equal((await get('/')).body, 'hello guest (absent)')
  assert.equal(seen.length, 11)
})

test('a token under a key that the edge lacks is passed on, not logged out', async () => {
  const newer = await createSessions({ keys: OTHER, audience: 'shop' })
  const cookie = cookieOf(await newer.start(1))
  await get('/', { Cookie: cookie })
  assert.deepEqual([last()['x-session-state'], last().cookie, cache.size()], ['live', cookie, 0])
})

test('only what is the same for all guests is stored', async () => {
  await get('/private')
  await get('/varies', { Cookie: 'theme=dark' })
  const login = await get('/login')
  assert.equal(login.headers['set-cookie'].length, 2)
  await get('/', { Authorization: 'Basic x' })
  await get('/', {}, { method: 'HEAD' })
  assert.equal((await get('/', {}, { method: 'POST', body: 'a=1' })).body, 'a=1')
  assert.equal(cache.size(), 0)
  const answer = await get('/host', { 'X-Forwarded-Host': 'evil.example' })
  assert.equal(answer.body, `127.0.0.1:${ports[1]}`)
})

test('the module is a worker with settings from its platform', async () => {
  const env = { ORIGIN: setting.origin, SESSION_DAY_KEYS: JSON.stringify(dayKeys), CACHE: cache }
  const cookie = cookieOf(await sessions.start({ user: 'ada' }))
  const page = await worker.fetch(new Request('https://shop.example/', { headers: { Cookie: cookie } }), env)
  assert.equal(await page.text(), 'hello ada')
  assert.equal(last()['x-forwarded-host'], 'shop.example')
})

test('without keys the worker serves guests and passes everybody else on', async () => {
  const real = [globalThis.fetch, console.error]
  const errors = []
  globalThis.fetch = async () => new Response('page', { headers: { 'Cache-Control': 'public, max-age=60' } })
  console.error = (text) => errors.push(text)
  try {
    const { default: fresh } = await import('../worker/worker.js?without-keys')
    const env = { ORIGIN: 'https://origin.example', SESSION_DAY_KEYS: '{"format":', CACHE: memoryCache() }
    for (const headers of [{}, { cookie: '__Host-id=x' }]) {
      const answer = await fresh.fetch(new Request('https://shop.example/', { headers }), env)
      assert.equal(await answer.text(), 'page')
    }
    assert.equal(env.CACHE.size(), 1, 'the page of the guest alone')
  } finally {
    ;[globalThis.fetch, console.error] = real
  }
  assert(errors.length > 0 && errors.every((text) => text.includes('KeyError')))
})
