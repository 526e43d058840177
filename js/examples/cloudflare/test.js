// The worker in miniflare, from an empty KV to a sign-out.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import test, { after } from 'node:test'

import { createSessions } from 'sealed-session'
import { sessionKeys } from './push-keys.js'
import { newKey, start } from './start.js'

const [first, second] = [await newKey(), await newKey()]
const server = await createSessions({ keys: first, audience: 'shop' })
const { miniflare, url, keys } = await start({ keysEvery: 1 })
after(() => miniflare.dispose())

/** A browser: it keeps cookies and follows nothing. */
function browser(jar = new Map()) {
  return {
    jar,
    cookie: () => [...jar].map((pair) => pair.join('=')).join('; '),
    async visit(path, method = 'GET') {
      const headers = jar.size === 0 ? {} : { Cookie: this.cookie() }
      const response = await fetch(new URL(path, url), { method, headers, redirect: 'manual' })
      for (const line of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
        if (value === '') jar.delete(name)
        else jar.set(name, value)
      }
      const [, text] = /id=visitor>(.*?)</.exec(await response.text()) ?? []
      return { status: response.status, text, cache: response.headers.get('cache-control'), sent: response.headers.getSetCookie() }
    },
  }
}

const withCookies = (written) => {
  const pairs = written.cookies.map(({ name, value }) => [name, value])
  return browser(new Map(pairs))
}

