// The module uses node:crypto in Node. Here the tests run once more as elsewhere, with WebCrypto and without `Buffer`.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import node from 'node:crypto'
import test from 'node:test'

import { createSessions } from 'sealed-session'
import { SECRET, cookieOf, here } from './support.js'

test('node:crypto does all the work where it is there', async (context) => {
  const calls = ['sign', 'encrypt', 'decrypt', 'importKey'].map((name) => context.mock.method(crypto.subtle, name).mock)
  const hmac = context.mock.method(node, 'createHmac').mock
  const sessions = await createSessions({ keys: SECRET })
  const { session } = await sessions.open(cookieOf(await sessions.start(1)))
  assert.equal(session.data, 1)
  assert(hmac.callCount() > 0)
  for (const mock of calls) assert.equal(mock.callCount(), 0)
})

for (const name of ['base64url', 'vectors', 'sessions', 'chunks', 'check', 'device']) {
  test(`the tests of ${name} pass with WebCrypto`, () => {
    const flags = ['--import', here('web-crypto.js'), here(`${name}.test.js`)]
    // A run of its own, which fails by itself.
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
    const { status, stdout, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8', env })
    assert.equal(status, 0, stdout + stderr)
  })
}
