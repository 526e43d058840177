// Sealing and opening tokens: text to bytes and back, for the keys of one place. The layout:
//
//   session    0       1        5         9            17     29      45        49       53      54
//              | 0x01  | key id | expires | session id | salt | check | started | sealed | flags | payload .. | tag (16) |
//              |--------------------- head ------------------|       |------------ sealed: the frame --------|
//
//   in several cookies: 0x07, and after the salt the number of cookies, so that all that follows is one byte further on
//
//   activity   0       1        5         9            17      33
//              | 0x02  | key id | expires | session id | check |
//              |------------------ head ---------------|
//
//   activity of a session that is bound to a device
//              0       1        5         9            17       33      49
//              | 0x03  | key id | expires | session id | device | check |
//              |----------------------- head -------------------|
//
//   proof      0       1        5         9        25       29      45
//              | 0x04  | key id | expires | device | proven | check |
//              |----------------------- head ---------------|
//
// Integers are big-endian.

import { decode, encode, encodedLength } from './base64url.js'
import { concat, fromHex, readU32, toHex, u32, utf8 } from './bytes.js'
import { decrypt, encrypt, equal, expand, random, verify } from './crypto.js'
import { SealError } from './errors.js'
import { find, keep } from './kept.js'
import { LAST_SECOND, LEEWAY, LONGEST_LIFE, dayOf } from './time.js'

/** @typedef {import('../index.d.ts').Reason} Reason */
/** @typedef {import('../index.d.ts').Claims} Claims */
/** @typedef {import('./bytes.js').Bytes} Bytes */
/** @typedef {import('./day-keys.js').PlacedKeys} PlacedKeys */

/**
 * @typedef {object} Kind
 * @property {number} first the first byte
 * @property {number} head the length of the head
 * @property {number} [id] where the session id begins
 * @property {number} [device] where the name of the device begins
 */
/** @typedef {{ reason: Reason }} Rejected */
/**
 * A token that passed steps 1 to 4; all that it says is a claim.
 * @typedef {{ text: string, bytes: Bytes, kind: Kind, chunks: number, claims: Omit<Claims, 'kind' | 'chunks'> }} Screened
 */
/** @typedef {{ started: number, sealed: number, remembered: boolean, payload: Bytes }} Frame */

const SALT = 17
const SALT_LENGTH = 12
const CHECK_LENGTH = 16
/** @type {Kind} */
export const SESSION = { first: 1, head: SALT + SALT_LENGTH, id: 9 }
/**
 * The first cookie of a session in several.
 * @type {Kind}
 */
export const CHUNKED = { first: 7, head: SESSION.head + 1, id: 9 }
/** @type {Kind} */
export const ACTIVITY = { first: 2, head: 17, id: 9 }
/** @type {Kind} */
export const BOUND_ACTIVITY = { first: 3, head: 33, id: 9, device: 17 }
/** @type {Kind} */
export const PROOF = { first: 4, head: 29, device: 9 }
const PROVEN = 25
const FRAME_HEAD = 4 + 4 + 1
/** Bytes of a session token besides its payload; one more in several cookies. */
export const OVERHEAD = SESSION.head + CHECK_LENGTH + FRAME_HEAD + 16
const REMEMBERED = 1

/**
 * How many characters a token without a body has.
 * @type {(kind: Kind) => number}
 */
export function textLength({ head }) {
  return encodedLength(head + CHECK_LENGTH)
}

/**
 * The unencrypted fields of a token: readable without a key, and not verified.
 * @type {(text: string) => Claims | Rejected}
 */
export function readClaims(text) {
  const parsed = parse(text, [SESSION, CHUNKED, ACTIVITY, BOUND_ACTIVITY])
  if ('reason' in parsed) return parsed
  const { kind, chunks, claims } = parsed
  return { kind: kind === SESSION || kind === CHUNKED ? 'session' : 'activity', chunks, ...claims }
}

/**
 * Steps 1 and 2, without the length of the text.
 * @type {(text: string, kinds: readonly Kind[]) => Screened | Rejected}
 */
function parse(text, kinds) {
  const bytes = decode(text)
  if (bytes === null || bytes.length === 0) return { reason: 'malformed' }
  const kind = kinds.find(({ first }) => first === bytes[0])
  if (kind === undefined) return { reason: 'unknown version' }
  const chunks = kind === CHUNKED ? bytes[SESSION.head] : 1
  if (!isComplete(kind, bytes.length) || (kind === CHUNKED && !(chunks >= 2 && chunks <= 4))) {
    return { reason: 'malformed' }
  }
  const { id, device } = kind
  const claims = {
    keyId: toHex(bytes.subarray(1, 5)),
    expires: readU32(bytes, 5),
    sessionId: id === undefined ? '' : toHex(bytes.subarray(id, id + 8)),
    device: device === undefined ? null : toHex(bytes.subarray(device, device + 16)),
  }
  return { text, bytes, kind, chunks, claims }
}

