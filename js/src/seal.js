// Session state to cookies: starting, writing and renewing.

import { random } from './crypto.js'
import { fromHex, isBytes, toHex, utf8 } from './bytes.js'
import { LARGEST_COOKIE, writeCookie } from './cookie.js'
import { SealError } from './errors.js'
import { changesIntegers, numberProblem, refusedByServers } from './json.js'
import { activeUntil, lifetimeOf } from './lifetime.js'
import { parsePayload } from './open.js'
import { sealActivity, sealSession, sessionTextLength } from './token.js'
import { LAST_SECOND } from './time.js'

/** @typedef {import('../index.d.ts').Session} Session */
/** @typedef {import('../index.d.ts').Sealed} Sealed */
/** @typedef {import('./config.js').Config} Config */
/** @typedef {import('./bytes.js').Bytes} Bytes */

/** 8 random bytes: the id of a new session, or of an old one at a change of privilege. */
export function newSessionId() {
  return toHex(random(8))
}

/**
 * The cookie of a session with this data: the id and the start stay, so a write prolongs nothing. `salt` is for vectors.
 * @type {(config: Config, session: Session, data: unknown, bind: Uint8Array, now: number, salt?: Bytes)
 *   => Promise<Sealed & { token: string }>}
 */
export async function writeSession(config, session, data, bind, now, salt) {
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
  const payload = padded(parsed.payload, config.padTo)
  const size = config.name.length + sessionTextLength(payload.length)
  if (size > LARGEST_COOKIE) {
    throw new SealError(`the sealed value would take ${size} bytes of at most ${LARGEST_COOKIE}; keep less in it`)
  }
  const frame = { started: startedAt, sealed: now, remembered: session.remembered, payload }
  const token = await sealSession(config.session, session.id, expiresAt, frame, bind, now, salt)
  const next = { ...session, keyId: config.session.sealing(now), startedAt, sealedAt: now, expiresAt, ...parsed }
  return {
    session: next,
    token,
    setCookie: [writeCookie(config.name, token, maxAge(session.remembered, expiresAt, now))],
  }
}

/**
 * The activity cookie of a session that is used at `now`; none without an idle timeout. A bound session stays bound.
 * @type {(config: Config, session: Session, bind: Uint8Array, now: number) => Promise<Sealed>}
 */
export async function writeActivity(config, session, bind, now) {
  const end = activeUntil(lifetimeOf(config.lifetimes, session.remembered), now, session.expiresAt)
  if (end === null || config.activity === null) return { session, token: null, setCookie: [] }
  const token = await sealActivity(config.activity, session.id, session.device, end, bind, now)
  return {
    session: { ...session, activeUntil: end },
    token,
    setCookie: [writeCookie(config.activityName, token, maxAge(session.remembered, end, now))],
  }
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

/**
 * Spaces up to a multiple of `padTo`, so that the cookie's length does not reveal a role.
 * @type {(payload: Bytes, padTo: number) => Bytes}
 */
function padded(payload, padTo) {
  const bytes = new Uint8Array(Math.ceil(payload.length / padTo) * padTo).fill(0x20)
  bytes.set(payload)
  return bytes
}
