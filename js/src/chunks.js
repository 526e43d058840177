// A session in several cookies (first byte 7): how the text of its token is cut into them, and found again.
//
//   cookie <name>      the first full(length of the name) characters of the text
//   cookie <name>.2    tie, then the next characters: together full(length of the name + 2); the last may be shorter

import { decode, decodedLength, encodedLength } from './base64url.js'
import { concat, utf8 } from './bytes.js'
import { LARGEST_COOKIE } from './cookie.js'
import { SealError } from './errors.js'
import { ACTIVITY, BOUND_ACTIVITY, OVERHEAD, PROOF, textLength } from './token.js'

/** @typedef {import('./bytes.js').Bytes} Bytes */
/** @typedef {import('./config.js').Config} Config */
/** @typedef {import('./token.js').Screened} Screened */
/**
 * The values of the cookies `<name>.2` to `<name>.4`, in order.
 * @typedef {readonly (readonly string[])[]} Chunks
 */
/** @typedef {{ chunks: number, padding: number }} Layout how many cookies, and how many spaces after the payload */

export const MOST_CHUNKS = 4
/** The tie spells a part of the check, so that only holders of this very token know it. */
const TIE = 8
const TIE_AT = 40

/**
 * The length of a full cookie whose name has this length.
 * @type {(name: number) => number}
 */
const full = (name) => 4 * Math.floor((LARGEST_COOKIE - name) / 4)

/**
 * The names of the other cookies of a session.
 * @type {(name: string) => string[]}
 */
export const chunkNames = (name) => ['.2', '.3', '.4'].map((end) => name + end)

/**
 * Step 5b: the bytes of the token whose first cookie this is, or null if a cookie is missing. Its check is verified.
 * @type {(name: string, token: Screened, chunks: Chunks) => Bytes | null}
 */
export function gather(name, { text, bytes, chunks: count }, chunks) {
  const [tie, other] = [text.slice(TIE_AT, TIE_AT + TIE), full(name.length + 2)]
  const found = [bytes]
  for (let number = 2; number <= count; number++) {
    const isLast = number === count
    /** @type {(length: number) => boolean} */
    const fits = (length) => length === other || (isLast && length > TIE && length < other)
    const candidates = (chunks[number - 2] ?? []).filter((value) => value.startsWith(tie) && fits(value.length))
    /** @type {Bytes | null} */
    let chunk = null
    // No more are decoded than needed: there may be many.
    for (let at = 0; chunk === null && at < candidates.length; at++) chunk = decode(candidates[at])
    if (chunk === null) return null
    found.push(chunk.subarray((TIE / 4) * 3))
  }
  return concat(...found)
}

/**
 * Cuts the text of a token: names and values, the session cookie last, since it makes the others count.
 * @type {(name: string, text: string) => [string, string][]}
 */
export function cut(name, text) {
  const [start, room] = [full(name.length), full(name.length + 2) - TIE]
  const tie = text.slice(TIE_AT, TIE_AT + TIE)
  /** @type {[string, string][]} */
  const others = []
  for (let at = start; at < text.length; at += room) {
    others.push([`${name}.${others.length + 2}`, tie + text.slice(at, at + room)])
  }
  return [...others, [name, text.slice(0, start)]]
}

/**
 * In how many cookies a payload of this length is sent: as few as hold it. Padding fills these at most. A session that
 * `came` with a payload of this length may stay as large.
 * @type {(config: Config, payload: number, came: number) => Layout | null}
 */
export function layoutOf(config, payload, came) {
  const needed = neededBy(config, came)
  const most = Math.max(config.chunks, needed?.chunks ?? 1)
  const line = Math.max(config.largestCookies, needed?.line ?? 0)
  const padded = Math.ceil(payload / config.padTo) * config.padTo
  for (let chunks = 1; chunks <= most; chunks++) {
    const room = roomOf(config, chunks, line)
    if (payload <= room) return { chunks, padding: Math.min(padded, room) - payload }
  }
  return null
}

/**
 * The error for a payload that no allowed number of cookies holds; it names the largest field.
 * @type {(config: Config, payload: Bytes) => SealError}
 */
export function tooLarge(config, payload) {
  const { name, chunks, largestCookies } = config
  let size = name.length + encodedLength(OVERHEAD + payload.length)
  let [limit, option] = [LARGEST_COOKIE, 'chunks']
  if (chunks > 1) {
    size = lineOf(config, neededBy(config, payload.length)?.chunks ?? MOST_CHUNKS, payload.length)
    limit = besideText(config, chunks) + textRoom(name, chunks)
    if (limit > largestCookies) [limit, option] = [largestCookies, 'largestCookies']
  }
  const [field, bytes] = largestField(payload)
  const largest = field === null ? '' : ` (its largest field is \`${field}\` with ${bytes} bytes)`
  return new SealError(
    `the session would take ${size} bytes, and the option \`${option}\` allows ${limit}; keep less in it${largest}`,
  )
}

/**
 * The least that `largestCookies` may be: what a session in one cookie may need.
 * @type {(config: Config) => number}
 */
export const smallestLine = (config) => besideText(config, 1) + config.longest

/** @type {(config: Config, payload: number) => { chunks: number, line: number } | null} */
function neededBy(config, payload) {
  if (payload <= roomOf(config, 1, 0)) return null
  for (let chunks = 2; chunks <= MOST_CHUNKS; chunks++) {
    if (payload <= roomOf(config, chunks, Infinity)) return { chunks, line: lineOf(config, chunks, payload) }
  }
  return null
}

/**
 * The most bytes of payload in this many cookies, in a `Cookie` field where they may take `line` bytes.
 * @type {(config: Config, chunks: number, line: number) => number}
 */
function roomOf(config, chunks, line) {
  if (chunks === 1) return decodedLength(config.longest) - OVERHEAD
  const characters = Math.min(textRoom(config.name, chunks), Math.max(line - besideText(config, chunks), 0))
  return decodedLength(characters) - OVERHEAD - 1
}

/** @type {(name: string, chunks: number) => number} */
const textRoom = ({ length }, chunks) => full(length) + (chunks - 1) * (full(length + 2) - TIE)

/** @type {(config: Config, chunks: number, payload: number) => number} */
const lineOf = (config, chunks, payload) => besideText(config, chunks) + encodedLength(OVERHEAD + 1 + payload)

/**
 * What a `Cookie` field takes besides the text of a session in this many cookies.
 * @type {(config: Config, chunks: number) => number}
 */
function besideText({ name, activity, device }, chunks) {
  /** @type {(suffix: string, value: number) => number} */
  const cookie = (suffix, value) => '; '.length + name.length + suffix.length + '='.length + value
  let beside = name.length + '='.length + (chunks - 1) * cookie('.2', TIE)
  if (activity !== null) beside += cookie('-seen', textLength(device === null ? ACTIVITY : BOUND_ACTIVITY))
  if (device !== null) beside += cookie('-proof', textLength(PROOF)) + cookie('-asked', textLength(PROOF))
  return beside
}

/**
 * The top-level field with the longest JSON, and its length.
 * @type {(payload: Bytes) => [string | null, number]}
 */
function largestField(payload) {
  const data = JSON.parse(new TextDecoder().decode(payload))
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return [null, 0]
  /** @type {[string, number][]} */
  const sizes = Object.entries(data).map(([name, value]) => [name, utf8(JSON.stringify(value)).length])
  const [field = null, bytes = 0] = sizes.sort((one, other) => other[1] - one[1])[0] ?? []
  return [field, bytes]
}
