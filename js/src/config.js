// The options of an application's sessions, checked once.

import { tag } from './bytes.js'
import { MOST_CHUNKS, smallestLine } from './chunks.js'
import { LARGEST_COOKIE, nameProblem, readAttributes } from './cookie.js'
import { lastEnd, parseDayKeys, placeDayKeys, placeRing } from './day-keys.js'
import { ConfigError } from './errors.js'
import { longestAbsolute, readLifetimes, readProofLifetime } from './lifetime.js'
import { isRing, parseRing } from './ring.js'
import { LAST_SECOND } from './time.js'

/** @typedef {import('../index.d.ts').Options} Options */
/** @typedef {import('../index.d.ts').Ring} Ring */
/** @typedef {import('../index.d.ts').DayKeys} DayKeys */
/** @typedef {import('./day-keys.js').PlacedKeys} PlacedKeys */
/** @typedef {import('./lifetime.js').Lifetimes} Lifetimes */

/**
 * @typedef {object} Device
 * @property {number} proof how long a proof is valid, in seconds
 * @property {string} proofName
 * @property {PlacedKeys | null} keys of proofs; null for the holder of check keys, who needs none
 */

/**
 * @typedef {object} Config
 * @property {string} name
 * @property {string} activityName
 * @property {string} audience
 * @property {import('./cookie.js').Attributes} attributes
 * @property {number} longest most characters of the session cookie's value
 * @property {PlacedKeys} session
 * @property {PlacedKeys | null} activity null if no session has an idle timeout
 * @property {Device | null} device null without device binding
 * @property {boolean} opens false for the holder of check keys alone
 * @property {boolean} keyless true while no keys have arrived
 * @property {(now: number) => number} reaches until when the keys know every session, in Unix seconds
 * @property {Lifetimes} lifetimes
 * @property {number} cutOff
 * @property {(id: string) => boolean | Promise<boolean>} isRevoked
 * @property {Options['revoke']} revoke
 * @property {number} padTo
 * @property {number} chunks the most cookies of a session that is written
 * @property {number} largestCookies
 */

/** With `-register` it has 255 bytes. */
const LONGEST_BOUND_NAME = 246
const TIMEOUTS = ['idle', 'absolute', 'remembered', 'device', 'cutOff']
const KEYS = ['keys', 'keysEvery', 'onKeyError']
const OPTIONS = [...KEYS, 'name', 'audience', 'cookie', ...TIMEOUTS, 'revoked', 'revoke', 'padTo', 'chunks', 'largestCookies']

/**
 * The configuration with these keys, which are there.
 * @type {(options: Options) => Promise<Config>}
 */
export async function configure(options) {
  const unknown = Object.keys(options).find((option) => !OPTIONS.includes(option))
  // If unknown options were ignored, a misspelt cut-off would refuse no session.
  if (unknown !== undefined) throw new ConfigError(`there is no option \`${unknown}\`; there are ${OPTIONS.join(', ')}`)
  const keys = await readKeys(/** @type {any} */ (options.keys))
  const exported = 'format' in keys ? keys : null
  const { name = exported?.name ?? '__Host-id', audience = exported?.audience ?? '' } = options
  if (typeof audience !== 'string') throw new ConfigError('`audience` is a text')
  if (exported !== null && (name !== exported.name || audience !== exported.audience)) {
    throw new ConfigError('the day keys were exported for another cookie name or audience; leave both options out')
  }
  const problem = nameProblem(name)
  if (problem !== null) throw new ConfigError(problem)
  const lifetimes = readLifetimes(options, exported ?? {})
  const activityName = `${name}-seen`
  const hasIdle = lifetimes.ordinary.idle !== null || (lifetimes.remembered?.idle ?? null) !== null
  if (hasIdle && activityName.length > 255) {
    throw new ConfigError('the cookie name takes at most 250 bytes with an idle timeout; shorten `name`')
  }
  const opens = exported === null || exported.rights === 'open'
  const proof = readProofLifetime(options.device === undefined ? exported?.device : options.device)
  // Of a bound session a check may lack the activity keys: then it does not know.
  if (hasIdle && (opens || proof === null) && exported?.keys.some((entry) => entry.activity === undefined)) {
    throw new ConfigError('the day keys lack the activity keys that the idle timeout needs; export them again')
  }
  if (proof !== null && opens) {
    if (name.length > LONGEST_BOUND_NAME) {
      throw new ConfigError('the cookie name takes at most 246 bytes with device binding; shorten `name`')
    }
    // Without idle timeout no activity token is asked for, and a stolen copy would open without a proof.
    if (lifetimes.ordinary.idle === null || lifetimes.remembered?.idle === null) {
      throw new ConfigError('device binding needs an idle timeout of every kind of session; set `idle`')
    }
    if (exported?.keys.some((entry) => entry.proof === undefined)) {
      throw new ConfigError('the day keys lack the proof keys that device binding needs; export them again')
    }
  }
  const proofName = `${name}-proof`
  /** @type {(name: string, which: 'session' | 'activity' | 'proof') => PlacedKeys} */
  const placed = (name, which) => ('format' in keys ? placeDayKeys(keys, which) : placeRing(keys, name, audience))
  /** @type {Config} */
  const config = {
    name,
    activityName,
    audience,
    attributes: readAttributes(name, options.cookie),
    longest: LARGEST_COOKIE - name.length,
    session: placed(name, 'session'),
    activity: hasIdle ? placed(activityName, 'activity') : null,
    device: proof === null ? null : { proof, proofName, keys: opens ? placed(proofName, 'proof') : null },
    opens,
    keyless: false,
    reaches: (now) => (exported === null ? Infinity : lastEnd(exported, now) - longestAbsolute(lifetimes)),
    lifetimes,
    cutOff: readCutOff(options.cutOff),
    isRevoked: readRevoked(options.revoked),
    revoke: readRevoke(options.revoke),
    padTo: readPadTo(options.padTo),
    chunks: readChunks(name, options.chunks),
    largestCookies: options.largestCookies === undefined ? 7500 : options.largestCookies,
  }
  const smallest = smallestLine(config)
  if (!(Number.isSafeInteger(config.largestCookies) && config.largestCookies >= smallest)) {
    throw new ConfigError(`\`largestCookies\` takes at least ${smallest} bytes, which a session in one cookie may need`)
  }
  return config
}

