// The sessions of an application: options in, functions out.

import { isBytes } from './bytes.js'
import { checkTokens } from './check.js'
import { MOST_CHUNKS, chunkNames } from './chunks.js'
import { cookieValues, hasCookies, headersOf, isTexts, valuesOf, withoutCookies, writeRemoval } from './cookie.js'
import { revocationsOf } from './end.js'
import { ConfigError, KeyError, NoSession, SealError } from './errors.js'
import { answer, isPrefetch, originNames, sendsSessions } from './finish.js'
import { handleOf } from './handle.js'
import { activeUntil, isWorthRenewing, lifetimeOf } from './lifetime.js'
import { openTokens } from './open.js'
import { newSessionId, readSession, writeActivity, writeSession, written } from './seal.js'
import { openSource } from './source.js'
import { instant } from './time.js'

/** @typedef {import('../index.d.ts').Sessions} Sessions */
/** @typedef {import('../index.d.ts').Session} Session */
/** @typedef {import('../index.d.ts').Cookie} Cookie */
/** @typedef {import('../index.d.ts').CookieFields} CookieFields */
/** @typedef {import('../index.d.ts').At} At */
/** @typedef {import('./config.js').Config} Config */

const NO_BIND = new Uint8Array()

/** @type {(options: import('../index.d.ts').Options) => Promise<any>} */
export async function createSessions(options) {
  const source = await openSource(options)

  /**
   * The names of all cookies of a session: those of the other chunks first.
   * @type {(config: Config) => string[]}
   */
  const namesOf = ({ name, activityName, device }) => [
    ...chunkNames(name),
    name,
    activityName,
    ...(device === null ? [] : [device.proofName]),
  ]

  /** @type {(config: Config, fields: CookieFields) => import('./open.js').Tokens} */
  const scan = (config, fields) => {
    const values = valuesOf(fields, namesOf(config))
    const [session, activity, proof = []] = values.slice(MOST_CHUNKS - 1)
    return { session, chunks: values.slice(0, MOST_CHUNKS - 1), activity, proof }
  }

  /**
   * Whether a session cookie came. While no keys have said its name, and no option, it may be any cookie.
   * @type {(config: Config, fields: CookieFields) => boolean}
   */
  const mayHaveCome = ({ name, keyless }, fields) =>
    keyless && options.name === undefined ? hasCookies(fields) : cookieValues(fields, name).length > 0

  /** The configuration in use, for calls that open or write. */
  const opening = async () => {
    const config = await source.current()
    if (!config.opens) {
      throw new ConfigError('check keys neither open nor seal; export day keys with the rights "open"')
    }
    return config
  }

  const writing = async () => {
    const config = await opening()
    if (config.keyless) throw new KeyError('no keys have arrived yet, so no session can be written or ended')
    return config
  }

  /**
   * A worker has no list of its own.
   * @type {(config: Config) => void}
   */
  const mustRevoke = ({ revoke }) => {
    if (revoke !== undefined) return
    throw new ConfigError('say where revocations go: `revoke: async (bytes) => …`, or `revoke: null` if copies may live on')
  }

  /** @type {Sessions['openTokens']} */
  const openValues = async (tokens, { now, bind } = {}) => {
    const config = await opening()
    const { session, activity, proof = [], chunks = [] } = tokens ?? {}
    if (![session, activity, proof].every(isTexts) || !Array.isArray(chunks) || !chunks.every(isTexts)) {
      throw new TypeError('`session`, `activity` and `proof` are lists of texts, and `chunks` is a list of such lists')
    }
    return openTokens(config, { session, activity, proof, chunks }, readBind(bind), instant(now))
  }

  /** @type {Sessions['open']} */
  const open = async (fields, { now, bind } = {}) => {
    const config = await opening()
    const at = instant(now)
    if (config.keyless && mayHaveCome(config, fields)) {
      return { state: 'unknown', session: null, reason: 'unknown key', duplicates: false }
    }
    return openTokens(config, scan(config, fields), readBind(bind), at)
  }

  /**
   * The names of the other cookies that came with a request, and of those that its session takes.
   * @type {(config: Config, fields: CookieFields, chunks?: number) => string[]}
   */
  const came = (config, fields, chunks = 1) => {
    const values = valuesOf(fields, chunkNames(config.name))
    return chunkNames(config.name).filter((_, index) => index + 1 < chunks || values[index].length > 0)
  }

  /**
   * Both cookies of a session.
   * @type {(config: Config, session: Session, data: unknown, before: readonly string[], at: At)
   *   => Promise<import('../index.d.ts').Written & { token: string }>}
   */
  const writeBoth = async (config, session, data, before, { now, bind }) => {
    const one = await writeSession(config, session, data, before, readBind(bind), instant(now))
    const other = await writeActivity(config, one.session, readBind(bind), instant(now))
    return written(other.session, one.token, [...one.cookies, ...other.cookies])
  }

  /**
   * Whether the session has been refused since. A write, and above all a new id, must not carry it past its revocation.
   * @type {(config: Config, session: Session) => Promise<boolean>}
   */
  const isRevoked = async (config, { id, startedAt }) => startedAt < config.cutOff || (await config.isRevoked(id))

  /**
   * Whether a response with this status may send this session, or a renewal of it.
   * @type {(config: Config, session: Session, status: number, now: number) => Promise<boolean>}
   */
  const maySend = async (config, session, status, now) =>
    sendsSessions(status) && session.expiresAt > now && !(await isRevoked(config, readSession(session)))

  /** @type {(config: Config, session: Session) => Promise<void>} */
  const mustBeValid = async (config, session) => {
    if (await isRevoked(config, readSession(session))) {
      throw new SealError('the session was revoked after it was opened; treat the visitor as a guest')
    }
  }

  /**
   * The activity cookie; none where the keys of its day are not there, since nobody asked for it.
   * @type {(config: Config, session: Session, bind: Uint8Array, now: number) => Promise<Cookie[]>}
   */
  const renewalOf = async (config, session, bind, now) => {
    try {
      return (await writeActivity(config, session, bind, now)).cookies
    } catch (error) {
      if (error instanceof SealError) return []
      throw error
    }
  }

  /** @type {(config: Config, session: Session, now: number) => boolean} */
  const isDue = ({ lifetimes }, session, now) => {
    const lifetime = lifetimeOf(lifetimes, session.remembered)
    const next = activeUntil(lifetime, now, session.expiresAt)
    if (lifetime.idle === null || next === null || session.activeUntil === null) return false
    return isWorthRenewing(lifetime.idle, session.activeUntil, next, session.expiresAt)
  }

  /** @type {Sessions} */
  const sessions = {
    get cookieName() {
      return source.config.name
    },
    get activityCookieName() {
      return source.config.activityName
    },
    open,
    openTokens: openValues,

    async require(fields, at) {
      const { session } = await open(fields, at)
      if (session === null) throw new NoSession()
      return session
    },

    async check(fields, { now, bind } = {}) {
      const config = await source.current()
      const at = instant(now)
      if (config.keyless && mayHaveCome(config, fields)) {
        return { state: 'unknown', ids: [], reason: 'unknown key', duplicates: false }
      }
      return checkTokens(config, scan(config, fields), readBind(bind), at)
    },

    strip: (fields) => withoutCookies(fields, namesOf(source.config)),

    async start(data, { now, bind, remembered = false, cookies } = {}) {
      const config = await writing()
      if (remembered && config.lifetimes.remembered === null) {
        throw new SealError('this application remembers no sessions; set `remembered` in the options first')
      }
      const at = instant(now)
      const expiresAt = at + lifetimeOf(config.lifetimes, remembered).absolute
      const times = { startedAt: at, sealedAt: at, expiresAt, activeUntil: null, device: null }
      const session = { id: newSessionId(), keyId: '', ...times, remembered, chunks: 1, payload: NO_BIND, data: null }
      const started = await writeBoth(config, session, data, came(config, cookies), { now: at, bind })
      if (cookies !== undefined) mustRevoke(config)
      const revocations = await revocationsOf(config, scan(config, cookies), readBind(bind), at)
      return { ...started, revocations }
    },

    async seal(session, data, { now, bind, cookies } = {}) {
      const config = await writing()
      await mustBeValid(config, session)
      const names = came(config, cookies, session.chunks)
      return writeSession(config, session, data, names, readBind(bind), instant(now))
    },

    async cycle(session, { now, bind, cookies } = {}) {
      const config = await writing()
      await mustBeValid(config, session)
      const next = { ...session, id: newSessionId() }
      const names = came(config, cookies, session.chunks)
      return writeBoth(config, next, session.payload, names, { now: instant(now), bind })
    },

    async renew(session, { now, bind } = {}) {
      const config = await writing()
      if (await isRevoked(config, readSession(session))) return written(session, null, [])
      return writeActivity(config, session, readBind(bind), instant(now))
    },

    renewalIsDue: (session, { now } = {}) => isDue(source.config, session, instant(now)),

    async end(fields, { now, bind } = {}) {
      const config = await writing()
      mustRevoke(config)
      const revocations = await revocationsOf(config, scan(config, fields), readBind(bind), instant(now))
      const names = [...came(config, fields), ...namesOf(config).slice(MOST_CHUNKS - 1)]
      return written(null, null, names.map((name) => writeRemoval(config.attributes, name)), revocations)
    },

    async finish(request, response, outcome, { now, bind } = {}) {
      const config = await opening()
      const at = instant(now)
      const headers = headersOf(request)
      const names = namesOf(config)
      const write = outcome !== null && outcome !== undefined && 'setCookie' in outcome ? outcome : null
      const session = /** @type {Session | null} */ (write === null ? (outcome ?? null) : write.session)
      if (session !== null) readSession(session)
      const depends = write !== null || session !== null || mayHaveCome(config, headers)
      const own = originNames(response.headers, names)
      let sent = write
      /** @type {Cookie[]} */
      let renewal = []
      if (session !== null) {
        const renews = !config.keyless && !isPrefetch(headers) && isDue(config, session, at)
        if ((write !== null || renews) && !(await maySend(config, session, response.status, at))) {
          // What ended before stays ended.
          sent = write?.ended ?? null
        } else if (renews) renewal = await renewalOf(config, session, readBind(bind), at)
      }
      // Where the origin wrote or ended the session, that counts, except over an end.
      if (sent !== null && sent.session !== null && own.includes(config.name)) sent = null
      const hasActivity = own.length > 0 || sent?.cookies.some(({ name }) => name === config.activityName)
      const cookies = [...(sent?.cookies ?? []), ...(hasActivity ? [] : renewal)]
      // These have no fields that a browser or a cache would read, and nothing can be made of them again.
      const page =
        response.status < 200 ? response : answer(response, names, cookies, { cookieName: config.name, depends })
      if (sent !== null && sent.revocations !== null) await config.revoke?.(sent.revocations)
      return page
    },

    load: (request, at) => handleOf(sessions, request, at),

    async reaches({ now } = {}) {
      const config = await source.current()
      return config.keyless ? 0 : config.reaches(instant(now))
    },
    replaceKeys: (keys) => source.replace(keys),
  }
  return sessions
}

/** @type {(bind?: Uint8Array) => Uint8Array} */
function readBind(bind = NO_BIND) {
  // A text would become bytes that are all zero.
  if (!isBytes(bind)) throw new TypeError('`bind` is a Uint8Array')
  return bind
}