/** Visits until the keys that were pushed have arrived. */
async function until(visitor, text) {
  for (let tries = 0; tries < 200; tries++) {
    if ((await visitor.visit('/')).text === text) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.fail(`never saw ${text}`)
}

test('without keys, guests are served and nobody is signed out', async () => {
  for (const stored of [null, '{"format":', '']) {
    if (stored !== null) await keys.put('session-keys', stored)
    assert.deepEqual(await browser().visit('/'), { status: 200, text: 'Hello, guest', cache: null, sent: [] })
    const visitor = withCookies(await server.start({ user: 3, visits: 0 }))
    const { status, text, cache, sent } = await visitor.visit('/')
    assert.deepEqual([status, text, cache, sent], [200, 'Hello, guest', 'private, no-cache', []])
    assert.equal((await browser().visit('/sign-in', 'POST')).status, 500)
  }
})

test('keys arrive, and the sessions of the server open', async () => {
  const visitor = withCookies(await server.start({ user: 3, visits: 0 }))
  await keys.put('session-keys', await sessionKeys(first))
  await until(visitor, 'Hello, user 3: counted to 0')
})

test('a visitor signs in, writes and signs out, and a copy of the cookies is over', async () => {
  const visitor = browser()
  assert.equal((await visitor.visit('/')).text, 'Hello, guest')
  const signIn = await visitor.visit('/sign-in', 'POST')
  assert.deepEqual([signIn.status, signIn.cache, signIn.sent.length], [303, 'private, no-store', 2])
  await visitor.visit('/count', 'POST')
  const { text, cache } = await visitor.visit('/')
  assert.deepEqual([text, cache], ['Hello, user 7: counted to 1', 'private, no-cache'])
  const { session } = await server.open(visitor.cookie())
  assert.deepEqual(session.data, { user: 7, visits: 1 }, 'the server opens it too')
  const copy = browser(new Map(visitor.jar))
  const signOut = await visitor.visit('/sign-out', 'POST')
  assert.deepEqual([signOut.status, visitor.jar.size], [303, 0])
  assert.equal((await copy.visit('/')).text, 'Hello, guest')
  assert.equal(await keys.get(`revoked/${session.id}`), '')
})

test('a session is renewed at the edge, and the server accepts that', async () => {
  const now = Math.floor(Date.now() / 1000)
  const visitor = withCookies(await server.start({ user: 4, visits: 0 }, { now: now - 1500 }))
  const { sent } = await visitor.visit('/')
  assert.deepEqual([sent.length, sent[0].split('=')[0]], [1, '__Host-id-seen'])
  const { session } = await server.open(visitor.cookie(), { now: now + 1000 })
  assert.equal(session.data.user, 4, 'without the renewal it would be idle by then')
})

test('damaged, foreign and doubled cookies make a guest, and never an error', async () => {
  const good = withCookies(await server.start({ user: 5, visits: 0 }))
  const value = good.jar.get('__Host-id')
  const flipped = value.slice(0, 90) + (value[90] === 'A' ? 'B' : 'A') + value.slice(91)
  for (const bad of [flipped, value.slice(0, -4), `${value}AAAA`, 'x', '', 'A'.repeat(4000)]) {
    const { status, text } = await browser(new Map([...good.jar, ['__Host-id', bad]])).visit('/')
    assert.deepEqual([status, text], [200, 'Hello, guest'], bad.slice(0, 20))
  }
})

test('the shell of the page is cached', async () => {
  const shellOf = async () => (await fetch(url)).headers.get('x-shell')
  await shellOf()
  for (let tries = 0; tries < 100 && (await shellOf()) !== 'cached'; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.equal(await shellOf(), 'cached')
})

test('a rotation signs nobody out', async () => {
  const before = withCookies(await server.start({ user: 6, visits: 0 }))
  await keys.put('session-keys', await sessionKeys(`open ${first}\nseal ${second}`))
  const rotated = await createSessions({ keys: `open ${first}\nseal ${second}`, audience: 'shop' })
  const other = withCookies(await rotated.start({ user: 8, visits: 0 }))
  await until(other, 'Hello, user 8: counted to 0')
  assert.equal((await before.visit('/')).text, 'Hello, user 6: counted to 0')
  await before.visit('/count', 'POST')
  assert.equal((await rotated.open(before.cookie())).session.keyId, second.split('_')[1])
})

test('requests at a cold start do not wait for those whose visitors left', { timeout: 60_000 }, async () => {
  const main = `
    import worker from './worker.js'
    const slowly = async (answer) => (await scheduler.wait(400), answer())
    export default {
      fetch: (request, { KEYS, ...env }, context) =>
        worker.fetch(request, { ...env, KEYS: { get: (name) => slowly(() => KEYS.get(name)) } }, context),
    }`
  const cold = await start({ main })
  try {
    await cold.keys.put('session-keys', await sessionKeys(first))
    const headers = { Cookie: withCookies(await server.start({ user: 9, visits: 0 })).cookie() }
    // Every third visitor, the first of all among them, leaves while the worker waits for KV: by a reset, since one that only
    // closes its connection is still answered.
    const ask = (index) =>
      new Promise((resolve, reject) => {
        const sent = request(cold.url, { headers, agent: false }, async (response) => {
          let text = ''
          for await (const chunk of response) text += chunk
          resolve(text)
        })
        sent.on('error', (error) => (index % 3 === 0 ? resolve('left') : reject(error)))
        sent.end(() => index % 3 === 0 && setTimeout(() => sent.socket.resetAndDestroy(), 200))
      })
    const pages = await Promise.all(Array.from({ length: 30 }, (_, index) => ask(index)))
    assert.equal(pages.filter((page) => page.includes('Hello, user 9')).length, 20)
    assert.equal(pages.filter((page) => page === 'left').length, 10)
  } finally {
    await cold.miniflare.dispose()
  }
})

test('the alarm is raised before the keys run out', async () => {
  const lonely = await start({ keysEvery: 1 })
  try {
    const worker = await lonely.miniflare.getWorker()
    await lonely.keys.put('session-keys', await sessionKeys(first, { days: 9 }))
    assert.equal((await worker.scheduled({ cron: '0 * * * *' })).outcome, 'ok')
    await lonely.keys.put('session-keys', await sessionKeys(first, { days: 2 }))
    let outcome
    for (let tries = 0; tries < 100 && outcome !== 'exception'; tries++) {
      await fetch(lonely.url, { headers: { Cookie: '__Host-id=x' } })
      outcome = (await worker.scheduled({ cron: '0 * * * *' })).outcome
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.equal(outcome, 'exception')
  } finally {
    await lonely.miniflare.dispose()
  }
})

test('the sizes in README are those of the keys', async () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
  const rows = [...readme.matchAll(/^\| (\d+) \(.*?\) \| ([\d,]+) bytes \| ([\d,]+) bytes \|$/gm)]
  assert.equal(rows.length, 2)
  for (const [, days, ...sizes] of rows) {
    for (const [index, rights] of ['check', 'open'].entries()) {
      const { length } = await sessionKeys(first, { rights, days: Number(days) })
      assert.equal(sizes[index], length.toLocaleString('en'), `${days} days, ${rights}`)
    }
  }
})

test('README starts it in at most five commands', async () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
  const commands = /```sh\n(.*?)```/s.exec(readme)[1].trim().split('\n')
  assert(commands.length <= 5)
  assert.deepEqual(commands.slice(-2), ['npm ci', 'npm start'], 'CI has run the first of them here')
  const [program, ...words] = commands.at(-1).split(' ')
  const cwd = new URL('.', import.meta.url)
  // In a group of its own: npm starts the server as a child.
  const child = spawn(program, words, { cwd, env: { ...process.env, PORT: '0' }, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    let said = ''
    for await (const text of child.stdout) {
      said += text
      const [, address] = /open (http:\S+)/.exec(said) ?? []
      if (address === undefined) continue
      const page = await fetch(address.replace('localhost', '127.0.0.1'))
      assert.match(await page.text(), /Hello, guest/)
      return
    }
    assert.fail(`it ended: ${said}`)
  } finally {
    process.kill(-child.pid)
  }
})
