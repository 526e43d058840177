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

/** While no list of revocations can be reached. */
async function withoutList(act) {
  rmSync(list, { recursive: true })
  try {
    await act()
  } finally {
    mkdirSync(list)
  }
}

/** The data of a session as a page shows it: JSON alone, or in HTML. */
const dataOf = ({ text }) =>
  JSON.parse(/<output>(.*?)<\/output>/s.exec(text)?.[1].replaceAll('&quot;', '"') ?? text)

const PATHS = { read: '/', signIn: '/sign-in', theme: '/theme', signOut: '/sign-out' }

/**
 * Plays the story. `paths` says where the application has what; `renewed`, what is sent with a page that fails; `extra` has
 * tests for one framework alone.
 */
function story(name, { args, env: more, paths = PATHS, renewed = [], extra = () => {} }) {
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
      const page = await visit(cookiesOf(await sessions.start({ user: 7 }))).get('/plain')
      assert.deepEqual([page.status, page.names, page.text], [200, [], 'plain'])
      assert(!page.vary.includes('cookie') && !page.cache.includes('private'))
    })

    test('sign in, read, write, sign out', async () => {
      const visitor = visit()
      assert.deepEqual(dataOf(await visitor.get(paths.read)), null)
      const signIn = await visitor.post(paths.signIn)
      assert.deepEqual([signIn.status, signIn.location, signIn.names], [303, '/', BOTH])
      isPrivate(signIn, true)
      const page = await visitor.get(paths.read)
      assert.deepEqual([dataOf(page), page.names], [{ user: 7 }, []])
      isPrivate(page)
      const shared = await visitor.get('/public')
      assert.deepEqual([shared.cache, shared.headers['cdn-cache-control']], ['private, max-age=60', undefined])
      const write = await visitor.post(paths.theme)
      assert.deepEqual([write.status, write.names], [303, [NAME]])
      isPrivate(write, true)
      assert.deepEqual(dataOf(await visitor.get(paths.read)), { user: 7, theme: 'dark' })
      const copy = new Map(visitor.jar)
      const signOut = await visitor.post(paths.signOut)
      assert.deepEqual([signOut.status, signOut.names, visitor.jar.size], [303, BOTH, 0])
      isPrivate(signOut, true)
      assert(readdirSync(list).includes(idOf(copy.get(NAME))), 'the list was told')
      const thief = await visit(copy).get(paths.read)
      assert.deepEqual([thief.status, dataOf(thief), thief.names], [200, null, []])
    })

    test('a second sign-in revokes the first', async () => {
      const visitor = visit()
      await visitor.post(paths.signIn)
      const first = idOf(visitor.jar.get(NAME))
      await visitor.post(paths.signIn)
      assert(readdirSync(list).includes(first))
      assert.deepEqual(dataOf(await visitor.get(paths.read)), { user: 7 })
    })

    test('a session of the crate', async () => {
      const visitor = visit(rust)
      assert.deepEqual(dataOf(await visitor.get(paths.read)).name, 'Zuleika')
      await visitor.post(paths.theme)
      const { name, theme } = dataOf(await visitor.get(paths.read))
      assert.deepEqual({ name, theme }, { name: 'Zuleika', theme: 'dark' })
    })

    test('a renewal when it is due, and not for a prefetch', async () => {
      const visitor = visit(await older({ user: 9 }))
      const prefetched = await visitor.get(paths.read, { 'Sec-Purpose': 'prefetch;prerender' })
      assert.deepEqual([dataOf(prefetched), prefetched.names], [{ user: 9 }, []])
      isPrivate(prefetched)
      const page = await visitor.get(paths.read)
      assert.deepEqual([dataOf(page), page.names], [{ user: 9 }, [ACTIVITY]])
      isPrivate(page)
      assert.deepEqual((await visitor.get(paths.read)).names, [])
    })

    test('a damaged cookie is a guest', async () => {
      const [[name, token]] = await older({ user: 9 })
      for (const value of ['x', `${token.slice(0, -9)}AAAAAAAAA`, '%ff"\\']) {
        const page = await visit([[name, value]]).get(paths.read)
        assert.deepEqual([page.status, dataOf(page), page.names], [200, null, []])
        isPrivate(page)
      }
    })

    test('a page that fails sends no session and revokes none', async () => {
      const cookies = await older({ user: 9 })
      const page = await visit(cookies).get('/fail')
      assert.deepEqual([page.status, page.names, page.cache.includes('public')], [500, renewed, false])
      assert(!existsSync(join(list, idOf(cookies[0][1]))))
    })

    test('a list that cannot be reached fails the sign-out', async () => {
      const cookies = await older({ user: 9 })
      await withoutList(async () => {
        const page = await visit(cookies).post(paths.signOut)
        assert.deepEqual([page.status, page.names, page.cache.includes('public')], [500, [], false])
      })
      assert.deepEqual(dataOf(await visit(cookies).get(paths.read)), { user: 9 })
    })

    extra(visit, older)
  })
}

