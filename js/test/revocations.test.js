import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'

import { createSessions, readRevocations, RevocationsError } from '../src/index.js'
import { cookieOf, here, NOW, SECRET } from './support.js'

const { now, rows } = JSON.parse(readFileSync(here('../../tests/data/revocations.json'), 'utf8'))

const problems = {
  'not a list': /not a revocation list/,
  'unknown version': /unknown version/,
  length: /cut off or has bytes after its end/,
  order: /do not ascend/,
}

test('every row of the vectors is read as the crate reads it', () => {
  assert(rows.length > 10)
  for (const { comment, hex, expect, cut_off: cutOff, ids } of rows) {
    // Somewhere in a larger buffer, as bytes from a network are.
    const bytes = new Uint8Array(Buffer.from(`ff${hex}ff`, 'hex')).subarray(1, 1 + hex.length / 2)
    if (expect === 'ok') {
      assert.deepEqual(readRevocations(bytes, { now }), { cutOff, revoked: new Set(ids) }, comment)
    } else {
      assert.throws(() => readRevocations(bytes, { now }), (error) => {
        return error instanceof RevocationsError && problems[expect].test(error.message)
      }, comment)
    }
  }
})

test('what was read is what createSessions takes', async () => {
  const sessions = await createSessions({ keys: SECRET })
  const started = await sessions.start({ user: 7 }, { now: NOW })
  const entry = `${started.session.id}${(NOW + 43500).toString(16)}`
  const bytes = new Uint8Array(Buffer.from(`5353524c0100000000${'0000000000000001'}${entry}`, 'hex'))
  const told = await createSessions({ keys: SECRET, ...readRevocations(bytes, { now: NOW }) })
  assert.equal((await told.open(cookieOf(started), { now: NOW + 1 })).reason, 'revoked')
  assert.equal((await sessions.open(cookieOf(started), { now: NOW + 1 })).state, 'valid')
})

test('text and arrays of numbers are not a list', () => {
  for (const other of ['SSRL', [83, 83, 82, 76], null]) assert.throws(() => readRevocations(other), TypeError)
})
