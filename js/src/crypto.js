// The only file that names cryptography: HMAC-SHA-256, HKDF-SHA-256 by HMAC, AES-256-GCM and the random source. Every
// derived value is at most 32 bytes, so HKDF-Expand is a single HMAC.
//
// node:crypto is used in Node and Bun: there each call of WebCrypto is a trip to another thread, which takes longer
// than the work.

import { concat, tag } from './bytes.js'
import { builtin } from './node.js'

/** @typedef {import('./bytes.js').Bytes} Bytes */
/**
 * A key of HMAC-SHA-256. Its bytes cannot be read back.
 * @typedef {import('../index.d.ts').Key['root']} HmacKey
 */
/**
 * AES-256-GCM is with a zero nonce, and `decrypt` gives null for a text that was altered.
 * @typedef {object} Backend
 * @property {(bytes: Bytes) => HmacKey | Promise<HmacKey>} hmacKey
 * @property {(value: unknown) => boolean} isHmacKey
 * @property {(key: HmacKey, data: Bytes) => Bytes | Promise<Bytes>} hmac
 * @property {(key: Bytes, text: Bytes) => Bytes | Promise<Bytes>} encrypt
 * @property {(key: Bytes, sealed: Bytes) => Bytes | null | Promise<Bytes | null>} decrypt
 */

const HMAC = { name: 'HMAC', hash: 'SHA-256' }
const ONE = Uint8Array.of(1)
const ZERO_NONCE = new Uint8Array(12)
const GCM = { name: 'AES-GCM', iv: ZERO_NONCE }
const TAG_LENGTH = 16

/** @type {Backend} */
const webCrypto = {
  hmacKey: (bytes) => crypto.subtle.importKey('raw', bytes, HMAC, false, ['sign']),
  isHmacKey: (value) => tag(value) === 'CryptoKey',

  async hmac(key, data) {
    return new Uint8Array(await crypto.subtle.sign('HMAC', /** @type {CryptoKey} */ (key), data))
  },

  async encrypt(key, text) {
    const aes = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt'])
    return new Uint8Array(await crypto.subtle.encrypt(GCM, aes, text))
  },

  async decrypt(key, sealed) {
    const aes = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
    try {
      return new Uint8Array(await crypto.subtle.decrypt(GCM, aes, sealed))
    } catch (error) {
      // By its name: WebCrypto may be of another realm, which has its own DOMException.
      if (/** @type {any} */ (error)?.name === 'OperationError') return null
      throw error
    }
  },
}

/**
 * What it gives is copied: a `Buffer` may be a view of memory that others share.
 * @type {(node: typeof import('node:crypto')) => Backend}
 */
function nodeCrypto(node) {
  const options = { authTagLength: TAG_LENGTH }
  /** A `KeyObject` by itself has a method that exports it. */
  class Hmac {
    #key
    /** @param {Bytes} bytes */
    constructor(bytes) {
      this.#key = node.createSecretKey(bytes)
    }
    /** @type {(data: Bytes) => Bytes} */
    sign(data) {
      return new Uint8Array(node.createHmac('sha256', this.#key).update(data).digest())
    }
  }
  return {
    hmacKey: (bytes) => /** @type {any} */ (new Hmac(bytes)),
    isHmacKey: (value) => value instanceof Hmac,

    hmac: (key, data) => /** @type {any} */ (key).sign(data),

    encrypt(key, text) {
      const cipher = node.createCipheriv('aes-256-gcm', key, ZERO_NONCE, options)
      const body = cipher.update(text)
      return concat(body, cipher.final(), cipher.getAuthTag())
    },

    decrypt(key, sealed) {
      const end = sealed.length - TAG_LENGTH
      if (end < 0) return null
      const decipher = node.createDecipheriv('aes-256-gcm', key, ZERO_NONCE, options)
      decipher.setAuthTag(sealed.subarray(end))
      const text = decipher.update(sealed.subarray(0, end))
      try {
        return concat(text, decipher.final())
      } catch {
        // All that `final` has left to do is to compare the tag.
        return null
      }
    },
  }
}

const node = builtin('node:crypto')
const backend = node === undefined ? webCrypto : nodeCrypto(node)

/**
 * Whether this is a key that `expandable` made; one that was cloned is none.
 * @type {(value: unknown) => boolean}
 */
export function isExpandable(value) {
  return backend.isHmacKey(value)
}

/**
 * A key to expand from.
 * @type {(bytes: Bytes) => Promise<HmacKey>}
 */
export async function expandable(bytes) {
  return backend.hmacKey(bytes)
}

/**
 * `HKDF-Extract(salt, ikm)` = HMAC(salt, ikm)
 * @type {(salt: Bytes, ikm: Bytes) => Promise<Bytes>}
 */
export async function extract(salt, ikm) {
  return backend.hmac(await backend.hmacKey(salt), ikm)
}

/**
 * `Expand(k, info, length)`: the first bytes of HMAC(k, info || 0x01), at most 32.
 * @type {(key: HmacKey, info: Uint8Array, length: number) => Promise<Bytes>}
 */
export async function expand(key, info, length) {
  return (await backend.hmac(key, concat(info, ONE))).subarray(0, length)
}

/**
 * Whether `claimed` is the expansion of `info`.
 * @type {(key: HmacKey, info: Uint8Array, claimed: Uint8Array) => Promise<boolean>}
 */
export async function verify(key, info, claimed) {
  return equal(await expand(key, info, claimed.length), claimed)
}

/**
 * Whether all bytes are the same. The time that it takes depends on the lengths alone: the loop has no branch and no early
 * end.
 * @type {(one: Uint8Array, other: Uint8Array) => boolean}
 */
export function equal(one, other) {
  if (one.length !== other.length) return false
  let difference = 0
  for (let i = 0; i < one.length; i++) difference |= one[i] ^ other[i]
  return difference === 0
}

/**
 * AES-256-GCM with a zero nonce: `key` must be used for this one message only.
 * @type {(key: Bytes, text: Bytes) => Promise<Bytes>}
 */
export async function encrypt(key, text) {
  return backend.encrypt(key, text)
}

/**
 * The text, or null if it was altered.
 * @type {(key: Bytes, sealed: Bytes) => Promise<Bytes | null>}
 */
export async function decrypt(key, sealed) {
  return backend.decrypt(key, sealed)
}

/** @type {(length: number) => Bytes} */
export function random(length) {
  return crypto.getRandomValues(new Uint8Array(length))
}