/** For the frameworks in which this package, and not the framework, holds what a handler has given. */
function handed(visit, older) {
  test('a large page comes whole', async () => {
    const page = await visit(await older({ user: 9 })).get('/stream')
    assert.deepEqual([page.status, page.names], [200, [ACTIVITY]])
    assert.equal(page.text, 'x'.repeat(1_000_000))
    isPrivate(page)
  })

  test('an error page has no fields of the page in whose place it comes', async () => {
    const cookies = await older({ user: 9 })
    await withoutList(async () => {
      const page = await visit(cookies).get('/end')
      assert.deepEqual([page.status, page.names, page.text, page.cache], [500, [], 'failed', 'private, no-store'])
    })
  })
}

story('Hono', { args: ['hono/serve.js'], extra: handed })
for (const order of ['without', 'before', 'after']) {
  story(`Express, ${order} compression`, {
    args: ['express/serve.js'],
    env: { COMPRESSION: order },
    extra(visit, older) {
      handed(visit, older)
      test('a file, compressed or not, and once more with its tag', async () => {
        const visitor = visit(await older({ user: 9 }))
        const page = await visitor.get('/file', { 'Accept-Encoding': 'gzip' })
        assert.deepEqual([page.names, page.headers['content-encoding']], [[ACTIVITY], order === 'without' ? undefined : 'gzip'])
        assert.equal(page.text, readFileSync('express/serve.js', 'utf8'))
        isPrivate(page)
        const again = await visit(await older({ user: 9 })).get('/file', { 'If-None-Match': page.headers.etag })
        assert.deepEqual([again.status, again.names, again.text], [304, [], ''])
      })
      test('output that Node refuses', async () => {
        // The other middleware writes the header block before Node refuses.
        if (order === 'without') {
          const bad = await visit(await older({ user: 9 })).get('/bad')
          assert.deepEqual([bad.status, bad.text], [500, 'failed'])
        }
        const twice = await visit(await older({ user: 9 })).get('/twice')
        assert.deepEqual([twice.status, twice.text, twice.names], [201, 'twice', [ACTIVITY]])
        assert.equal(twice.headers['x-flat'], 'yes')
      })
      test('no second response after the first', async () => {
        assert.equal((await visit(await older({ user: 9 })).get('/late')).text, 'said')
      })
    },
  })
}

story('SvelteKit', {
  args: ['sveltekit/build/index.js'],
  env: { PROTOCOL_HEADER: 'x-forwarded-proto' },
  paths: { read: '/', signIn: '/?/signIn', theme: '/?/theme', signOut: '/?/signOut' },
  extra: (visit, older) =>
    test('a page looks at the session through its own server', async () => {
      assert.deepEqual((await visit().get('/sub')).names, [])
      const page = await visit(await older({ user: 9 })).get('/sub')
      assert.deepEqual([dataOf(page), page.names], [{ user: 9 }, [ACTIVITY]])
      isPrivate(page)
    }),
})

story('Next.js', {
  args: ['node_modules/next/dist/bin/next', 'start', 'next', '-H', '127.0.0.1', '-p', 'PORT'],
  paths: { ...PATHS, read: '/api' },
  // The proxy renews before it is known how the page ends.
  renewed: [ACTIVITY],
  extra(visit, older) {
    const submit = async (visitor) => {
      const [, action] = /name="(\$ACTION_ID_\w+)"/.exec((await visitor.get('/')).text)
      const form = new FormData()
      form.set(action, '')
      const { headers, body } = new Request('http://localhost', { method: 'POST', body: form })
      return visitor.post('/', Buffer.concat(await Array.fromAsync(body)), Object.fromEntries(headers))
    }

    test('server components and actions', async () => {
      const visitor = visit()
      assert.equal(dataOf(await visitor.get('/')), null)
      const signIn = await submit(visitor)
      assert.deepEqual([signIn.status, signIn.location, signIn.names], [303, '/', BOTH])
      assert.match(signIn.cache, /no-store/)
      assert.match(signIn.lines[0], /; Path=\/; HttpOnly; SameSite=lax$/)
      const page = await visitor.get('/')
      assert.deepEqual(dataOf(page), { user: 7 })
      assert.match(page.cache, /^private,.*no-store/)
      const id = idOf(visitor.jar.get(NAME))
      const signOut = await submit(visitor)
      assert.deepEqual([signOut.status, signOut.names, visitor.jar.size], [303, BOTH, 0])
      assert(readdirSync(list).includes(id))
      assert.equal(dataOf(await visitor.get('/')), null)
    })

    test('the proxy renews, and no cache keeps the renewal', async () => {
      for (const path of ['/', '/static', '/plain', '/public', '/api']) {
        const visitor = visit(await older({ user: 9 }))
        const [page, again] = [await visitor.get(path), await visitor.get(path)]
        assert.deepEqual([path, page.names, again.names], [path, [ACTIVITY], []])
        assert.match(page.cache, /^private, no-store/)
        assert.equal(page.headers['cdn-cache-control'], undefined)
        assert.equal(page.headers['x-middleware-next'], undefined)
      }
    })

    test('the proxy renews neither for a link, nor with a condition', async () => {
      const { headers } = await visit().get('/static')
      for (const sent of [
        { 'Next-Router-Prefetch': '1', 'RSC': '1' },
        { 'Sec-Purpose': 'prefetch' },
        { 'If-None-Match': headers.etag },
      ]) {
        const page = await visit(await older({ user: 9 })).get('/static', sent)
        assert.deepEqual([page.names, page.cache.includes('private')], [[], false])
      }
    })
  },
})
