// Revocation lists as bytes (SPEC.md, *Revocation list*): snapshots and deltas of a server's list.

import { concat, fromHex, isBytes, readU32, toHex, u32 } from './bytes.js'
import { RevocationsError } from './errors.js'
import { LAST_SECOND, instant } from './time.js'

/** @typedef {import('./bytes.js').Bytes} Bytes */

const MARK = '5353524c' // "SSRL"
const HEAD = 17
const ENTRY = 12

/** @type {typeof import('../index.d.ts').readRevocations} */
export function readRevocations(bytes, { now } = {}) {
  if (!isBytes(bytes)) throw new TypeError('a revocation list is a Uint8Array')
  if (toHex(bytes.subarray(0, 4)) !== MARK) throw new RevocationsError('the bytes are not a revocation list')
  if (bytes.length > 4 && bytes[4] !== 1) throw new RevocationsError('the revocation list is of an unknown version')
  const entries = (bytes.length - HEAD) / ENTRY
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (!Number.isInteger(entries) || entries < 0 || view.getBigUint64(9) !== BigInt(entries)) {
    throw new RevocationsError('the revocation list is cut off or has bytes after its end')
  }
  const at = instant(now)
  const revoked = new Set()
  let before = ''
  for (let start = HEAD; start < bytes.length; start += ENTRY) {
    const id = toHex(bytes.subarray(start, start + 8))
    if (id <= before) throw new RevocationsError('the entries of the revocation list do not ascend')
    before = id
    if (readU32(bytes, start + 8) > at) revoked.add(id)
  }
  return { cutOff: readU32(bytes, 5), revoked }
}

/**
 * A delta that refuses these ids, each until its Unix second. It has no cut-off.
 * @type {(entries: ReadonlyMap<string, number>) => Bytes}
 */
export function writeRevocations(entries) {
  const ascending = [...entries].sort(([one], [other]) => (one < other ? -1 : 1))
  const count = concat(u32(0), u32(ascending.length))
  const written = ascending.map(([id, until]) =>
    concat(/** @type {Bytes} */ (fromHex(id, 8)), u32(Math.min(until, LAST_SECOND))),
  )
  return concat(/** @type {Bytes} */ (fromHex(MARK, 4)), Uint8Array.of(1), u32(0), count, ...written)
}
