// Sign-outs: which sessions came with a request, and until when they have to be refused.

import { gather } from './chunks.js'
import { lifetimeOf } from './lifetime.js'
import { screenSessions } from './open.js'
import { writeRevocations } from './revocations.js'
import { LEEWAY, LONGEST_LIFE } from './time.js'
import { openSession } from './token.js'

/** @typedef {import('./bytes.js').Bytes} Bytes */
/** @typedef {import('./config.js').Config} Config */
/** @typedef {import('./open.js').Tokens} Tokens */

/**
 * The revocations of every session whose token came and passed steps 1 to 6, in the bytes of a revocation list; null for
 * none. An entry lasts until no server takes such a token any more.
 * @type {(config: Config, tokens: Tokens, bind: Uint8Array, now: number) => Promise<Bytes | null>}
 */
export async function revocationsOf(config, tokens, bind, now) {
  /** @type {Map<string, number>} */
  const entries = new Map()
  for (const token of screenSessions(config, tokens.session, now).screened) {
    const frame = await openSession(config.session, token, (token) => gather(config.name, token, tokens.chunks), bind, now)
    if ('reason' in frame) continue
    const { sessionId, expires } = token.claims
    const { absolute } = lifetimeOf(config.lifetimes, frame.remembered)
    const until = Math.min(Math.max(expires, frame.started + absolute), now + LONGEST_LIFE) + LEEWAY
    entries.set(sessionId, Math.max(until, entries.get(sessionId) ?? 0))
  }
  return entries.size === 0 ? null : writeRevocations(entries)
}
