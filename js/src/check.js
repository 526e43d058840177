// Recognising dead session cookies by their heads alone, as a holder of check keys can.

import { further } from './reason.js'
import { latestActivity, longestIdle } from './lifetime.js'
import { activityReasons, isUnknown, openActivity, screenSessions } from './open.js'
import { verifyHead } from './token.js'

/** @typedef {import('../index.d.ts').Checked} Checked */
/** @typedef {import('../index.d.ts').Reason} Reason */
/** @typedef {import('./config.js').Config} Config */
/** @typedef {import('./open.js').Tokens} Tokens */

/**
 * Whether a request's session cookies are certainly dead. Checked: steps 1 to 5 for the session token, that its id is
 * not revoked, and (if every session has an idle timeout) an activity token of the same id, be it bound to a device or
 * not. An activity token that ends later than this configuration allows belongs to another server's longer timeout; one
 * of a key or version that is not known here may be good. Not checked: the body, the start of the session, absolute
 * timeout, cut-off, and the proof of a device. So a session that opens is never dead here, but one that is live here
 * may not open: use this to drop and to route, never to grant access.
 * @type {(config: Config, tokens: Tokens, bind: Uint8Array, now: number) => Promise<Checked>}
 */
export async function checkTokens(config, tokens, bind, now) {
  const duplicates = tokens.session.length > 1
  if (tokens.session.length === 0) return { state: 'absent', ids: [], reason: null, duplicates }
  const { screened, reasons } = screenSessions(config, tokens.session, now)
  const unknownActivity = activityReasons(config, tokens.activity, now).find(isUnknown) ?? null
  let rejected = reasons.reduce(further, /** @type {Reason | null} */ (null))
  /** @type {Set<string>} */
  const live = new Set()
  /** @type {Set<string>} */
  const perhaps = new Set()
  for (const token of screened) {
    const { sessionId } = token.claims
    if (!(await verifyHead(config.session, token, bind, now))) rejected = further(rejected, 'not ours')
    else if (await config.isRevoked(sessionId)) rejected = further(rejected, 'revoked')
    else {
      const activity = await activityOf(config, tokens.activity, sessionId, bind, now)
      if (activity === 'active') live.add(sessionId)
      // With device binding, the keys of activity are missing by intent: such a session is not called idle in logs.
      else rejected = further(rejected, (config.device && unknownActivity) ?? 'idle')
      if (activity === 'ends later' || unknownActivity !== null) perhaps.add(sessionId)
    }
  }
  if (live.size > 0) return { state: 'live', ids: [...live], reason: null, duplicates }
  const unknown = perhaps.size > 0 || reasons.some(isUnknown)
  return { state: unknown ? 'unknown' : 'dead', ids: [...perhaps], reason: rejected ?? 'malformed', duplicates }
}

/**
 * The flags are sealed, so the longest idle timeout that the session may have counts.
 * @type {(config: Config, texts: readonly string[], sessionId: string, bind: Uint8Array, now: number)
 *   => Promise<'active' | 'ends later' | 'idle'>}
 */
async function activityOf(config, texts, sessionId, bind, now) {
  const idle = longestIdle(config.lifetimes)
  if (idle === null) return 'active'
  const activity = await openActivity(config, texts, [sessionId], bind, now)
  if (activity.length === 0) return 'idle'
  return activity.some(({ expires }) => expires <= latestActivity(idle, now)) ? 'active' : 'ends later'
}
