// Sealing and opening tokens: text to bytes and back, for the keys of one place. The layout:
//
//   session    0       1        5         9            17     29      45        49       53      54
//              | 0x01  | key id | expires | session id | salt | check | started | sealed | flags | payload .. | tag (16) |
//              |--------------------- head ------------------|       |------------ sealed: the frame --------|
//
//   activity   0       1        5         9            17      33
//              | 0x02  | key id | expires | session id | check |
//              |------------------ head ---------------|
//
// Integers are big-endian.

import { decode, encode, encodedLength } from './base64url.js'
import { concat, fromHex, readU32, toHex, u32, utf8 } from './bytes.js'
import { decrypt, encrypt, expand, random, verify } from './crypto.js'
import { SealError } from './errors.js'
import { LAST_SECOND, LEEWAY, LONGEST_LIFE, dayOf } from './time.js'

/** @typedef {import('../index.d.ts').Reason} Reason */
/** @typedef {import('../index.d.ts').Claims} Claims */
/** @typedef {import('./bytes.js').Bytes} Bytes */
/** @typedef {import('./day-keys.js').PlacedKeys} PlacedKeys */

/** @typedef {{ reason: Reason }} Rejected */
/** @typedef {{ bytes: Bytes, claims: Claims }} Screened a token that passed steps 1 to 4; all that it says is a claim */
/** @typedef {{ started: number, sealed: number, remembered: boolean, payload: Bytes }} Frame */

const SESSION = 1
const ACTIVITY = 2
const SALT = 17
const SALT_LENGTH = 12
const SESSION_HEAD = SALT + SALT_LENGTH
const ACTIVITY_HEAD = 17
const CHECK_LENGTH = 16
const BODY = SESSION_HEAD + CHECK_LENGTH
const FRAME_HEAD = 4 + 4 + 1
const OVERHEAD = BODY + FRAME_HEAD + 16
const ACTIVITY_LENGTH = ACTIVITY_HEAD + CHECK_LENGTH
/** Characters of an activity token. */
export const ACTIVITY_TEXT = encodedLength(ACTIVITY_LENGTH)
const REMEMBERED = 1

/**
 * The length in characters of a session token with this much payload.
 * @type {(payloadLength: number) => number}
 */
export function sessionTextLength(payloadLength) {
  return encodedLength(OVERHEAD + payloadLength)
}

/**
 * The unencrypted fields of a token: readable without a key, and not verified.
 * @type {(text: string) => Claims | Rejected}
 */
export function readClaims(text) {
  const bytes = decode(text)
  const parsed = parse(bytes, bytes?.[0] === ACTIVITY ? 'activity' : 'session')
  return 'reason' in parsed ? parsed : parsed.claims
}

/**
 * Steps 1 and 2, without the length of the text.
 * @type {(bytes: Bytes | null, kind: Claims['kind']) => Screened | Rejected}
 */
function parse(bytes, kind) {
  if (bytes === null || bytes.length === 0) return { reason: 'malformed' }
  if (bytes[0] !== (kind === 'session' ? SESSION : ACTIVITY)) return { reason: 'unknown version' }
  const complete = kind === 'session' ? bytes.length >= OVERHEAD : bytes.length === ACTIVITY_LENGTH
  if (!complete) return { reason: 'malformed' }
  const keyId = toHex(bytes.subarray(1, 5))
  const sessionId = toHex(bytes.subarray(9, 17))
  return { bytes, claims: { kind, keyId, expires: readU32(bytes, 5), sessionId } }
}

/**
 * Steps 1 to 4 for a token of at most `longest` characters: no key is used.
 * @type {(keys: PlacedKeys, kind: Claims['kind'], text: string, longest: number, now: number) => Screened | Rejected}
 */
export function screen(keys, kind, text, longest, now) {
  // 1. at most the configured length, canonical unpadded base64url, not empty
  if (text.length > longest) return { reason: 'malformed' }
  // 2. the first byte, the length
  const token = parse(decode(text), kind)
  if ('reason' in token) return token
  const { claims } = token
  // 3. now < expires <= now + 400 days + 5 minutes
  if (claims.expires <= now) return { reason: 'expired' }
  if (claims.expires > now + LONGEST_LIFE + LEEWAY) return { reason: 'expires too far' }
  // 4. the key id names a secret of the ring
  if (!keys.has(claims.keyId, dayOf(claims.expires))) return { reason: 'unknown key' }
  return token
}

/**
 * Step 5: check = Expand(check key, head || bind, 16)
 * @type {(keys: PlacedKeys, token: Screened, bind: Uint8Array, now: number) => Promise<boolean>}
 */
