// Session state to cookies: starting, writing and renewing.

import { random } from './crypto.js'
import { concat, fromHex, isBytes, toHex, utf8 } from './bytes.js'
import { chunkNames, cut, layoutOf, tooLarge } from './chunks.js'
import { lineOf, writeCookie, writeRemoval } from './cookie.js'
import { SealError } from './errors.js'
import { changesIntegers, numberProblem, refusedByServers } from './json.js'
import { activeUntil, lifetimeOf } from './lifetime.js'
import { parsePayload } from './open.js'
import { sealActivity, sealSession } from './token.js'
import { LAST_SECOND } from './time.js'

/** @typedef {import('../index.d.ts').Session} Session */
/** @typedef {import('../index.d.ts').Written} Written */
/** @typedef {import('../index.d.ts').Cookie} Cookie */
/** @typedef {import('./config.js').Config} Config */
/** @typedef {import('./bytes.js').Bytes} Bytes */

/** 8 random bytes: the id of a new session, or of an old one at a change of privilege. */
export function newSessionId() {
  return toHex(random(8))
}

/**
 * The cookies of a session with this data: the id and the start stay, so a write prolongs nothing. Those of `came` that
 * no longer belong to it are removed. `salt` is for vectors.
 * @type {(config: Config, session: Session, data: unknown, came: readonly string[], bind: Uint8Array, now: number,
 *   salt?: Bytes) => Promise<Written & { token: string }>}
 */
export async function writeSession(config, session, data, came, bind, now, salt) {
  const { absolute } = lifetimeOf(config.lifetimes, session.remembered)
  if (now > LAST_SECOND) throw new SealError('the format ends in 2106')
  // A start ahead of the clock moves back to the opening, so that the session does not pass a cut-off that was raised
  // since then. Configured limits only shorten a token's life.
  const startedAt = Math.min(session.startedAt, session.openedAt ?? now, now)
  const expiresAt = Math.min(session.expiresAt, startedAt + absolute)
  if (!isBytes(data) && changesIntegers(new TextDecoder().decode(session.payload))) {
    throw new SealError(
      'the session has an integer that JavaScript does not keep exactly; keep it as a string, or seal JSON as bytes',
    )
  }
  const parsed = readData(data)
  const layout = layoutOf(config, parsed.payload.length, session.payload.length)
  if (layout === null) throw tooLarge(config, parsed.payload)
  const { chunks, padding } = layout
  const payload = concat(parsed.payload, new Uint8Array(padding).fill(0x20))
  const frame = { started: startedAt, sealed: now, remembered: session.remembered, payload }
  const token = await sealSession(config.session, session.id, expiresAt, frame, bind, now, salt, chunks)
  const times = { startedAt, sealedAt: now, expiresAt }
  const next = { ...session, keyId: config.session.sealing(now), ...times, chunks, ...parsed }
  const age = maxAge(session.remembered, expiresAt, now)
  const lines = (chunks === 1 ? [[config.name, token]] : cut(config.name, token)).map(([name, value]) =>
    writeCookie(config.attributes, name, value, age),
  )
  const strays = chunkNames(config.name)
    .slice(chunks - 1)
    .filter((name) => came.includes(name))
  const removals = strays.map((name) => writeRemoval(config.attributes, name))
  return written(next, token, [...lines.slice(0, -1), ...removals, ...lines.slice(-1)])
}

/**
 * The activity cookie of a session that is used at `now`; none without an idle timeout. A bound session stays bound.
 * @type {(config: Config, session: Session, bind: Uint8Array, now: number) => Promise<Written>}
 */
export async function writeActivity(config, session, bind, now) {
  const end = activeUntil(lifetimeOf(config.lifetimes, session.remembered), now, session.expiresAt)
  if (end === null || config.activity === null) return written(session, null, [])
  const token = await sealActivity(config.activity, session.id, session.device, end, bind, now)
  const age = maxAge(session.remembered, end, now)
  return written({ ...session, activeUntil: end }, token, [writeCookie(config.attributes, config.activityName, token, age)])
}

/**
 * What a response has to send.
 * @type {<S extends Session | null, T extends string | null>(session: S, token: T, cookies: readonly Cookie[],
 *   revocations?: Bytes | null) => { session: S, token: T, cookies: Cookie[], setCookie: string[], revocations: Bytes | null }}
 */
export function written(session, token, cookies, revocations = null) {
  return { session, token, cookies: [...cookies], setCookie: cookies.map(lineOf), revocations }
}

/**
 * A persistent cookie lasts exactly as long as its token; any other ends with the browser's session.
 * @type {(remembered: boolean, expires: number, now: number) => number | null}
 */
function maxAge(remembered, expires, now) {
  return remembered ? expires - now : null
}

/**
 * A session as `open` or `start` gave it. JSON makes another object of its payload, and a time that is not a number would
 * be sealed as 1970.
 * @type {(session: Session) => Session}
 */
export function readSession(session) {
  const { payload, startedAt, sealedAt, expiresAt, openedAt = 0, activeUntil = 0, remembered, device } = session ?? {}
  const instants = [startedAt, sealedAt, expiresAt, openedAt, activeUntil ?? 0]
  // `device` must be there: without it, a renewal would unbind the session.
  const bindable = device === null || fromHex(device, 16) !== null
  const timely = instants.every((time) => Number.isSafeInteger(time))
  if (!isBytes(payload) || typeof remembered !== 'boolean' || !timely || !bindable) {
    throw new SealError('the session is none that `open` or `start` gave; one that went through JSON is opened again')
  }
  return session
}

/**
 * The bytes to seal: JSON as it is, or `data` serialised.
 * @type {(data: unknown) => { payload: Bytes, data: unknown }}
 */
function readData(data) {
  const parsed = parsePayload(isBytes(data) ? Uint8Array.from(data) : utf8(serialize(data)))
  if (parsed === null) throw new SealError('the bytes of the session data are not JSON')
  const problem = refusedByServers(new TextDecoder().decode(parsed.payload))
  if (problem !== null) throw new SealError(`the session data has ${problem}`)
  return parsed
}

/** @type {(data: unknown) => string} */
function serialize(data) {
  let text
  /** @type {string | null} */
  let problem = null
  try {
    text = JSON.stringify(data, (_, value) => {
      problem ??= numberProblem(value)
      return value
    })
  } catch {
    // A cycle, or a BigInt.
  }
  if (problem !== null) throw new SealError(`the session data has ${problem}`)
  if (text === undefined) throw new SealError('the session data cannot be serialised as JSON')
  return text
}