/** @type {(kind: Kind, length: number) => boolean} */
function isComplete(kind, length) {
  if (kind === SESSION) return length >= OVERHEAD
  // How long the first of several cookies is depends on its name.
  if (kind === CHUNKED) return length >= kind.head + CHECK_LENGTH
  return length === kind.head + CHECK_LENGTH
}

/**
 * Steps 1 to 4 for a token of one of these kinds, of at most `longest` characters and `life` seconds: no key is used.
 * @type {(keys: PlacedKeys, kinds: readonly Kind[], text: string, longest: number, now: number, life?: number)
 *   => Screened | Rejected}
 */
export function screen(keys, kinds, text, longest, now, life = LONGEST_LIFE) {
  // 1. at most the configured length, canonical unpadded base64url, not empty
  if (text.length > longest) return { reason: 'malformed' }
  // 2. the first byte, the length
  const token = parse(text, kinds)
  if ('reason' in token) return token
  if (token.kind === CHUNKED && text.length !== longest - (longest % 4)) return { reason: 'malformed' }
  const { claims } = token
  // 3. now < expires <= now + life + 5 minutes
  if (claims.expires <= now) return { reason: 'expired' }
  if (claims.expires > now + life + LEEWAY) return { reason: 'expires too far' }
  // 4. the key id names a secret of the ring
  if (!keys.has(claims.keyId, dayOf(claims.expires))) return { reason: 'unknown key' }
  return token
}

/**
 * Steps 1 to 4 for an activity token. Without device binding, that of a bound session is of an unknown version: another
 * server may know it.
 * @type {(keys: PlacedKeys, deviceBinding: boolean, text: string, now: number) => Screened | Rejected}
 */
export function screenActivity(keys, deviceBinding, text, now) {
  const kinds = deviceBinding ? [ACTIVITY, BOUND_ACTIVITY] : [ACTIVITY]
  return screen(keys, kinds, text, textLength(BOUND_ACTIVITY), now)
}

/**
 * Step 5: check = Expand(check key, head || bind, 16)
 * @type {(keys: PlacedKeys, token: Screened, bind: Uint8Array, now: number) => Promise<boolean>}
 */
export async function verifyHead(keys, { bytes, kind: { head }, claims }, bind, now) {
  const key = await keys.checkKey(claims.keyId, dayOf(claims.expires), now)
  return verify(key, concat(bytes.subarray(0, head), bind), bytes.subarray(head, head + CHECK_LENGTH))
}

/**
 * The same for a token without a body, which may have been verified before.
 * @type {(keys: PlacedKeys, token: Screened, bind: Uint8Array, now: number) => Promise<boolean>}
 */
export async function verifySigned(keys, token, bind, now) {
  if (find(keys, token.bytes, bind, now) !== undefined) return true
  const isGenuine = await verifyHead(keys, token, bind, now)
  if (isGenuine) keep(keys, token.bytes, token.bytes, bind, null, now)
  return isGenuine
}

/**
 * Steps 5 and 6 for a proof: why it is none, or null. `lifetime` is that of proofs here, in seconds.
 * @type {(keys: PlacedKeys, token: Screened, bind: Uint8Array, lifetime: number, now: number)
 *   => Promise<Reason | null>}
 */
export async function judgeProof(keys, token, bind, lifetime, now) {
  if (!(await verifySigned(keys, token, bind, now))) return 'not ours'
  const proven = readU32(token.bytes, PROVEN)
  if (proven > now + LEEWAY) return 'proven in future'
  return proven + lifetime <= now ? 'too old' : null
}

/**
 * Steps 5 and 6, and the flags of step 7. `gather` gives all bytes of a session in several cookies (step 5b), once the
 * check has proven how many there are.
 * @type {(keys: PlacedKeys, token: Screened, gather: (token: Screened) => Bytes | null, bind: Uint8Array, now: number)
 *   => Promise<Frame | Rejected>}
 */
export async function openSession(keys, token, gather, bind, now) {
  const { kind, claims } = token
  const signed = token.bytes.subarray(0, kind.head + CHECK_LENGTH)
  const kept = find(keys, signed, bind, now)
  if (kept === undefined && !(await verifyHead(keys, token, bind, now))) return { reason: 'not ours' }
  // 5b. one cookie for each chunk
  const bytes = kind === CHUNKED ? gather(token) : token.bytes
  if (bytes === null) return { reason: 'incomplete' }
  if (kept?.frame && equal(kept.bytes, bytes)) return kept.frame
  // 6. body = AES-256-GCM(Expand(seal key, head || bind, 32), zero nonce, no associated data, frame)
  const sealKey = await keys.sealKey(claims.keyId, dayOf(claims.expires), now)
  const key = await expand(sealKey, concat(bytes.subarray(0, kind.head), bind), 32)
  const text = await decrypt(key, bytes.subarray(kind.head + CHECK_LENGTH))
  if (text === null) return { reason: 'damaged' }
  // 7. flags are known
  const flags = text[8]
  if ((flags & ~REMEMBERED) !== 0) return { reason: 'unknown flags' }
  const frame = {
    started: readU32(text, 0),
    sealed: readU32(text, 4),
    remembered: flags === REMEMBERED,
    payload: text.subarray(FRAME_HEAD),
  }
  keep(keys, signed, bytes, bind, frame, now)
  return frame
}