export async function verifyHead(keys, { bytes, claims }, bind, now) {
  const key = await keys.checkKey(claims.keyId, dayOf(claims.expires), now)
  const end = claims.kind === 'session' ? SESSION_HEAD : ACTIVITY_HEAD
  return verify(key, concat(bytes.subarray(0, end), bind), bytes.subarray(end, end + CHECK_LENGTH))
}

/**
 * Steps 5 and 6, and the flags of step 7.
 * @type {(keys: PlacedKeys, token: Screened, bind: Uint8Array, now: number) => Promise<Frame | Rejected>}
 */
export async function openSession(keys, token, bind, now) {
  if (!(await verifyHead(keys, token, bind, now))) return { reason: 'not ours' }
  // 6. body = AES-256-GCM(Expand(seal key, head || bind, 32), zero nonce, no associated data, frame)
  const { bytes, claims } = token
  const sealKey = await keys.sealKey(claims.keyId, dayOf(claims.expires), now)
  const key = await expand(sealKey, concat(bytes.subarray(0, SESSION_HEAD), bind), 32)
  const frame = await decrypt(key, bytes.subarray(BODY))
  if (frame === null) return { reason: 'damaged' }
  // 7. flags are known
  const flags = frame[8]
  if ((flags & ~REMEMBERED) !== 0) return { reason: 'unknown flags' }
  return {
    started: readU32(frame, 0),
    sealed: readU32(frame, 4),
    remembered: flags === REMEMBERED,
    payload: frame.subarray(FRAME_HEAD),
  }
}

/**
 * The session token of this state, under the key that seals at `now`. `salt` is fresh for every call unless given, and
 * only vectors give it.
 * @type {(keys: PlacedKeys, sessionId: string, expires: number, frame: Frame, bind: Uint8Array, now: number, salt?: Bytes)
 *   => Promise<string>}
 */
export async function sealSession(keys, sessionId, expires, frame, bind, now, salt) {
  const { keyId, start } = sealingHead(keys, SESSION, sessionId, expires, now)
  const sealKey = await keys.sealKey(keyId, dayOf(expires), now)
  const flags = Uint8Array.of(frame.remembered ? REMEMBERED : 0)
  const text = concat(u32(frame.started), u32(frame.sealed), flags, frame.payload)
  const head = concat(start, salt ?? (await freshSalt(sealKey, text)))
  const check = await expand(await keys.checkKey(keyId, dayOf(expires), now), concat(head, bind), CHECK_LENGTH)
  const body = await encrypt(await expand(sealKey, concat(head, bind), 32), text)
  return encode(concat(head, check, body))
}

/**
 * WebCrypto's generator is a user-space one in most runtimes. A state of it that a fork or a cloned machine repeats must
 * not give one key to two states, so: salt = Expand(seal key, "salt" || 32 random bytes || frame, 12)
 * @type {(sealKey: CryptoKey, frame: Bytes) => Promise<Bytes>}
 */
function freshSalt(sealKey, frame) {
  return expand(sealKey, concat(utf8('salt'), random(32), frame), SALT_LENGTH)
}

/**
 * The activity token of a session, under the key that seals at `now`.
 * @type {(keys: PlacedKeys, sessionId: string, expires: number, bind: Uint8Array, now: number) => Promise<string>}
 */
export async function sealActivity(keys, sessionId, expires, bind, now) {
  const { keyId, start } = sealingHead(keys, ACTIVITY, sessionId, expires, now)
  const key = await keys.checkKey(keyId, dayOf(expires), now)
  return encode(concat(start, await expand(key, concat(start, bind), CHECK_LENGTH)))
}

/**
 * The common start of both heads. A token whose expiry would pass 2^32 - 1 or 400 days from now is not made.
 * @type {(keys: PlacedKeys, version: number, sessionId: string, expires: number, now: number)
 *   => { keyId: string, start: Bytes }}
 */
function sealingHead(keys, version, sessionId, expires, now) {
  if (!(expires > now && expires <= Math.min(now + LONGEST_LIFE, LAST_SECOND))) {
    throw new SealError('the expiry must lie in the future, at most 400 days from now and before 2106')
  }
  const id = fromHex(sessionId, 8)
  if (id === null) throw new SealError('a session id is written in 16 lower-case hexadecimal digits')
  const keyId = keys.sealing(now)
  if (!keys.has(keyId, dayOf(expires))) {
    throw new SealError(`there is no key ${keyId} for the day on which the token would expire; export more days`)
  }
  const keyIdBytes = /** @type {Bytes} */ (fromHex(keyId, 4))
  return { keyId, start: concat(Uint8Array.of(version), keyIdBytes, u32(expires), id) }
}
