// base64url without padding (RFC 4648, section 5): strict and canonical, one spelling per token. `atob` accepts
// padding, white space and spare bits, so it cannot be used.

/** @typedef {import('./bytes.js').Bytes} Bytes */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The value of each character code below 128; 255 for all that are not in the alphabet. */
const VALUES = new Uint8Array(128).fill(255)
for (let value = 0; value < 64; value++) VALUES[ALPHABET.charCodeAt(value)] = value

/**
 * The one spelling of `bytes`.
 * @type {(bytes: Uint8Array) => string}
 */
export function encode(bytes) {
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

/**
 * The bytes that `text` spells, or null if it is not their only spelling: no padding, no white space, no spare bits set.
 * @type {(text: string) => Bytes | null}
 */
export function decode(text) {
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
