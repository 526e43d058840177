// The Workers in workerd: the crate's and the npm package's do the same, and open each other's cookies.
// BINDINGS is the folder with the Rust worker's module, BUNDLE the file of the other.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { createSessions } from '../../js/src/index.js'
import { Visitor } from './jar.js'
import { SECRET } from '../../js/test/support.js'
import { rustModules, startWorkerd } from './workerd.js'

const KEYS = `seal ${SECRET}`
const workers = {
  'the crate': await rustModules(process.env.BINDINGS),
  'the npm package': [['worker.js', process.env.BUNDLE]],
}
const running = {}

before(async () => {
  for (const [name, modules] of Object.entries(workers)) running[name] = await startWorkerd(modules, KEYS)
})
after(() => Promise.all(Object.values(running).map((worker) => worker.stop())))

for (const name of Object.keys(workers)) {
  describe(name, () => {
    const visitor = () => new Visitor(running[name].origin)

    test('a guest gets no cookie', async () => {
      const guest = visitor()
      const { status, page, headers } = await guest.visit('GET', '/')
      assert.deepEqual([status, page, guest.cookies.size], [200, 'guest', 0])
      assert.match(headers.get('Vary'), /Cookie/)
      assert.equal((await guest.visit('POST', '/theme?dark')).page, 'guest')
      assert.equal(guest.cookies.size, 0)
    })

    test('a visitor signs in, reads and writes, and another sees nothing of it', async () => {
      const ada = visitor()
      const { page, headers } = await ada.visit('POST', '/sign-in')
      assert.equal(page, 'user 7, no theme')
      assert.deepEqual([...ada.cookies.keys()].sort(), ['__Host-id', '__Host-id-seen'])
      assert.match(headers.get('Cache-Control'), /private, no-store/)
      for (const line of headers.getSetCookie()) assert.match(line, /; Path=\/; Secure; HttpOnly; SameSite=Lax/)
      assert.equal((await ada.visit('GET', '/')).page, 'user 7, no theme')
      assert.equal((await ada.visit('POST', '/theme?dark')).page, 'user 7, dark')
      const read = await ada.visit('GET', '/')
      assert.equal(read.page, 'user 7, dark')
      assert.match(read.headers.get('Cache-Control'), /private/)
      assert.equal((await visitor().visit('GET', '/')).page, 'guest')
    })

    test('each sign-in has an id and random bytes of its own', async () => {
      const values = new Set()
      for (let index = 0; index < 20; index += 1) {
        const ada = visitor()
        await ada.visit('POST', '/sign-in')
        values.add(ada.cookies.get('__Host-id'))
      }
      assert.equal(values.size, 20)
    })

    test('a cookie with one character changed is no session', async () => {
      const ada = visitor()
      await ada.visit('POST', '/sign-in')
      const value = ada.cookies.get('__Host-id')
      for (const at of [0, 20, value.length >> 1, value.length - 2]) {
        const changed = ada.copy()
        const other = value[at] === 'A' ? 'B' : 'A'
        changed.cookies.set('__Host-id', value.slice(0, at) + other + value.slice(at + 1))
        assert.equal((await changed.visit('GET', '/')).page, 'guest', `character ${at}`)
      }
      assert.equal((await ada.visit('GET', '/')).page, 'user 7, no theme')
    })

    test('a cookie that is no text in any encoding does no harm', async () => {
      const ada = visitor()
      await ada.visit('POST', '/sign-in')
      ada.cookies.set('other', '\xe9\xff')
      const { status, page } = await ada.visit('GET', '/')
      assert.deepEqual([status, page], [200, 'user 7, no theme'])
    })

    test('a sign-out removes the cookies, and a copy of them is refused', async () => {
      const ada = visitor()
      await ada.visit('POST', '/sign-in')
      const copy = ada.copy()
      assert.equal((await copy.visit('GET', '/')).page, 'user 7, no theme')
      assert.equal((await ada.visit('POST', '/sign-out')).page, 'guest')
      assert.equal(ada.cookies.size, 0)
      assert.equal((await copy.visit('GET', '/')).page, 'guest')
    })

    test('the clock is the present: the session starts now', async () => {
      const ada = visitor()
      const before = Math.floor(Date.now() / 1000)
      await ada.visit('POST', '/sign-in')
      const after = Math.floor(Date.now() / 1000)
      const sessions = await createSessions({ keys: KEYS, audience: 'shop' })
      const { session } = await sessions.open(ada.cookieField)
      assert.deepEqual(session.data, { user: 7, theme: null })
      assert.ok(session.startedAt >= before && session.startedAt <= after)
      const elsewhere = await createSessions({ keys: KEYS, audience: 'other shop' })
      assert.equal((await elsewhere.open(ada.cookieField)).session, null)
    })
  })
}

test('each opens and changes what the other wrote', async () => {
  for (const [first, second] of [Object.keys(workers), Object.keys(workers).reverse()]) {
    const ada = new Visitor(running[first].origin)
    await ada.visit('POST', '/sign-in')
    ada.origin = running[second].origin
    assert.equal((await ada.visit('POST', '/theme?dark')).page, 'user 7, dark')
    ada.origin = running[first].origin
    assert.equal((await ada.visit('GET', '/')).page, 'user 7, dark')
  }
})
