// From the cookies of a request to its session: screening, opening, choosing.

import { further } from './reason.js'
import { gather } from './chunks.js'
import { judge, latestActivity, lifetimeOf } from './lifetime.js'
import { CHUNKED, PROOF, SESSION } from './token.js'
import { judgeProof, openSession, screen, screenActivity, textLength, verifyHead, verifySigned } from './token.js'

/** @typedef {import('../index.d.ts').Opened} Opened */
/** @typedef {import('../index.d.ts').Reason} Reason */
/** @typedef {import('../index.d.ts').Session} Session */
/** @typedef {import('./config.js').Config} Config */
/** @typedef {import('./token.js').Screened} Screened */
/** @typedef {import('./token.js').Frame} Frame */
/** @typedef {import('./bytes.js').Bytes} Bytes */

/**
 * The values of our cookies, in order.
 * @typedef {{ session: readonly string[], chunks: import('./chunks.js').Chunks, activity: readonly string[],
 *   proof: readonly string[] }} Tokens
 */
/** @typedef {{ sessionId: string, device: string | null, expires: number }} Activity */

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Most tokens of one request on which cryptography is spent. */
export const MOST_OPENED = 8

/**
 * Opens the session of a request. Of several tokens that open, it takes the one that started last, then the one that was
 * sealed last, then the one that came first.
 * @type {(config: Config, tokens: Tokens, bind: Uint8Array, now: number) => Promise<Opened>}
 */
export async function openTokens(config, tokens, bind, now) {
  const duplicates = tokens.session.length > 1
  if (tokens.session.length === 0) return { state: 'absent', session: null, reason: null, duplicates }
  const { screened, reasons } = screenSessions(config, tokens.session, now)
  let rejected = reasons.reduce(further, /** @type {Reason | null} */ (null))
  /** @type {{ token: Screened, frame: Frame }[]} */
  const opened = []
  for (const token of screened) {
    const frame = await openSession(config.session, token, (token) => gather(config.name, token, tokens.chunks), bind, now)
    const failed = 'reason' in frame ? frame.reason : await judgeSession(config, frame, token.claims.sessionId, now)
    if (failed !== null) rejected = further(rejected, failed)
    else opened.push({ token, frame: /** @type {Frame} */ (frame) })
  }
  // The sort is stable: among equals, the first one in the header stays first.
  opened.sort(({ frame: one }, { frame: other }) => other.started - one.started || other.sealed - one.sealed)
  const ids = opened.map(({ token }) => token.claims.sessionId)
  const activity = await openActivity(config, tokens.activity, ids, bind, now)
  const proven = await provenDevices(config, tokens.proof, activity, bind, now)
  for (const { token, frame } of opened) {
    const { sessionId, keyId, expires } = token.claims
    const { idle, absolute } = lifetimeOf(config.lifetimes, frame.remembered)
    const own = activity.filter((claims) => claims.sessionId === sessionId)
    const active = idle === null ? null : activeBy(own, proven, latestActivity(idle, now))
    if (typeof active === 'string') {
      rejected = further(rejected, active)
      continue
    }
    // 9. the payload deserialises
    const parsed = parsePayload(frame.payload)
    if (parsed === null) {
      rejected = further(rejected, 'payload')
      continue
    }
    /** @type {Session} */
    const session = {
      id: sessionId,
      keyId,
      startedAt: frame.started,
      sealedAt: frame.sealed,
      openedAt: now,
      // Configured limits only shorten a token's life.
      expiresAt: Math.min(expires, frame.started + absolute),
      activeUntil: active?.expires ?? null,
      device: active?.device ?? null,
      remembered: frame.remembered,
      chunks: token.chunks,
      payload: parsed.payload,
      data: parsed.data,
    }
    return { state: 'valid', session, reason: null, duplicates }
  }
  const unknown = reasons.some(isUnknown) || (opened.length > 0 && activityReasons(config, tokens.activity, now).some(isUnknown))
  return { state: unknown ? 'unknown' : 'rejected', session: null, reason: rejected ?? 'malformed', duplicates }
}

/**
 * Steps 1 to 4 for every session token: the tokens that need cryptography, and why the others were rejected.
 * @type {(config: Config, texts: readonly string[], now: number) => { screened: Screened[], reasons: Reason[] }}
 */
