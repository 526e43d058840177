/** Why a token was rejected, in the order in which the checks are made. For logs; a visitor sees "no session". */
export type Reason =
  | 'malformed'
  | 'unknown version'
  | 'expired'
  | 'expires too far'
  | 'unknown key'
  | 'not ours'
  | 'incomplete'
  | 'damaged'
  | 'unknown flags'
  | 'started in future'
  | 'proven in future'
  | 'too old'
  | 'revoked'
  | 'idle'
  | 'unproven'
  | 'payload'

/** A `Headers` of any runtime. */
export interface FetchHeaders {
  get(name: string): string | null
  getSetCookie(): string[]
}

/** A request, its header fields, or its one or several `Cookie` fields as they came. */
export type CookieFields =
  string | readonly string[] | FetchHeaders | { readonly headers: FetchHeaders } | null | undefined

/** The time, and the bind. */
export interface At {
  /** Unix seconds. Default: the clock. */
  now?: number
  /** One opaque value that both sides know and that does not travel, such as the hash of a client certificate. */
  bind?: Uint8Array
}

/** One secret: its public id and the root that everything is derived from, which cannot be read back nor sent elsewhere. */
export interface Key {
  readonly id: string
  readonly root: object
}

export interface RingEntry {
  /** Every key opens; one of them seals. */
  role: 'seal' | 'open'
  key: Key
  /** The Unix second from which this key seals. Default: from the beginning. */
  from?: number
}

/** The keys of an application: exactly one seals at any time, all open. */
export interface Ring {
  readonly keys: ReadonlyMap<string, Key>
  /** From Unix second to key id. */
  readonly sealing: ReadonlyMap<number, string>
}

/** Keys of single days for one cookie name and audience, for an edge that holds no root secret. */
export interface DayKeys {
  format: 'sealed-session day keys v1'
  /** Name of the session cookie. */
  name: string
  audience: string
  rights: 'check' | 'open'
  /** The server's timeouts, as the options of these names: the defaults of `createSessions` with these keys. */
  idle?: number | null
  absolute?: number
  remembered?: { idle: number | null; absolute: number } | null
  /** There with device binding: how long a proof is valid, in seconds. */
  device?: { proof: number }
  /** With the rights `open` only: which keys seal, from which Unix second on; exactly one from 0. */
  sealing?: { key_id: string; from: number }[]
  keys: {
    /** 8 hexadecimal digits. */
    key_id: string
    /** The UTC day on which the tokens expire: floor(expires / 86400). */
    day: number
    /** 64 hexadecimal digits each; `seal` with the rights `open` only. */
    session: { check: string; seal?: string }
    /** Of the activity cookie: missing where no session has an idle timeout, and for a check with device binding. */
    activity?: { check: string }
    /** Of proofs: with device binding and the rights `open` only. */
    proof?: { check: string }
  }[]
}

export interface ExportOptions {
  /** Default: `__Host-id`. */
  name?: string
  /** Default: empty. */
  audience?: string
  /**
   * With device binding, `check` gives no keys of the activity cookie, and `check activity` does: **its holder can unbind
   * sessions from their devices**. Without device binding, both are the same.
   */
  rights: 'check' | 'check activity' | 'open'
  /** UTC days on which the tokens expire, in days since 1970. */
  days: readonly number[]
  /** The server's timeouts, if they are not the defaults: written down for the edge. */
  idle?: number | null
  absolute?: number
  remembered?: { idle: number | null; absolute: number } | null
  /** The server's device binding, if it has one. Default: null. */
  device?: { proof?: number } | null
}

/** A session that opened. */
export interface Session<T = any> {
  /** 16 hexadecimal digits. No credential: it may be logged, and a list of revoked sessions keys on it. */
  readonly id: string
  /** The key that it was sealed with. */
  readonly keyId: string
  /** When it began, in Unix seconds. */
  readonly startedAt: number
  /** When this state was written. */
  readonly sealedAt: number
  /** When it was opened; missing for a session that was started and has not been opened since. */
  readonly openedAt?: number
  /** When it ends at the latest, whatever happens. */
  readonly expiresAt: number
  /** When it ends if no further request arrives; null without an idle timeout. */
  readonly activeUntil: number | null
  /** The device, 32 hexadecimal digits, to which the session is bound and which has proven itself; null if to none. */
  readonly device: string | null
  readonly remembered: boolean
  /** How many cookies it came in, or was written into. */
  readonly chunks: number
  /** The JSON as bytes: what to read if integers may exceed 2^53. */
  readonly payload: Uint8Array<ArrayBuffer>
  /** The JSON as a value. */
  readonly data: T
}

