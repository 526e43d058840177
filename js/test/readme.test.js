// Runs the code of README.md and GUIDE.md as a reader would copy it.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import test, { after } from 'node:test'
import { pathToFileURL } from 'node:url'

import { REASONS, createSessions, exportDayKeys, parseDayKeys, parseRing } from 'sealed-session'
import { memoryCache } from '../worker/serve.js'
import { SECRET, cookieOf, here } from './support.js'

const pages = ['../README.md', '../GUIDE.md'].map((page) => readFileSync(here(page), 'utf8')).join('\n')
const blocks = new Map([...pages.matchAll(/^```js file=(\S+)\n(.*?)^```$/gms)].map(([, name, code]) => [name, code]))

// Inside the package, so that `sealed-session` is this module.
const folder = mkdtempSync(here('../test/.readme-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name) => `${folder}/${name}`
for (const [name, code] of blocks) writeFileSync(file(name), code)

const env = { ...process.env, SESSION_KEYS: SECRET }
const shop = await createSessions({ keys: SECRET, audience: 'shop-production', revoke: null })
const signedIn = cookieOf(await shop.start({ user: 7 }))

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Starts a block that is a server, and gives a function that fetches from it. */
async function started(name) {
  const port = await freePort()
  const child = spawn(process.execPath, [file(name)], {
    env: { ...env, PORT: port },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  after(() => child.kill())
  const get = (path, cookie) =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: cookie === undefined ? {} : { cookie } })
  for (let tries = 0; tries < 100; tries++) {
    try {
      await get('/')
      return get
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  throw new Error(`${name} does not listen`)
}

test('every block of code is run', () => {
  assert.deepEqual([...blocks.keys()].sort(), ['check-worker.js', 'edge-worker.js', 'export-day-keys.js', 'open.js'])
  const copies = [...pages.matchAll(/^```js from=(\S+)\n(.*?)^```$/gms)]
  for (const [, name, code] of copies) assert.equal(code, readFileSync(here(`../frameworks/${name}`), 'utf8'), name)
  assert.equal(copies.length, 4)
  assert.equal(pages.match(/^```js\b/gm).length, blocks.size + copies.length)
})

test('day keys are exported, and the worker checks with them', async () => {
  const { stdout, stderr } = spawnSync(process.execPath, [file('export-day-keys.js')], { env, encoding: 'utf8' })
  assert.equal(stderr, '')
  const dayKeys = parseDayKeys(stdout)
  assert.deepEqual([dayKeys.rights, dayKeys.keys.length], ['check', 9])
  const sent = []
  const real = globalThis.fetch
  globalThis.fetch = async (request) => (sent.push(request.headers), new Response('page'))
  try {
    const { default: worker } = await import(pathToFileURL(file('check-worker.js')))
    const cookies = [null, signedIn, `a=1; ${signedIn.split('; ')[0]}`, '__Host-id=x']
    for (const cookie of cookies) {
      const headers = cookie === null ? {} : { cookie }
      const request = new Request('https://shop.example/', { headers: { ...headers, 'X-Session-State': 'live' } })
      assert.equal(await (await worker.fetch(request, { SESSION_DAY_KEYS: stdout })).text(), 'page')
    }
  } finally {
    globalThis.fetch = real
  }
  assert.deepEqual(
    sent.map((headers) => headers.get('x-session-state')),
    ['none', 'live', 'none', 'none'],
  )
  assert.deepEqual(
    sent.map((headers) => headers.get('cookie')),
    [null, signedIn, 'a=1', ''],
  )
})

/**
 * A browser behind a worker: it keeps cookies, and takes a page from its own cache if the page is fresh and the fields of
 * its `Vary` are as they were.
 */
function browser(worker, env) {
  const jar = new Map()
  const cache = new Map()
  return async (path) => {
    const sent = new Headers(jar.size === 0 ? {} : { Cookie: [...jar].map((pair) => pair.join('=')).join('; ') })
    const stored = cache.get(path)
    if (stored?.vary.every((name) => stored.sent.get(name) === sent.get(name))) return stored.body
    const response = await worker.fetch(new Request(`https://shop.example${path}`, { headers: sent }), env)
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    const body = await response.text()
    const vary = (response.headers.get('Vary') ?? '').split(',').map((name) => name.trim())
    if (/max-age=[1-9]/.test(response.headers.get('Cache-Control')))
      cache.set(path, { body, sent, vary: vary.filter(Boolean) })
    return body
  }
}

/** Pages that a browser may keep for a minute, with the crate's fields under `vary_field("X-Session-State")`. */
async function origin(request) {
  const { session } = await shop.open(request)
  const path = new URL(request.url).pathname
  const headers = new Headers({
    'Vary': 'X-Session-State',
    'Cache-Control': `${session ? 'private' : 'public'}, max-age=60`,
  })
  if (path === '/logo') return new Response('logo', { headers: { Vary: 'Accept-Encoding' } })
  if (path === '/') return new Response(session ? `hello ${session.data.user}` : 'hello guest', { headers })
  headers.set('Cache-Control', 'private, no-store')
  const lines = path === '/sign-in' ? (await shop.start({ user: 7 })).setCookie : (await shop.end(request)).setCookie
  for (const line of lines) headers.append('Set-Cookie', line)
  return new Response('', { headers })
}

for (const name of ['check-worker.js', '../../worker/worker.js']) {
  test(`no browser shows a page from before the sign-in or sign-out: ${name}`, async () => {
    const ring = await parseRing(SECRET)
    const today = Math.floor(Date.now() / 86_400_000)
    const keys = await exportDayKeys(ring, { audience: 'shop-production', rights: 'check', days: [today, today + 1] })
    const env = { SESSION_DAY_KEYS: JSON.stringify(keys), ORIGIN: 'https://origin.example', CACHE: memoryCache() }
    const real = globalThis.fetch
    globalThis.fetch = origin
    try {
      const { default: worker } = await import(`${pathToFileURL(file(name))}?fresh`)
      const visit = browser(worker, env)
      assert.equal(await visit('/'), 'hello guest')
      await visit('/sign-in')
      assert.equal(await visit('/'), 'hello 7')
      await visit('/sign-out')
      assert.equal(await visit('/'), 'hello guest')
      const logo = await worker.fetch(new Request('https://shop.example/logo'), env)
      assert.equal(logo.headers.get('Vary'), 'Accept-Encoding', 'what is the same for all stays so')
    } finally {
      globalThis.fetch = real
    }
  })
}

test('Node opens', async () => {
  const get = await started('open.js')
  assert.equal((await get('/')).status, 401)
  assert.equal((await get('/', '__Host-id=x')).status, 401)
  assert.equal(await (await get('/', signedIn)).text(), 'user 7')
})

test('a worker signs in, writes, renews and signs out', async () => {
  const stored = new Map()
  const env = { KEYS: { get: async (name) => stored.get(name) ?? null, put: async (name, value) => void stored.set(name, value) } }
  const { default: worker } = await import(pathToFileURL(file('edge-worker.js')))
  const jar = new Map()
  const visit = async (path, method = 'GET') => {
    const cookie = [...jar].map((pair) => pair.join('=')).join('; ')
    const request = new Request(`https://shop.example${path}`, { method, headers: cookie === '' ? {} : { cookie } })
    const response = await worker.fetch(request, env)
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    return [await response.text(), response.headers.getSetCookie().length, response.headers.get('cache-control')]
  }
  stored.set('session-keys', SECRET)
  assert.deepEqual(await visit('/'), ['guest', 0, null])
  assert.deepEqual(await visit('/sign-in', 'POST'), ['', 2, 'private, no-store'])
  assert.deepEqual(await visit('/'), ['{"user":7}', 0, 'private, no-cache'])
  assert.deepEqual(await visit('/theme', 'POST'), ['', 1, 'private, no-store'])
  assert.deepEqual(await visit('/'), ['{"user":7,"theme":"dark"}', 0, 'private, no-cache'])
  const plain = await createSessions({ keys: SECRET })
  const old = await plain.start({ user: 9 }, { now: Math.floor(Date.now() / 1000) - 600 })
  for (const pair of cookieOf(old).split('; ')) jar.set(...pair.split(/=(.*)/s).slice(0, 2))
  assert.deepEqual(await visit('/'), ['{"user":9}', 1, 'private, no-cache'])
  assert.deepEqual(await visit('/'), ['{"user":9}', 0, 'private, no-cache'])
  assert.deepEqual(await visit('/sign-out', 'POST'), ['', 2, 'private, no-store'])
  assert.deepEqual(await visit('/'), ['guest', 0, null])
  assert.equal(stored.get(`revoked/${old.session.id}`), '')
  for (const pair of cookieOf(old).split('; ')) jar.set(...pair.split(/=(.*)/s).slice(0, 2))
  assert.equal((await visit('/'))[0], 'guest', 'a copy of the cookies is over')
})

test('the licences are those of the crate, and no link leads out of what npm publishes', () => {
  for (const name of ['LICENSE-APACHE', 'LICENSE-MIT']) {
    assert.equal(readFileSync(here(`../${name}`), 'utf8'), readFileSync(here(`../../${name}`), 'utf8'))
  }
  const { files } = JSON.parse(readFileSync(here('../package.json'), 'utf8'))
  for (const [, link] of pages.matchAll(/\]\((?!https:|#)([^)#]*)/g)) {
    assert([...files, 'README.md'].includes(link.split('/')[0]), link)
  }
})

test('prose and code agree', () => {
  assert(pages.replace(/\s+/g, ' ').includes(REASONS.join(', ')))
  const listed = JSON.parse(readFileSync(here('../package.json'), 'utf8'))
  assert.equal(listed.dependencies, undefined)
  for (const [, script] of pages.matchAll(/npm run ([\w:]+)/g)) assert(script in listed.scripts, script)
})
