// Verified and opened tokens are kept for a while: a returning visitor sends the same cookies again, and a sealed token
// never changes. Only cryptography is saved, what steps 5 and 6 gave. All other steps are taken on each request, and the
// data are parsed anew, since an application may change what it was given.

import { toHex } from './bytes.js'
import { equal } from './crypto.js'

/** @typedef {import('./bytes.js').Bytes} Bytes */
/** @typedef {import('./day-keys.js').PlacedKeys} PlacedKeys */
/** @typedef {import('./token.js').Frame} Frame */
/**
 * @typedef {object} Entry
 * @property {Bytes} bytes of the whole token, in several cookies too
 * @property {Bytes} bind
 * @property {Frame | null} frame null for a token without a body
 * @property {number} size
 * @property {number} used when a request last had this token
 */

/** The most bytes for the tokens of one place. */
const MOST = 4 * 1024 * 1024
/** What an entry takes beside its token and payload, as measured in Node. */
const BESIDE = 1200
/** Bytes of the check by which a token is found. */
const MARK = 12
/** What no request had for this many seconds goes. */
const UNUSED = 60

/**
 * The entry that was used least recently is the first, by the second.
 * @typedef {{ entries: Map<string, Entry>, size: number }} Store
 */

/**
 * Other keys, also those that replace these, have a store of their own.
 * @type {WeakMap<PlacedKeys, Store>}
 */
const stores = new WeakMap()

/**
 * What is kept of the token with this head and check, bound to the same value: step 5 has passed. Its body may differ.
 * @type {(keys: PlacedKeys, signed: Bytes, bind: Uint8Array, now: number) => Entry | undefined}
 */
export function find(keys, signed, bind, now) {
  const store = stores.get(keys)
  if (store === undefined) return undefined
  sweep(store, now)
  const mark = markOf(signed)
  const entry = store.entries.get(mark)
  if (entry === undefined) return undefined
  const isThis = equal(entry.bytes.subarray(0, signed.length), signed)
  if (!isThis || !equal(entry.bind, bind)) return undefined
  if (entry.used !== now) {
    entry.used = now
    store.entries.delete(mark)
    store.entries.set(mark, entry)
  }
  return entry
}

/**
 * Keeps a token that starts with this head and check. It has passed steps 5 and, if it has a body, 6: so only holders of
 * the keys can fill the store.
 * @type {(keys: PlacedKeys, signed: Bytes, bytes: Bytes, bind: Uint8Array, frame: Frame | null, now: number) => void}
 */
export function keep(keys, signed, bytes, bind, frame, now) {
  const store = stores.get(keys) ?? { entries: new Map(), size: 0 }
  stores.set(keys, store)
  const mark = markOf(signed)
  drop(store, mark)
  const size = BESIDE + bytes.length + bind.length + (frame?.payload.length ?? 0)
  store.entries.set(mark, { bytes, bind: Uint8Array.from(bind), frame, size, used: now })
  store.size += size
  for (const oldest of store.entries.keys()) {
    if (store.size <= MOST) break
    drop(store, oldest)
  }
}

/**
 * How much is kept: for tests.
 * @type {(keys: PlacedKeys) => { count: number, size: number }}
 */
export function amountKept(keys) {
  const store = stores.get(keys)
  return { count: store?.entries.size ?? 0, size: store?.size ?? 0 }
}

/**
 * A part of the check: only holders of this very token know it, so nobody else can tell by a time whether it is kept.
 * @type {(signed: Bytes) => string}
 */
function markOf(signed) {
  return toHex(signed.subarray(signed.length - MARK))
}

/** @type {(store: Store, now: number) => void} */
function sweep(store, now) {
  for (const [mark, { used }] of store.entries) {
    // By a clock that was set back, too.
    if (Math.abs(now - used) < UNUSED) break
    drop(store, mark)
  }
}

/** @type {(store: Store, mark: string) => void} */
function drop(store, mark) {
  const entry = store.entries.get(mark)
  if (entry === undefined) return
  store.entries.delete(mark)
  store.size -= entry.size
}