/** Tell the cases apart by `state`, or by whether `session` is null. */
export type Opened<T = any> = {
  /** Several session cookies came: an attacker may have tossed one in. */
  duplicates: boolean
} & (
  | { state: 'valid'; session: Session<T>; reason: null }
  /** No cookie of ours came. */
  | { state: 'absent'; session: null; reason: null }
  /**
   * `unknown`: a key, day or version that is not known here. There is no session, and another server may open it: pass it on,
   * and leave the cookies alone. `rejected`: it opens nowhere. The reason is that of the token that passed most checks.
   */
  | { state: 'rejected' | 'unknown'; session: null; reason: Reason }
)

export interface Checked {
  /**
   * `live`: a key holder made the head and it has not expired. This does not prove a session, nor a device.
   * `unknown`: a key or version that is not known here, or activity beyond this idle timeout; another server may know it.
   * With device binding this is every session that may be good, unless the activity keys were given: never strip it.
   * `dead`: none of the tokens can open anywhere.
   */
  state: 'live' | 'absent' | 'unknown' | 'dead'
  /** The session ids of the genuine heads that are not dead: for logs and routing. */
  ids: string[]
  reason: Reason | null
  duplicates: boolean
}

/** A cookie to send, as the cookie calls of frameworks take it. */
export interface Cookie {
  name: string
  value: string
  options: {
    path: string
    domain?: string
    secure: boolean
    httpOnly: true
    sameSite: 'strict' | 'lax' | 'none'
    partitioned?: boolean
    /** Seconds; missing for a cookie that ends with the browser's session. */
    maxAge?: number
    /** In 1970, to remove a cookie. */
    expires?: Date
  }
}

/** What a response has to send: give it to `finish`, or set the cookies yourself and hand on the revocations. */
export interface Written<T = any> {
  session: Session<T>
  /**
   * What was sealed: the session token, or for `renew` the activity token. Null if there was nothing to do. A session in
   * several cookies is cut into the values of `cookies`.
   */
  token: string | null
  cookies: Cookie[]
  /** The same as `Set-Cookie` lines. */
  setCookie: string[]
  /** The sessions that this replaces, in the bytes of a revocation list; null for none. */
  revocations: Uint8Array<ArrayBuffer> | null
  /** The end before it in the same request, which is sent where the session may not be. */
  ended?: Ended | null
}

/** The end of a session: the removal of its cookies, and the revocation of all that came. */
export type Ended = Omit<Written, 'session' | 'token' | 'ended'> & { session: null; token: null; ended?: Ended | null }

export type Keys = string | Ring | DayKeys

export interface Options {
  /**
   * The text of a key ring or of exported day keys, or what `parseRing`, `makeRing` or `parseDayKeys` gave; or a function that
   * gives one of these. It is asked again; if it fails, the last keys stay. Until it gives keys for the first time, each
   * session is `unknown`.
   */
  keys: Keys | (() => Keys | null | Promise<Keys | null>)
  /** Seconds until a function of keys is asked again. Default: 60. */
  keysEvery?: number
  /** Hears why a function gave no keys, or keys that were refused. Default: `console.error`. */
  onKeyError?: (error: Error) => void | Promise<void>
  /** Name of the session cookie. Default: `__Host-id`. */
  name?: string
  /** Application and environment, as on the server. Default: empty. */
  audience?: string
  /** Idle timeout in seconds; null for none. Default: what the day keys say, or 1800; `absolute` if that is shorter. */
  idle?: number | null
  /** Absolute timeout in seconds. Default: what the day keys say, or 43200. */
  absolute?: number
  /** Timeouts of remembered sessions in seconds. Default: what the day keys say, or null: no session is remembered. */
  remembered?: { idle: number | null; absolute: number } | null
  /**
   * How the server binds sessions to devices: `proof` is the lifetime of a proof in seconds, 61 to 86400, by default 660.
   * With null, a bound session is idle here. Default: what the day keys say, or null.
   */
  device?: { proof?: number } | null
  /** Sessions that started before this Unix second are refused. Default: 0. */
  cutOff?: number
  /** Ids of revoked sessions, or a function that knows them. A `Set` may be changed later. Default: none. */
  revoked?: Iterable<string> | ((id: string) => boolean | Promise<boolean>)
  /**
   * Takes the revocations of `end` and `start`, bytes of a revocation list, to your servers' list and to `revoked` here. Called
   * by `finish`, which waits for it and fails if it fails. Null: copies of a cookie stay valid after a sign-out. Without it,
   * `end` throws, and `start` with the cookies of a request.
   */
  revoke?: ((revocations: Uint8Array<ArrayBuffer>) => void | Promise<void>) | null
  /**
   * Attributes of the cookies, as on the server. Default: `Path=/; Secure; SameSite=Lax`, without a domain. `HttpOnly` is always
   * set.
   */
  cookie?: {
    path?: string
    domain?: string
    secure?: boolean
    sameSite?: 'strict' | 'lax' | 'none' | 'Strict' | 'Lax' | 'None'
    partitioned?: boolean
  }
  /** Pads the JSON with spaces to a multiple of this many bytes, in the cookies that it needs anyway. Default: 1, none. */
  padTo?: number
  /**
   * How many cookies a session that is written here may take, 1 to 4, if one does not hold it. All are read, up to four,
   * whatever this says. Default: 1.
   */
  chunks?: number
  /** The most bytes that all cookies of a session in several may take in one `Cookie` field. Default: 7500. */
  largestCookies?: number
}