export function screenSessions(config, texts, now) {
  const screened = []
  /** @type {Reason[]} */
  const reasons = []
  for (const text of texts) {
    const token = screen(config.session, [SESSION, CHUNKED], text, config.longest, now)
    if ('reason' in token) reasons.push(token.reason)
    // A further token may be as good as the others, but the work for one request is bounded.
    else if (screened.length < MOST_OPENED) screened.push(token)
  }
  return { screened, reasons }
}

/**
 * Whether the token may be good for a server that has other keys or a newer version: then this one must not sign the
 * visitor out.
 * @type {(reason: Reason) => boolean}
 */
export function isUnknown(reason) {
  return reason === 'unknown key' || reason === 'unknown version'
}

/**
 * Why activity tokens were rejected before any cryptography.
 * @type {(config: Config, texts: readonly string[], now: number) => Reason[]}
 */
export function activityReasons({ activity, device }, texts, now) {
  if (activity === null) return []
  return texts.flatMap((text) => {
    const token = screenActivity(activity, device !== null, text, now)
    return 'reason' in token ? [token.reason] : []
  })
}

/**
 * Step 7, without the flags.
 * @type {(config: Config, frame: Frame, id: string, now: number) => Promise<Reason | null>}
 */
async function judgeSession(config, { started, remembered }, id, now) {
  const reason = judge(config.lifetimes, started, remembered, now, config.cutOff)
  if (reason !== null) return reason
  return (await config.isRevoked(id)) ? 'revoked' : null
}

/**
 * Step 8: the verified activity tokens that belong to one of the sessions with these ids.
 * @type {(config: Config, texts: readonly string[], ids: readonly string[], bind: Uint8Array, now: number)
 *   => Promise<Activity[]>}
 */
export async function openActivity({ activity, device, opens }, texts, ids, bind, now) {
  if (activity === null) return []
  const verified = []
  let tried = 0
  for (const text of texts) {
    const token = screenActivity(activity, device !== null, text, now)
    if ('reason' in token || !ids.includes(token.claims.sessionId)) continue
    if (tried++ === MOST_OPENED) break
    // Who checks heads alone keeps nothing.
    if (await (opens ? verifySigned : verifyHead)(activity, token, bind, now)) verified.push(token.claims)
  }
  return verified
}

/**
 * Step 8b: of the devices to which a session is bound, those of which a valid proof came.
 * @type {(config: Config, texts: readonly string[], activity: readonly Activity[], bind: Uint8Array, now: number)
 *   => Promise<Set<string | null>>}
 */
async function provenDevices({ device }, texts, activity, bind, now) {
  /** @type {Set<string | null>} */
  const proven = new Set()
  if (device === null || device.keys === null) return proven
  const bound = new Set(activity.flatMap((token) => token.device ?? []))
  let tried = 0
  for (const text of texts) {
    const token = screen(device.keys, [PROOF], text, textLength(PROOF), now)
    if ('reason' in token || !bound.has(token.claims.device ?? '')) continue
    if (tried++ === MOST_OPENED) break
    if ((await judgeProof(device.keys, token, bind, device.proof, now)) === null) proven.add(token.claims.device)
  }
  return proven
}

/**
 * Steps 8 and 8b for the activity tokens of one session: the one by which it is active until `latest` at most, or why
 * it is not. A token whose device has proven itself comes before a plain one.
 * @type {(activity: readonly Activity[], proven: ReadonlySet<string | null>, latest: number)
 *   => Activity | 'idle' | 'unproven'}
 */
function activeBy(activity, proven, latest) {
  const valid = activity.filter(({ expires }) => expires <= latest).sort((one, other) => other.expires - one.expires)
  const active = valid.find(({ device }) => proven.has(device)) ?? valid.find(({ device }) => device === null)
  return active ?? (valid.length > 0 ? 'unproven' : 'idle')
}

/**
 * JSON in UTF-8, perhaps padded with spaces; the payload is returned without them.
 * @type {(padded: Bytes) => { payload: Bytes, data: unknown } | null}
 */
export function parsePayload(padded) {
  let end = padded.length
  while (end > 0 && padded[end - 1] === 0x20) end--
  const payload = padded.slice(0, end)
  try {
    return { payload, data: JSON.parse(decoder.decode(payload)) }
  } catch {
    return null
  }
}
