// The options of an application's sessions, checked once.

import { tag } from './bytes.js'
import { LARGEST_COOKIE, nameProblem } from './cookie.js'
import { parseDayKeys, placeDayKeys, placeRing } from './day-keys.js'
import { ConfigError } from './errors.js'
import { parseRing } from './ring.js'
import { DAY, LONGEST_LIFE } from './time.js'

/** @typedef {import('../index.d.ts').Options} Options */
/** @typedef {import('../index.d.ts').Ring} Ring */
/** @typedef {import('../index.d.ts').DayKeys} DayKeys */
/** @typedef {import('./day-keys.js').PlacedKeys} PlacedKeys */
/** @typedef {import('./lifetime.js').Lifetime} Lifetime */
/** @typedef {import('./lifetime.js').Lifetimes} Lifetimes */

/**
 * @typedef {object} Config
 * @property {string} name
 * @property {string} activityName
 * @property {number} longest most characters of the session cookie's value
 * @property {PlacedKeys} session
 * @property {PlacedKeys | null} activity null where no session has an idle timeout
 * @property {boolean} opens false for the holder of check keys alone
 * @property {Lifetimes} lifetimes
 * @property {number} cutOff
 * @property {(id: string) => boolean | Promise<boolean>} isRevoked
 * @property {number} padTo
 */

const DEFAULT_IDLE = 30 * 60
const DEFAULT_ABSOLUTE = 12 * 3600

/** @type {(options: Options) => Promise<Config>} */
export async function configure(options) {
  const keys = await readKeys(options.keys)
  const exported = 'format' in keys ? keys : null
  const name = options.name ?? exported?.name ?? '__Host-id'
  const audience = options.audience ?? exported?.audience ?? ''
  if (exported !== null && (name !== exported.name || audience !== exported.audience)) {
    throw new ConfigError('the day keys were exported for another cookie name or audience; leave both options out')
  }
  const problem = nameProblem(name)
  if (problem !== null) throw new ConfigError(problem)
  const lifetimes = readLifetimes(options)
  const activityName = `${name}-seen`
  const hasIdle = lifetimes.ordinary.idle !== null || (lifetimes.remembered?.idle ?? null) !== null
  if (hasIdle && activityName.length > 255) {
    throw new ConfigError('the cookie name takes at most 250 bytes with an idle timeout; shorten `name`')
  }
  if (hasIdle && exported !== null && exported.keys.some((entry) => entry.activity === undefined)) {
    throw new ConfigError('the day keys lack the activity keys that the idle timeout needs; export them again')
  }
  /** @type {(name: string, which: 'session' | 'activity') => PlacedKeys} */
  const placed = (name, which) => ('format' in keys ? placeDayKeys(keys, which) : placeRing(keys, name, audience))
  return {
    name,
    activityName,
    longest: LARGEST_COOKIE - name.length,
    session: placed(name, 'session'),
    activity: hasIdle ? placed(activityName, 'activity') : null,
    opens: exported === null || exported.rights === 'open',
    lifetimes,
    cutOff: readCutOff(options.cutOff),
    isRevoked: readRevoked(options.revoked),
    padTo: readPadTo(options.padTo),
  }
}

/** @type {(keys: Options['keys']) => Promise<Ring> | Ring | DayKeys} */
function readKeys(keys) {
  // A written ring never starts with a brace.
  if (typeof keys === 'string') return keys.trimStart().startsWith('{') ? parseDayKeys(keys) : parseRing(keys)
  if (typeof keys !== 'object' || keys === null) {
    throw new ConfigError('`keys` is missing; give it the text of a key ring, or exported day keys')
  }
  return 'format' in keys ? parseDayKeys(keys) : keys
}

/** @type {(options: Options) => Lifetimes} */
function readLifetimes({ idle, absolute = DEFAULT_ABSOLUTE, remembered = null }) {
  return {
    ordinary: lifetime(idle === undefined ? Math.min(DEFAULT_IDLE, absolute) : idle, absolute),
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

/** @type {(cutOff?: number) => number} */
function readCutOff(cutOff = 0) {
  if (!Number.isSafeInteger(cutOff) || cutOff < 0) throw new ConfigError('`cutOff` is an instant in whole Unix seconds')
  return cutOff
}

/** @type {(revoked: Options['revoked']) => Config['isRevoked']} */
function readRevoked(revoked = []) {
  if (typeof revoked === 'function') return revoked
  /** @type {ReadonlySet<string>} */
  const ids = tag(revoked) === 'Set' ? /** @type {any} */ (revoked) : new Set(revoked)
  for (const id of ids) {
    // An id in capitals would never match, and its session would live on.
    if (!/^[0-9a-f]{16}$/.test(id)) throw new ConfigError('a revoked id has 16 lower-case hexadecimal digits')
  }
  return (id) => ids.has(id)
}

/** @type {(padTo?: number) => number} */
function readPadTo(padTo = 1) {
  if (!Number.isInteger(padTo) || padTo < 1 || padTo > 1024) throw new ConfigError('`padTo` takes 1 to 1024 bytes')
  return padTo
}
