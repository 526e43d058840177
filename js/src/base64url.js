// base64url without padding (RFC 4648, section 5): strict and canonical, one spelling per token. What the runtime has is
// up to 50 times as fast as JavaScript, but accepts padding, white space or spare bits: so the bytes must spell the text.

import { builtin } from './node.js'

/** @typedef {import('./bytes.js').Bytes} Bytes */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The value of each character code below 128; 255 for all that are not in the alphabet. */
const VALUES = new Uint8Array(128).fill(255)
for (let value = 0; value < 64; value++) VALUES[ALPHABET.charCodeAt(value)] = value

/** @typedef {{ encode: (bytes: Uint8Array) => string, decode: (text: string) => Bytes | null }} Codec */

/**
 * The functions of newer runtimes.
 * @type {Codec}
 */
const native = {
  encode: (bytes) => /** @type {any} */ (bytes).toBase64({ alphabet: 'base64url', omitPadding: true }),
  decode(text) {
    try {
      return /** @type {any} */ (Uint8Array).fromBase64(text, { alphabet: 'base64url' })
    } catch {
      return null
    }
  },
}

/**
 * Those of a `Buffer`, which may be a view of memory that others share: so the bytes are copied.
 * @type {(Buffer: typeof import('node:buffer').Buffer) => Codec}
 */
const ofBuffer = (Buffer) => ({
  encode: ({ buffer, byteOffset, length }) => Buffer.from(buffer, byteOffset, length).toString('base64url'),
  decode: (text) => new Uint8Array(Buffer.from(text, 'base64url')),
})

/** @type {Codec} */
const inJavaScript = { encode: spell, decode: read }

const buffer = builtin('node:buffer')
const codec = 'fromBase64' in Uint8Array ? native : buffer !== undefined ? ofBuffer(buffer.Buffer) : inJavaScript

/**
 * The one spelling of `bytes`.
 * @type {(bytes: Uint8Array) => string}
 */
export const encode = codec.encode

/**
 * The bytes that `text` spells, or null if it is not their only spelling: no padding, no white space, no spare bits set.
 * @type {(text: string) => Bytes | null}
 */
export function decode(text) {
  const bytes = codec.decode(text)
  return bytes !== null && encode(bytes) === text ? bytes : null
}

/** @type {Codec['encode']} */
function spell(bytes) {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    bits = (bits << 8) | byte
    held += 8
    while (held >= 6) {
      held -= 6
      text += ALPHABET[bits >> held]
      bits &= (1 << held) - 1
    }
  }
  return held > 0 ? text + ALPHABET[bits << (6 - held)] : text
}

/** @type {Codec['decode']} */
function read(text) {
  if (text.length % 4 === 1) return null
  const bytes = new Uint8Array(Math.floor((text.length * 6) / 8))
  let bits = 0
  let held = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const value = VALUES[text.charCodeAt(i)] ?? 255
    if (value === 255) return null
    bits = (bits << 6) | value
    held += 6
    if (held >= 8) {
      held -= 8
      bytes[at++] = bits >> held
      bits &= (1 << held) - 1
    }
  }
  return bits === 0 ? bytes : null
}

/**
 * How many bytes this many characters spell, if they spell any.
 * @type {(length: number) => number}
 */
export function decodedLength(length) {
  return Math.floor((length * 3) / 4)
}

/**
 * How many characters `length` bytes take.
 * @type {(length: number) => number}
 */
export function encodedLength(length) {
  return Math.ceil((length * 4) / 3)
}
