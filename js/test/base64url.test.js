import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'

import { decode, encode, encodedLength } from '../src/base64url.js'

test('what decodes encodes to itself, as in Node', () => {
  for (let length = 0; length < 300; length++) {
    const bytes = new Uint8Array(randomBytes(length))
    const text = Buffer.from(bytes).toString('base64url')
    assert.equal(encode(bytes), text)
    assert.equal(encodedLength(length), text.length)
    assert.deepEqual(decode(text), bytes)
  }
})

test('one spelling per value: of all texts of two characters, 256 decode', () => {
  const values = new Set()
  let accepted = 0
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      const bytes = decode(String.fromCharCode(first, second))
      if (bytes === null) continue
      accepted++
      values.add(bytes[0])
    }
  }
  assert.deepEqual([accepted, values.size], [256, 256])
})

test('other spellings are refused', () => {
  assert.deepEqual(decode('QQ'), Uint8Array.of(65))
  const others = [
    'QQ==',
    'QQ=',
    'QR',
    'Q',
    'QUI=',
    'QUJ',
    ' QQ',
    'QQ ',
    'Q Q',
    'QQ\n',
    '+w',
    '/w',
    '\u{e9}Q',
    'QQ\0',
    '\u{1F600}',
    '\u0151Q',
  ]
  for (const text of others) assert.equal(decode(text), null, JSON.stringify(text))
})
