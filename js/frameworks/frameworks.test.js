// The same story in each framework, over HTTP: `./run`.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before, suite } from 'node:test'
import { fileURLToPath } from 'node:url'

import { createSessions, readClaims } from 'sealed-session'
import { browser, cookiesOf, start } from './visitor.js'

const NAME = 'login-demo'
const ACTIVITY = `${NAME}-seen`
const BOTH = [NAME, ACTIVITY]
const folder = mkdtempSync(join(tmpdir(), 'sealed-session-frameworks-'))
const list = join(folder, 'revoked')
const ring = join(folder, 'keys.txt')
const manifest = fileURLToPath(new URL('../../Cargo.toml', import.meta.url))

/** The session of the crate's login example, and an application with its keys. */
let rust, sessions, env

before(async () => {
  const login = ['--quiet', '--manifest-path', manifest, '-p', 'login']
  assert.equal(spawnSync('cargo', ['build', ...login], { stdio: 'inherit' }).status, 0, 'the login example is built')
  const example = spawn('cargo', ['run', ...login], { env: { ...process.env, PORT: '0', LOGIN_KEYS: ring }, detached: true })
  try {
    let said = ''
    for await (const text of example.stdout) if (/listening on http:\S+/.test((said += text))) break
    const port = Number(/listening on http:\/\/[^:]+:(\d+)/.exec(said)[1])
    const visitor = browser(port)
    await visitor.post('/sign-in', 'name=Zuleika', { 'Sec-Fetch-Site': 'same-origin' })
    rust = visitor.jar
    assert.deepEqual([...rust.keys()].sort(), BOTH)
  } finally {
    // Cargo and the example are one group: both end, and no other process does.
    process.kill(-example.pid)
  }
  const keys = readFileSync(ring, 'utf8')
  sessions = await createSessions({ keys, name: NAME, audience: NAME })
  env = { SESSION_KEYS: keys, REVOKED: list }
  mkdirSync(list)
})

after(() => rmSync(folder, { recursive: true }))

/** A session that started some time ago, so that a renewal is due. */
const older = async (data) => cookiesOf(await sessions.start(data, { now: Math.floor(Date.now() / 1000) - 600 }))
const idOf = (token) => readClaims(token).sessionId
const isPrivate = (page, noStore) => {
  assert.match(page.cache, noStore ? /^private, no-store$/ : /^private\b/)
  assert(page.vary.includes('cookie'))
}

