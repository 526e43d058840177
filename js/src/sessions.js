// The sessions of an application: options in, functions out.

import { isBytes } from './bytes.js'
import { checkTokens } from './check.js'
import { chunkNames } from './chunks.js'
import { configure } from './config.js'
import { cookieValues, isTexts, withoutCookies, writeRemoval } from './cookie.js'
import { ConfigError, NoSession, SealError } from './errors.js'
import { activeUntil, isWorthRenewing, lifetimeOf } from './lifetime.js'
import { openTokens } from './open.js'
import { newSessionId, readSession, writeActivity, writeSession } from './seal.js'
import { instant } from './time.js'

/** @typedef {import('../index.d.ts').Sessions} Sessions */
/** @typedef {import('../index.d.ts').Options} Options */
/** @typedef {import('../index.d.ts').Session} Session */
/** @typedef {import('../index.d.ts').CookieFields} CookieFields */
/** @typedef {import('../index.d.ts').At} At */
/** @typedef {import('./config.js').Config} Config */

const NO_BIND = new Uint8Array()

/** @type {(options: Options) => Promise<Sessions>} */
export async function createSessions(options) {
  const config = await configure(options)
  const others = chunkNames(config.name)
  const names = [config.name, config.activityName, ...(config.device === null ? [] : [config.device.proofName])]

  /** @type {(fields: CookieFields) => import('./open.js').Tokens} */
  const scan = (fields) => ({
    session: cookieValues(fields, config.name),
    chunks: others.map((name) => cookieValues(fields, name)),
    activity: cookieValues(fields, config.activityName),
    proof: config.device === null ? [] : cookieValues(fields, config.device.proofName),
  })

  const needsSealKeys = () => {
    if (!config.opens) throw new ConfigError('check keys neither open nor seal; export day keys with the rights "open"')
  }

  /** @type {Sessions['openTokens']} */
  const openValues = async (tokens, { now, bind } = {}) => {
    needsSealKeys()
    const { session, activity, proof = [], chunks = [] } = tokens ?? {}
    if (![session, activity, proof].every(isTexts) || !Array.isArray(chunks) || !chunks.every(isTexts)) {
      throw new TypeError('`session`, `activity` and `proof` are lists of texts, and `chunks` is a list of such lists')
    }
    return openTokens(config, { session, activity, proof, chunks }, readBind(bind), instant(now))
  }

  /** @type {Sessions['open']} */
  const open = async (fields, at) => openValues(scan(fields), at)

  /**
   * The names of the other cookies that came with a request, and of those that its session takes.
   * @type {(fields: CookieFields, chunks?: number) => string[]}
   */
  const came = (fields, chunks = 1) =>
    others.filter((name, index) => index + 1 < chunks || cookieValues(fields, name).length > 0)

  /** @type {(session: Session, data: unknown, before: readonly string[], at: At) => ReturnType<Sessions['start']>} */
  const writeBoth = async (session, data, before, { now, bind }) => {
    needsSealKeys()
    const written = await writeSession(config, session, data, before, readBind(bind), instant(now))
    const renewed = await writeActivity(config, written.session, readBind(bind), instant(now))
    return { ...written, session: renewed.session, setCookie: [...written.setCookie, ...renewed.setCookie] }
  }

  /**
   * Whether the session has been refused since. A write, and above all a new id, must not carry it past its revocation.
   * @type {(session: Session) => Promise<boolean>}
   */
  const isRevoked = async ({ id, startedAt }) => startedAt < config.cutOff || (await config.isRevoked(id))

  /** @type {(session: Session) => Promise<void>} */
  const needsSession = async (session) => {
    needsSealKeys()
    if (await isRevoked(readSession(session))) {
      throw new SealError('the session was revoked after it was opened; treat the visitor as a guest')
    }
  }

  return {
    cookieName: config.name,
    activityCookieName: config.activityName,
    open,
    openTokens: openValues,

    async require(fields, at) {
      const { session } = await open(fields, at)
      if (session === null) throw new NoSession()
      return session
    },

    async check(fields, { now, bind } = {}) {
      return checkTokens(config, scan(fields), readBind(bind), instant(now))
    },

    strip: (fields) => withoutCookies(fields, [...names, ...others]),

    async start(data, { now, bind, remembered = false, cookies } = {}) {
      if (remembered && config.lifetimes.remembered === null) {
        throw new SealError('this application remembers no sessions; set `remembered` in the options first')
      }
      const at = instant(now)
      const expiresAt = at + lifetimeOf(config.lifetimes, remembered).absolute
      const times = { startedAt: at, sealedAt: at, expiresAt, activeUntil: null, device: null }
      const session = { id: newSessionId(), keyId: '', ...times, remembered, chunks: 1, payload: NO_BIND, data: null }
      return writeBoth(session, data, came(cookies), { now: at, bind })
    },

    async seal(session, data, { now, bind, cookies } = {}) {
      await needsSession(session)
      return writeSession(config, session, data, came(cookies, session.chunks), readBind(bind), instant(now))
    },

    async cycle(session, { now, bind, cookies } = {}) {
      await needsSession(session)
      const next = { ...session, id: newSessionId() }
      return writeBoth(next, session.payload, came(cookies, session.chunks), { now: instant(now), bind })
    },

    async renew(session, { now, bind } = {}) {
      needsSealKeys()
      if (await isRevoked(readSession(session))) return { session, token: null, setCookie: [] }
      return writeActivity(config, session, readBind(bind), instant(now))
    },

    renewalIsDue(session, { now } = {}) {
      const lifetime = lifetimeOf(config.lifetimes, session.remembered)
      const next = activeUntil(lifetime, instant(now), session.expiresAt)
      if (lifetime.idle === null || next === null || session.activeUntil === null) return false
      return isWorthRenewing(lifetime.idle, session.activeUntil, next, session.expiresAt)
    },

    clear(fields) {
      // Without the request's cookies, it is not known which of the others came.
      const chunks = fields !== undefined ? came(fields) : config.chunks > 1 ? others : []
      return [...chunks, ...names].map(writeRemoval)
    },
  }
}

/** @type {(bind?: Uint8Array) => Uint8Array} */
function readBind(bind = NO_BIND) {
  // A text would become bytes that are all zero.
  if (!isBytes(bind)) throw new TypeError('`bind` is a Uint8Array')
  return bind
}