/** @type {(keys: string | Ring | DayKeys) => Promise<Ring> | Ring | DayKeys} */
function readKeys(keys) {
  // A written ring never starts with a brace.
  if (typeof keys === 'string') return keys.trimStart().startsWith('{') ? parseDayKeys(keys) : parseRing(keys)
  if (typeof keys === 'object' && keys !== null && 'format' in keys) return parseDayKeys(keys)
  if (isRing(keys)) return keys
  throw new ConfigError(
    '`keys` is neither a text nor a ring or day keys; read files as text, and await what `parseRing` gives',
  )
}

/** @type {(cutOff?: number) => number} */
function readCutOff(cutOff = 0) {
  // In milliseconds it would refuse every session.
  if (!Number.isSafeInteger(cutOff) || cutOff < 0 || cutOff > LAST_SECOND) {
    throw new ConfigError('`cutOff` is a time in whole Unix seconds, before 2106')
  }
  return cutOff
}

/** @type {(revoked: Options['revoked']) => Config['isRevoked']} */
function readRevoked(revoked = []) {
  if (typeof revoked === 'function') return revoked
  if (typeof revoked !== 'object' || revoked === null || !(Symbol.iterator in revoked)) {
    throw new ConfigError('`revoked` is a list or `Set` of ids, or a function')
  }
  /** @type {ReadonlySet<string>} */
  const ids = tag(revoked) === 'Set' ? /** @type {any} */ (revoked) : new Set(revoked)
  for (const id of ids) {
    // An id in capitals would never match, and its session would stay valid.
    if (typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id)) {
      throw new ConfigError('a revoked id has 16 lower-case hexadecimal digits')
    }
  }
  return (id) => ids.has(id)
}

/** @type {(revoke: Options['revoke']) => Options['revoke']} */
function readRevoke(revoke) {
  if (revoke === undefined || revoke === null || typeof revoke === 'function') return revoke
  throw new ConfigError('`revoke` is a function that takes revocations, or null')
}

/** @type {(name: string, chunks?: number) => number} */
function readChunks(name, chunks = 1) {
  if (!Number.isInteger(chunks) || chunks < 1 || chunks > MOST_CHUNKS) {
    throw new ConfigError('`chunks` takes 1 to 4 cookies, 1 for one alone')
  }
  if (chunks > 1 && name.length > 253) {
    throw new ConfigError('the cookie name takes at most 253 bytes with `chunks`; shorten `name`')
  }
  return chunks
}

/** @type {(padTo?: number) => number} */
function readPadTo(padTo = 1) {
  if (!Number.isInteger(padTo) || padTo < 1 || padTo > 1024) throw new ConfigError('`padTo` takes 1 to 1024 bytes')
  return padTo
}