/**
 * Nothing throws because of a cookie. A call throws a `TypeError` for an argument of another kind, a `ConfigError` where check
 * keys would have to open, and a `SealError` where it cannot seal.
 */
export interface Sessions<T = any> {
  readonly cookieName: string
  readonly activityCookieName: string
  /** Opens the session of a request. A cookie that does not open is no error. */
  open(fields: CookieFields, at?: At): Promise<Opened<T>>
  /** The same for cookie values that were taken from the header already. */
  openTokens(
    tokens: {
      session: readonly string[]
      activity: readonly string[]
      proof?: readonly string[]
      /** The values of the cookies whose names end in `.2`, `.3` and `.4`. */
      chunks?: readonly (readonly string[])[]
    },
    at?: At,
  ): Promise<Opened<T>>
  /** The session, or a `NoSession` error that looks the same for every reason. */
  require(fields: CookieFields, at?: At): Promise<Session<T>>
  /** Whether the session cookies of a request are certainly dead. To drop and to route, never to grant access. */
  check(fields: CookieFields, at?: At): Promise<Checked>
  /** The `Cookie` field without our cookies, those of a session in several too; '' if nothing else is in it. */
  strip(fields: CookieFields): string
  /**
   * Begins a session with a new id, bound to no device: after every authentication. Both cookies. With the request's
   * `cookies`, the sessions that came are revoked (needs the option `revoke`), and cookies removed that are left of a session
   * in several.
   */
  start(data: T, at?: At & { remembered?: boolean; cookies?: CookieFields }): Promise<Written<T> & { token: string }>
  /**
   * Writes other data (a value, or JSON as bytes) into an open session: same id, same start. The session cookie. Refused, as
   * `start` and `cycle` do, if the server would refuse to read the data; if `session` or the value has an integer that
   * JavaScript does not keep exactly; and if the session was revoked after it was opened. `cookies` as for `start`.
   */
  seal(session: Session<T>, data: T, at?: At & { cookies?: CookieFields }): Promise<Written<T> & { token: string }>
  /** New id, same data, same start, same device: at a change of privilege. Both cookies. `cookies` as for `start`. */
  cycle(session: Session<T>, at?: At & { cookies?: CookieFields }): Promise<Written<T> & { token: string }>
  /**
   * Says that the session was used, and keeps its device: the activity cookie alone, and nothing if it was revoked after it
   * was opened.
   */
  renew(session: Session<T>, at?: At): Promise<Written<T>>
  /** Whether a renewal is worth a cookie. */
  renewalIsDue(session: Session<T>, at?: { now?: number }): boolean
  /** Ends the session of a request: removes its cookies, and revokes every session that came. Needs the option `revoke`. */
  end(fields: CookieFields, at?: At): Promise<Ended>
  /**
   * The response with its cookies and with the fields that caches read, by the rules of SPEC.md, for a request whose session
   * was looked at. `outcome` is the session that `open` gave or null, or what a write or `end` gave; for several writes in one
   * request there is `load`. A session that was only read is renewed when that is due. Nothing is sent with 304 and 5xx but an
   * end. If the response has a line of the session cookie already, as that of an origin may, that counts, except over an
   * end; any line of our cookies stops a renewal. 101 is given back as it is. The rows of device binding are not here.
   */
  finish(
    request: FetchHeaders | { readonly headers: FetchHeaders },
    response: Response,
    outcome: Session<T> | Written<T> | Ended | null | undefined,
    at?: At,
  ): Promise<Response>
  /** The session of one request, opened when it is first looked at: `open`, the writes and `finish` in one. */
  load(request: { readonly headers: FetchHeaders }, at?: At): SessionHandle<T>
  /** The Unix second until which the keys know every session; `Infinity` for a key ring, 0 while no keys have arrived. */
  reaches(at?: { now?: number }): Promise<number>
  /** Goes on with other keys for the same cookie name and audience, with the same rights. If they are refused, the old ones stay. */
  replaceKeys(keys: Keys): Promise<void>
}