/**
 * The session token of this state, under the key that seals at `now`, for this many cookies. `salt` is fresh for every
 * call unless given, and only vectors give it.
 * @type {(keys: PlacedKeys, sessionId: string, expires: number, frame: Frame, bind: Uint8Array, now: number, salt?: Bytes,
 *   chunks?: number) => Promise<string>}
 */
export async function sealSession(keys, sessionId, expires, frame, bind, now, salt, chunks = 1) {
  const { keyId, start } = sealingStart(keys, chunks === 1 ? SESSION : CHUNKED, expires, now)
  const sealKey = await keys.sealKey(keyId, dayOf(expires), now)
  const flags = Uint8Array.of(frame.remembered ? REMEMBERED : 0)
  const text = concat(u32(frame.started), u32(frame.sealed), flags, frame.payload)
  const count = chunks === 1 ? Uint8Array.of() : Uint8Array.of(chunks)
  const head = concat(start, idBytes(sessionId), salt ?? (await freshSalt(sealKey, text)), count)
  const check = await expand(await keys.checkKey(keyId, dayOf(expires), now), concat(head, bind), CHECK_LENGTH)
  const body = await encrypt(await expand(sealKey, concat(head, bind), 32), text)
  return encode(concat(head, check, body))
}

/**
 * WebCrypto's generator is a user-space one in most runtimes. A state of it that a fork or a cloned machine repeats must
 * not give one key to two states, so: salt = Expand(seal key, "salt" || 32 random bytes || frame, 12)
 * @type {(sealKey: import('../index.d.ts').Key['root'], frame: Bytes) => Promise<Bytes>}
 */
function freshSalt(sealKey, frame) {
  return expand(sealKey, concat(utf8('salt'), random(32), frame), SALT_LENGTH)
}

/**
 * The activity token of a session, under the key that seals at `now`; `device` is the one to which it is bound.
 * @type {(keys: PlacedKeys, sessionId: string, device: string | null, expires: number, bind: Uint8Array, now: number)
 *   => Promise<string>}
 */
export async function sealActivity(keys, sessionId, device, expires, bind, now) {
  const id = idBytes(sessionId)
  if (device === null) return sealSigned(keys, ACTIVITY, id, expires, bind, now)
  const name = fromHex(device, 16)
  if (name === null) throw new SealError('the name of a device is written in 32 lower-case hexadecimal digits')
  return sealSigned(keys, BOUND_ACTIVITY, concat(id, name), expires, bind, now)
}

/**
 * A token without a body, under the key that seals at `now`; `fields` stand between its expiry and its check.
 * @type {(keys: PlacedKeys, kind: Kind, fields: Uint8Array, expires: number, bind: Uint8Array, now: number)
 *   => Promise<string>}
 */
export async function sealSigned(keys, kind, fields, expires, bind, now) {
  const { keyId, start } = sealingStart(keys, kind, expires, now)
  const head = concat(start, fields)
  const key = await keys.checkKey(keyId, dayOf(expires), now)
  return encode(concat(head, await expand(key, concat(head, bind), CHECK_LENGTH)))
}

/** @type {(sessionId: string) => Bytes} */
function idBytes(sessionId) {
  const id = fromHex(sessionId, 8)
  if (id === null) throw new SealError('a session id is written in 16 lower-case hexadecimal digits')
  return id
}

/**
 * The common start of all heads. A token whose expiry would pass 2^32 - 1 or 400 days from now is not made.
 * @type {(keys: PlacedKeys, kind: Kind, expires: number, now: number) => { keyId: string, start: Bytes }}
 */
function sealingStart(keys, { first }, expires, now) {
  if (!(expires > now && expires <= Math.min(now + LONGEST_LIFE, LAST_SECOND))) {
    throw new SealError('the expiry must lie in the future, at most 400 days from now and before 2106')
  }
  const keyId = keys.sealing(now)
  if (!keys.has(keyId, dayOf(expires))) {
    throw new SealError(`there is no key ${keyId} for the day on which the token would expire; export more days`)
  }
  const keyIdBytes = /** @type {Bytes} */ (fromHex(keyId, 4))
  return { keyId, start: concat(Uint8Array.of(first), keyIdBytes, u32(expires)) }
}