/** Plays the story. `extra` has tests for one framework alone. */
function story(name, { args, env: more, extra = () => {} }) {
  suite(name, { timeout: 60_000 }, () => {
    let server
    before(async () => (server = await start(args, { ...env, ...more })))
    after(() => server?.stop())
    const visit = (cookies) => browser(server.port, cookies)

    test('guests share a page', async () => {
      const page = await visit().get('/public')
      assert.deepEqual([page.status, page.names, page.cache], [200, [], 'public, max-age=60'])
      assert.equal(page.headers['cdn-cache-control'], 'max-age=60')
      assert(page.vary.includes('cookie'))
    })

    test('a page that does not look at the session stays as it is', async () => {
      const page = await visit(await older({ user: 7 })).get('/plain')
      assert.deepEqual([page.status, page.names], [200, []])
      assert(!page.vary.includes('cookie') && !page.cache.includes('private'))
    })

    test('sign in, read, write, sign out', async () => {
      const visitor = visit()
      assert.equal((await visitor.get('/')).text, 'null')
      const signIn = await visitor.post('/sign-in')
      assert.deepEqual([signIn.status, signIn.location, signIn.names], [303, '/', BOTH])
      isPrivate(signIn, true)
      const page = await visitor.get('/')
      assert.deepEqual([page.text, page.names], ['{"user":7}', []])
      isPrivate(page)
      const shared = await visitor.get('/public')
      assert.deepEqual([shared.cache, shared.headers['cdn-cache-control']], ['private, max-age=60', undefined])
      const write = await visitor.post('/theme')
      assert.deepEqual([write.status, write.names], [303, [NAME]])
      isPrivate(write, true)
      assert.equal((await visitor.get('/')).text, '{"user":7,"theme":"dark"}')
      const copy = new Map(visitor.jar)
      const signOut = await visitor.post('/sign-out')
      assert.deepEqual([signOut.status, signOut.names, visitor.jar.size], [303, BOTH, 0])
      isPrivate(signOut, true)
      assert(readdirSync(list).includes(idOf(copy.get(NAME))), 'the list was told')
      const thief = await visit(copy).get('/')
      assert.deepEqual([thief.status, thief.text, thief.names], [200, 'null', []])
    })

    test('a second sign-in revokes the first', async () => {
      const visitor = visit()
      await visitor.post('/sign-in')
      const first = idOf(visitor.jar.get(NAME))
      await visitor.post('/sign-in')
      assert(readdirSync(list).includes(first))
      assert.equal((await visitor.get('/')).text, '{"user":7}')
    })

    test('a session of the crate', async () => {
      const visitor = visit(rust)
      assert.equal(JSON.parse((await visitor.get('/')).text).name, 'Zuleika')
      await visitor.post('/theme')
      const { name, theme } = JSON.parse((await visitor.get('/')).text)
      assert.deepEqual({ name, theme }, { name: 'Zuleika', theme: 'dark' })
    })

    test('a renewal when it is due, and not for a prefetch', async () => {
      const visitor = visit(await older({ user: 9 }))
      const prefetched = await visitor.get('/', { 'Sec-Purpose': 'prefetch;prerender' })
      assert.deepEqual([prefetched.text, prefetched.names], ['{"user":9}', []])
      isPrivate(prefetched)
      const page = await visitor.get('/')
      assert.deepEqual([page.text, page.names], ['{"user":9}', [ACTIVITY]])
      isPrivate(page)
      assert.deepEqual((await visitor.get('/')).names, [])
    })

    test('a damaged cookie is a guest', async () => {
      const [[name, token]] = await older({ user: 9 })
      for (const value of ['x', `${token.slice(0, -9)}AAAAAAAAA`, '%ff"\\']) {
        const page = await visit([[name, value]]).get('/')
        assert.deepEqual([page.status, page.text, page.names], [200, 'null', []])
        isPrivate(page)
      }
    })

    test('a page that fails sends no session and revokes none', async () => {
      const cookies = await older({ user: 9 })
      const page = await visit(cookies).get('/fail')
      assert.deepEqual([page.status, page.names], [500, []])
      isPrivate(page)
      assert(!existsSync(join(list, idOf(cookies[0][1]))))
    })

    test('a list that cannot be reached fails the sign-out', async () => {
      const cookies = await older({ user: 9 })
      rmSync(list, { recursive: true })
      try {
        const page = await visit(cookies).post('/sign-out')
        assert.deepEqual([page.status, page.names, page.cache.includes('public')], [500, [], false])
      } finally {
        mkdirSync(list)
      }
      assert.equal((await visit(cookies).get('/')).text, '{"user":9}')
    })

    extra(visit, older)
  })
}

const large = (visit, older, headers = {}) =>
  test('a large page comes whole', async () => {
    const page = await visit(await older({ user: 9 })).get('/stream', headers)
    assert.deepEqual([page.status, page.names], [200, [ACTIVITY]])
    assert.equal(page.text, 'x'.repeat(1_000_000))
    isPrivate(page)
    return page
  })

story('Hono', { args: ['hono/serve.js'], extra: large })
for (const order of ['without', 'before', 'after']) {
  story(`Express, ${order} compression`, {
    args: ['express/serve.js'],
    env: { COMPRESSION: order },
    extra(visit, older) {
      large(visit, older)
      test('a file, compressed or not, and once more with its tag', async () => {
        const visitor = visit(await older({ user: 9 }))
        const page = await visitor.get('/file', { 'Accept-Encoding': 'gzip' })
        assert.deepEqual([page.names, page.headers['content-encoding']], [[ACTIVITY], order === 'without' ? undefined : 'gzip'])
        assert.equal(page.text, readFileSync('express/serve.js', 'utf8'))
        isPrivate(page)
        const again = await visit(await older({ user: 9 })).get('/file', { 'If-None-Match': page.headers.etag })
        assert.deepEqual([again.status, again.names, again.text], [304, [], ''])
      })
      test('no second response after the first', async () => {
        assert.equal((await visit(await older({ user: 9 })).get('/late')).text, 'said')
      })
    },
  })
}
