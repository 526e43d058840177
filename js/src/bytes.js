// Bytes, numbers and hexadecimal.

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const encoder = new TextEncoder()

/**
 * Whether this is a `Uint8Array`, also of another realm: in Next.js or a test's DOM, TextEncoder's is not an instance of the
 * module's own.
 * @type {(value: unknown) => value is Uint8Array}
 */
export function isBytes(value) {
  return ArrayBuffer.isView(value) && tag(value) === 'Uint8Array'
}

/**
 * The kind of a built-in object, from any realm.
 * @type {(value: unknown) => string}
 */
export function tag(value) {
  return Object.prototype.toString.call(value).slice(8, -1)
}

/**
 * One after another, in a new array.
 * @type {(...parts: Uint8Array[]) => Bytes}
 */
export function concat(...parts) {
  let length = 0
  for (const part of parts) length += part.length
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** @type {(text: string) => Bytes} */
export function utf8(text) {
  return encoder.encode(text)
}

/**
 * An integer below 2^32 as 4 bytes, big-endian.
 * @type {(number: number) => Bytes}
 */
export function u32(number) {
  return Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number)
}

/** @type {(bytes: Uint8Array, at: number) => number} */
export function readU32(bytes, at) {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}

/** @type {(bytes: Uint8Array) => string} */
export function toHex(bytes) {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}

/**
 * The bytes of exactly `2 * length` lower-case hexadecimal digits, or null.
 * @type {(text: unknown, length: number) => Bytes | null}
 */
export function fromHex(text, length) {
  if (typeof text !== 'string' || text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) return null
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = parseInt(text.slice(2 * at, 2 * at + 2), 16)
  return bytes
}
