// The worker in front of the crate's own login example: `npm run test:login` (needs Rust).
//
// The worker holds check keys that were made from the example's ring file, and has nothing else from that file.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'

import { createSessions, exportDayKeys, parseRing } from 'sealed-session'
import { encode } from '../src/base64url.js'
import { random } from '../src/crypto.js'
import { handle } from '../worker/worker.js'
import { memoryCache, serve } from '../worker/serve.js'

const NAME = 'login-demo'
const root = fileURLToPath(new URL('../..', import.meta.url))
const cargo = ['run', '--quiet', '--manifest-path', join(root, 'Cargo.toml'), '-p', 'login']

let folder, example, server, port, cache

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sealed-session-login-'))
  const keys = join(folder, 'keys.txt')
  const built = spawnSync('cargo', ['build', ...cargo.slice(1)], { stdio: 'inherit' })
  assert.equal(built.status, 0, 'the login example is built')
  example = spawn('cargo', cargo, { env: { ...process.env, PORT: '0', LOGIN_KEYS: keys }, detached: true })
  const origin = await new Promise((resolve, reject) => {
    let said = ''
    example.stdout.on('data', (text) => {
      said += text
      const found = /listening on (http:\S+)/.exec(said)
      if (found !== null) resolve(found[1])
    })
    example.on('exit', () => reject(new Error(`the example ended: ${said}`)))
  })
  const ring = await parseRing(await readFile(keys, 'utf8'))
  const today = Math.floor(Date.now() / 86_400_000)
  const days = Array.from({ length: 92 }, (_, ahead) => today + ahead) // remembered sessions last 90 days
  const remembered = { idle: 14 * 86_400, absolute: 90 * 86_400 }
  const dayKeys = await exportDayKeys(ring, { name: NAME, audience: NAME, rights: 'check', days, remembered })
  const sessions = await createSessions({ keys: dayKeys })
  cache = memoryCache()
  server = serve((request) => handle(request, { sessions, origin, cache }))
  port = await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))
})

after(async () => {
  server?.close()
  // Cargo and the example are one group: both end, and no other process does.
  if (example?.pid) process.kill(-example.pid)
  await rm(folder, { recursive: true })
})

/** A browser: it keeps the cookies that it gets. */
function browser() {
  const jar = new Map()
  const send = (method, path, form) =>
    new Promise((resolve, reject) => {
      const headers = { 'Sec-Fetch-Site': 'same-origin', 'Content-Type': 'application/x-www-form-urlencoded' }
      if (jar.size > 0) headers.Cookie = [...jar].map((pair) => pair.join('=')).join('; ')
      const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }, async (response) => {
        let body = ''
        for await (const chunk of response) body += chunk
        for (const line of response.headers['set-cookie'] ?? []) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
          if (line.includes('Max-Age=0')) jar.delete(name)
          else jar.set(name, value)
        }
        resolve({ status: response.statusCode, headers: response.headers, body })
      })
      request.on('error', reject)
      request.end(form)
    })
  return { jar, get: (path) => send('GET', path), post: (path, form) => send('POST', path, form) }
}

async function signedIn(name) {
  const visitor = browser()
  const { status } = await visitor.post('/sign-in', `name=${name}`)
  assert.equal(status, 303)
  return visitor
}

test('guests share the public page, and the copy in the cache needs no request to the origin', async () => {
  const { headers, body } = await browser().get('/public')
  assert.equal(headers['set-cookie'], undefined)
  const stored = cache.size()
  assert.ok(stored > 0)
  assert.equal((await browser().get('/public')).body, body)
  assert.equal(cache.size(), stored)
})

test('a visitor signs in through the worker, and no other visitor sees the page', async () => {
  const visitor = await signedIn('Zuleika')
  const before = cache.size()
  const page = await visitor.get('/')
  assert.match(page.body, /Zuleika/)
  assert.match(page.headers['cache-control'], /private/)
  assert.equal(cache.size(), before)
  assert.doesNotMatch((await browser().get('/')).body, /Zuleika/)
  await visitor.post('/sign-out', '')
  assert.equal(visitor.jar.size, 0)
  assert.doesNotMatch((await visitor.get('/')).body, /Zuleika/)
})

test('a genuine head on a random body poisons nothing and opens nothing', async () => {
  const eve = await signedIn('Eve')
  const token = eve.jar.get(NAME)
  eve.jar.set(NAME, `${token.slice(0, 60)}${encode(random(60))}`)
  const before = cache.size()
  const page = await eve.get('/public')
  assert.equal(page.status, 200)
  assert.equal(cache.size(), before, 'what may be a session is never stored')
  assert.doesNotMatch((await eve.get('/')).body, /Hello, Eve/)
})

test('dead cookies are a guest to the origin', async () => {
  const visitor = browser()
  visitor.jar.set(NAME, 'rubbish')
  const guest = await browser().get('/')
  const dead = await visitor.get('/')
  assert.equal(dead.status, 200)
  assert.equal(dead.body.includes('rubbish'), false, 'the cookie was stripped before the origin could show it')
  assert.equal(dead.headers['cache-control'], guest.headers['cache-control'])
})
