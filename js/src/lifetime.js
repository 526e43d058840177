// Idle timeout, absolute timeout, remembered sessions and renewal: pure functions of times in Unix seconds.

import { tag } from './bytes.js'
import { ConfigError } from './errors.js'
import { DAY, LEEWAY, LONGEST_LIFE } from './time.js'

/** @typedef {import('../index.d.ts').Reason} Reason */
/** @typedef {{ idle: number | null, absolute: number }} Lifetime */
/** @typedef {{ ordinary: Lifetime, remembered: Lifetime | null }} Lifetimes */

const DEFAULT_IDLE = 30 * 60
const DEFAULT_ABSOLUTE = 12 * 3600
const DEFAULT_PROOF = 11 * 60

/** @typedef {Pick<import('../index.d.ts').Options, 'idle' | 'absolute' | 'remembered'>} Timeouts */

/**
 * The timeouts of the options; for those that they leave out, the timeouts in the exported keys.
 * @type {(options: Timeouts, exported?: Timeouts) => Lifetimes}
 */
export function readLifetimes({ idle, absolute, remembered }, exported = {}) {
  if (absolute === undefined) absolute = exported.absolute ?? DEFAULT_ABSOLUTE
  if (remembered === undefined) remembered = exported.remembered ?? null
  const longest = lifetime(null, absolute).absolute
  if (idle === undefined) {
    const usual = exported.idle === undefined ? DEFAULT_IDLE : exported.idle
    idle = usual === null ? null : Math.min(usual, longest)
  }
  return {
    ordinary: lifetime(idle, absolute),
    remembered: remembered === null ? null : lifetime(remembered.idle, remembered.absolute),
  }
}

/** @type {(idle: number | null, absolute: number) => Lifetime} */
function lifetime(idle, absolute) {
  for (const timeout of idle === null ? [absolute] : [idle, absolute]) {
    if (!Number.isInteger(timeout) || timeout < 1 || timeout > LONGEST_LIFE) {
      throw new ConfigError(`a timeout takes whole seconds, at least one, at most ${LONGEST_LIFE / DAY} days`)
    }
  }
  if (idle !== null && idle > absolute) {
    throw new ConfigError('the idle timeout is longer than the absolute one; shorten the one or lengthen the other')
  }
  return { idle, absolute }
}

/**
 * How long the proof of a device is valid, in seconds; null without device binding.
 * @type {(device?: import('../index.d.ts').Options['device']) => number | null}
 */
export function readProofLifetime(device = null) {
  if (device === null) return null
  const { proof = DEFAULT_PROOF } = device
  if (tag(device) !== 'Object' || !Object.keys(device).every((key) => key === 'proof') || !Number.isInteger(proof) || proof < 61 || proof > DAY) {
    throw new ConfigError('`device` is null, or an object with `proof` in whole seconds, from 61 to 86400')
  }
  return proof
}

/**
 * The lifetime that the flag selects. A remembered session of an application that stopped remembering is an ordinary
 * one: configured limits only shorten a token's life.
 * @type {(lifetimes: Lifetimes, remembered: boolean) => Lifetime}
 */
export function lifetimeOf({ ordinary, remembered: longer }, remembered) {
  return remembered && longer !== null ? longer : ordinary
}

/**
 * The time until which activity at `now` keeps a session that ends at `expires`; null without an idle timeout.
 * @type {(lifetime: Lifetime, now: number, expires: number) => number | null}
 */
export function activeUntil({ idle }, now, expires) {
  return idle === null ? null : Math.min(now + idle, expires)
}

/**
 * The latest expiry that an activity token can honestly have at `now`.
 * @type {(idle: number, now: number) => number}
 */
export function latestActivity(idle, now) {
  return now + idle + LEEWAY
}

/**
 * Whether moving the activity's end from `old` to `next` is worth a cookie: at least a tenth of the idle timeout, no
 * less than a minute, no more than a day, never more than half the idle timeout. The last renewal, up to when the
 * session `expires`, is always worth it, however short the step.
 * @type {(idle: number, old: number, next: number, expires: number) => boolean}
 */
export function isWorthRenewing(idle, old, next, expires) {
  const tenth = Math.min(Math.max(Math.floor(idle / 10), 60), DAY)
  if (next > old && next === expires) return true
  return next >= old + Math.max(Math.min(tenth, Math.floor(idle / 2)), 1)
}

/**
 * Step 7 of opening, without flags and revoked ids.
 * @type {(lifetimes: Lifetimes, started: number, remembered: boolean, now: number, cutOff: number) => Reason | null}
 */
export function judge(lifetimes, started, remembered, now, cutOff) {
  if (started > now + LEEWAY) return 'started in future'
  if (started + lifetimeOf(lifetimes, remembered).absolute <= now) return 'too old'
  if (started < cutOff) return 'revoked'
  return null
}

/** @type {(lifetimes: Lifetimes) => number} */
export function longestAbsolute({ ordinary, remembered }) {
  return Math.max(ordinary.absolute, remembered?.absolute ?? 0)
}

/**
 * The longest idle timeout of a session whose flags cannot be read; null if the session may have none.
 * @type {(lifetimes: Lifetimes) => number | null}
 */
export function longestIdle({ ordinary, remembered }) {
  const other = remembered ?? ordinary
  return ordinary.idle === null || other.idle === null ? null : Math.max(ordinary.idle, other.idle)
}
