// The configuration in use: keys that arrive, change, and sometimes do not arrive.

import { tag } from './bytes.js'
import { configure } from './config.js'
import { random } from './crypto.js'
import { ConfigError, KeyError } from './errors.js'
import { keyFromRawSecret } from './key.js'
import { makeRing } from './ring.js'

/** @typedef {import('../index.d.ts').Options} Options */
/** @typedef {import('../index.d.ts').Ring} Ring */
/** @typedef {import('../index.d.ts').DayKeys} DayKeys */
/** @typedef {import('./config.js').Config} Config */

/**
 * @typedef {object} Source
 * @property {Config} config the one in use
 * @property {() => Promise<Config>} current the one in use, after the keys were asked for again where that is due
 * @property {(keys: string | Ring | DayKeys) => Promise<void>} replace
 */

/** Seconds until a function of keys is asked again; without any keys, and at most for an answer. */
const EVERY = 60
const EVERY_WITHOUT_KEYS = 1
const PATIENCE = 5

/** @type {(options: Options) => Promise<Source>} */
export async function openSource(options) {
  // A list has `keys` too.
  if (tag(options) !== 'Object') throw new ConfigError('the options are an object with `keys`')
  const { keys, keysEvery = EVERY, onKeyError = report, ...others } = options
  if (!Number.isSafeInteger(keysEvery) || keysEvery < 1) throw new ConfigError('`keysEvery` takes whole seconds')
  if (typeof onKeyError !== 'function') throw new ConfigError('`onKeyError` is a function')
  const ask = typeof keys === 'function' ? keys : null
  /** The last answer that was taken. @type {unknown} */
  let asked
  let next = 0

  /** @type {Source} */
  const source = {
    config: ask === null ? await configure(options) : await withoutKeys(others),

    async replace(keys) {
      const { config } = source
      const fresh = await configure({ ...others, keys })
      if (!config.keyless && fresh.opens !== config.opens) {
        throw new ConfigError('the new keys have other rights: keys that check take the place of such keys alone')
      }
      if (!config.keyless && (fresh.name !== config.name || fresh.audience !== config.audience)) {
        throw new ConfigError('the new keys are for another cookie name or audience; create other sessions for them')
      }
      source.config = fresh
    },

    async current() {
      const now = Date.now() / 1000
      // A clock that was set back must not end the asking.
      const isDue = now >= next || next - now > keysEvery
      if (ask === null || !isDue) return source.config
      // Set before the wait: requests that come meanwhile go on with what is there, and no two wait for one another. In a
      // worker, a request must not wait for what another one has begun.
      next = now + (source.config.keyless ? EVERY_WITHOUT_KEYS : keysEvery)
      try {
        const answer = await within(PATIENCE, ask)
        if (answer === null || answer === undefined) throw new KeyError('the function `keys` gave nothing')
        // An object may have been changed.
        if (answer !== asked || typeof answer !== 'string') await source.replace(answer)
        asked = answer
        next = now + keysEvery
      } catch (error) {
        // Nothing that goes wrong there may reach the visitor.
        await Promise.resolve(/** @type {Error} */ (error)).then(onKeyError).catch(report)
      }
      return source.config
    },
  }
  await source.current()
  return source
}

/**
 * The other options, checked, and with a key that nobody has: so no token opens, and each is unknown.
 * @type {(options: Omit<Options, 'keys'>) => Promise<Config>}
 */
async function withoutKeys(options) {
  const key = await keyFromRawSecret(random(32))
  const config = await configure({ ...options, keys: makeRing([{ role: 'seal', key }]) })
  return { ...config, keyless: true }
}

/**
 * What the function answers, or an error if that takes too long.
 * @type {<T>(seconds: number, ask: () => T | Promise<T>) => Promise<T>}
 */
async function within(seconds, ask) {
  /** @type {any} */
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new KeyError(`the function \`keys\` did not answer in ${seconds} seconds`)), seconds * 1000)
  })
  try {
    return await Promise.race([ask(), /** @type {Promise<never>} */ (late)])
  } finally {
    clearTimeout(timer)
  }
}

/** @type {(error: Error) => void} */
function report(error) {
  console.error(`sealed-session: no new keys, the last ones stay: ${error?.name}: ${error?.message}`)
}