/** The session of one request. */
export interface SessionHandle<T = any> {
  /** What `open` gave for the request. */
  opened(): Promise<Opened<T>>
  /** The data; null without a session, also where it is `unknown`. */
  get(): Promise<T | null>
  /** The session itself; null without one. */
  session(): Promise<Session<T> | null>
  /** Begins a session with a new id, after every authentication; those that came are revoked. Needs the option `revoke`. */
  start(data: T, options?: { remembered?: boolean }): Promise<void>
  /** Writes other data; false without a session. */
  set(data: T): Promise<boolean>
  /** Gives the session a new id, at a change of privilege; false without a session. */
  cycle(): Promise<boolean>
  /** Ends the session, as `Sessions.end`. */
  end(): Promise<void>
  /**
   * The response as it has to be sent, after all writes. One that did not look at the session stays as it is. Then nothing can
   * be written any more, nor a session be looked at for the first time.
   */
  finish(response: Response): Promise<Response>
}

/**
 * Reads a snapshot or a delta of a server's revocation list: the options `cutOff` and `revoked` of `createSessions`.
 * Entries that have ended at `now` (Unix seconds, default: the clock) are left out. Throws a `RevocationsError` for any other
 * bytes.
 */
export function readRevocations(bytes: Uint8Array, at?: { now?: number }): { cutOff: number; revoked: Set<string> }

/** The unencrypted fields of a token: not verified. */
export interface Claims {
  kind: 'session' | 'activity'
  keyId: string
  expires: number
  sessionId: string
  /** How many cookies the session takes, of which this is the first; 1 for any other token. */
  chunks: number
  /** The device in an activity token of a bound session, 32 hexadecimal digits. */
  device: string | null
}

/**
 * Checks the options, all of them, and prepares the keys. Rejects with a `KeyError` or `ConfigError`; where `keys` is a
 * function, for the other options alone.
 */
export function createSessions<T = any>(options: Options): Promise<Sessions<T>>

/** Reads a written key, `sealed1_…`. */
export function parseKey(text: string): Promise<Key>
/** Takes 32 raw bytes of a key management service. */
export function keyFromRawSecret(secret: Uint8Array): Promise<Key>
/** Reads a written ring: `seal KEY`, `seal KEY from=TIME`, `open KEY`, or one bare KEY. */
export function parseRing(text: string): Promise<Ring>
/** A ring of keys that were read one by one. */
export function makeRing(entries: RingEntry[]): Ring
/** Reads exported day keys: JSON text, or what it parses to. */
export function parseDayKeys(json: unknown): DayKeys
/** Exports the keys of single days. */
export function exportDayKeys(ring: Ring, options: ExportOptions): Promise<DayKeys>

/** The unencrypted fields of a token: for inspection, not verified. */
export function readClaims(text: string): Claims | { reason: Reason }
/** All reasons, in order. */
export const REASONS: Reason[]
/** The meaning of a reason, for logs. */
export function describeReason(reason: Reason): string
/** Whether a reason is only the sender's claim. */
export function isClaim(reason: Reason): boolean

/** A key, a ring or exported day keys were refused. */
export class KeyError extends Error {}
/** A configuration was refused; the message says what to change. */
export class ConfigError extends Error {}
/** Bytes were refused as a revocation list. */
export class RevocationsError extends Error {}
/** Session state could not be sealed. */
export class SealError extends Error {}
/** The only error for visitors. */
export class NoSession extends Error {
  constructor()
}
