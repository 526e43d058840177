// The only file that names WebCrypto: HMAC-SHA-256, HKDF-SHA-256 by HMAC, AES-256-GCM and the random source. Every
// derived value is at most 32 bytes, so HKDF-Expand is a single HMAC.

import { concat } from './bytes.js'

/** @typedef {import('./bytes.js').Bytes} Bytes */

const HMAC = { name: 'HMAC', hash: 'SHA-256' }
const ONE = Uint8Array.of(1)
const ZERO_NONCE = new Uint8Array(12)

/**
 * A key to expand from. Its bytes cannot be read back.
 * @type {(bytes: Bytes) => Promise<CryptoKey>}
 */
export function expandable(bytes) {
  return crypto.subtle.importKey('raw', bytes, HMAC, false, ['sign'])
}

/**
 * `HKDF-Extract(salt, ikm)` = HMAC(salt, ikm)
 * @type {(salt: Bytes, ikm: Bytes) => Promise<Bytes>}
 */
export async function extract(salt, ikm) {
  return new Uint8Array(await crypto.subtle.sign('HMAC', await expandable(salt), ikm))
}

/**
 * `Expand(k, info, length)`: the first bytes of HMAC(k, info || 0x01), at most 32.
 * @type {(key: CryptoKey, info: Uint8Array, length: number) => Promise<Bytes>}
 */
export async function expand(key, info, length) {
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, concat(info, ONE)), 0, length)
}

/**
 * Whether `claimed` is the expansion of `info`. `subtle.verify` compares in constant time but takes no truncated HMAC,
 * so all bytes are compared here by a loop that has no branch and no early end.
 * @type {(key: CryptoKey, info: Uint8Array, claimed: Uint8Array) => Promise<boolean>}
 */
export async function verify(key, info, claimed) {
  const expected = await expand(key, info, claimed.length)
  let difference = 0
  for (let i = 0; i < expected.length; i++) difference |= expected[i] ^ claimed[i]
  return difference === 0
}

/**
 * AES-256-GCM with a zero nonce: `key` must be used for this one message only.
 * @type {(key: Bytes, text: Bytes) => Promise<Bytes>}
 */
export async function encrypt(key, text) {
  const aes = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt'])
  return new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv: ZERO_NONCE }, aes, text))
}

/**
 * The text, or null if it was altered.
 * @type {(key: Bytes, sealed: Bytes) => Promise<Bytes | null>}
 */
export async function decrypt(key, sealed) {
  const aes = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv: ZERO_NONCE }, aes, sealed))
  } catch (error) {
    // By its name: WebCrypto may be of another realm, which has its own DOMException.
    if (/** @type {any} */ (error)?.name === 'OperationError') return null
    throw error
  }
}

/** @type {(length: number) => Bytes} */
export function random(length) {
  return crypto.getRandomValues(new Uint8Array(length))
}
