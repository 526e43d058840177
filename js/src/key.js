// A secret, its public id and its written form.

import { fromHex, isBytes, toHex, utf8 } from './bytes.js'
import { expand, expandable, extract } from './crypto.js'
import { KeyError } from './errors.js'

/** @typedef {import('../index.d.ts').Key} Key */
/** @typedef {import('./bytes.js').Bytes} Bytes */

const NOT_A_KEY = 'a key is written `sealed1_`, 8 hexadecimal digits, `_`, 64 hexadecimal digits, all in lower case'
const CHECKSUM =
  'the key id in the written key is not the one of its secret; the key was mistyped or cut, copy it again'

/**
 * Reads a written key: `sealed1_`, the key id, `_`, the secret.
 * @type {(text: string) => Promise<Key>}
 */
export async function parseKey(text) {
  const [, id, digits] = /^sealed1_([0-9a-f]{8})_([0-9a-f]{64})$/.exec(text) ?? []
  const secret = fromHex(digits, 32)
  if (secret === null) throw new KeyError(NOT_A_KEY)
  const key = await fromSecret(secret)
  if (key.id !== id) throw new KeyError(CHECKSUM)
  return key
}

/**
 * Takes the raw secret of a key management service: 32 bytes, not all printable ASCII (a password is not random), at
 * least 17 distinct values.
 * @type {(secret: Uint8Array) => Promise<Key>}
 */
export async function keyFromRawSecret(secret) {
  if (!isBytes(secret)) throw new KeyError('a raw secret is a Uint8Array')
  if (secret.length !== 32) throw new KeyError(`a raw secret is 32 bytes long, this one has ${secret.length}`)
  if (secret.every((byte) => byte >= 0x20 && byte <= 0x7e)) {
    throw new KeyError('a raw secret of printable characters looks like a password; generate a random one')
  }
  const distinct = new Set(secret).size
  if (distinct < 17) {
    throw new KeyError(`a raw secret with only ${distinct} distinct byte values is not random; generate a random one`)
  }
  return fromSecret(Uint8Array.from(secret))
}

/**
 * Overwrites `secret` after use.
 * @type {(secret: Bytes) => Promise<Key>}
 */
async function fromSecret(secret) {
  // root   = HKDF-Extract(salt = "sealed-session/v1", ikm = secret)
  // key id = Expand(root, "key id", 4)
  const bytes = await extract(utf8('sealed-session/v1'), secret)
  const root = await expandable(bytes)
  bytes.fill(0)
  secret.fill(0)
  return { id: toHex(await expand(root, utf8('key id'), 4)), root }
}
