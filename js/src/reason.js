// Why a token was rejected, in the order in which the checks are made (SPEC.md, "Opening").

/** @typedef {import('../index.d.ts').Reason} Reason */

/** The meaning of each reason, for logs. Facts that are not verified yet are worded as claims of the sender. */
const MEANINGS = /** @type {const} */ ({
  'malformed': 'what was sent is not a token',
  'unknown version': 'what was sent claims to be of an unknown version',
  'expired': 'what was sent claims to have expired',
  'expires too far': 'what was sent claims to expire later than any token may',
  'unknown key': 'what was sent claims to be sealed with a key that is not here',
  'not ours': 'the check does not match: another secret, cookie name, audience or bind, or an altered head',
  'incomplete': 'the session takes several cookies, and not all of them came',
  'damaged': 'the head is genuine but the sealed state was altered',
  'unknown flags': 'the token carries flags of a newer version',
  'started in future': "the session started more than 5 minutes ahead of this server's clock",
  'proven in future': "the device's proof was made more than 5 minutes ahead of this server's clock",
  'too old': 'the session is older than the absolute timeout',
  'revoked': 'the session started before the cut-off or its id is revoked',
  'idle': 'the session was not used within the idle timeout',
  'unproven': 'the session is bound to a device, which has not proven its key',
  'payload': 'the session data is not JSON',
})

/** All reasons, in order. */
export const REASONS = /** @type {Reason[]} */ (Object.keys(MEANINGS))

/** @type {(reason: Reason) => string} */
export function describeReason(reason) {
  return MEANINGS[reason]
}

/**
 * Whether the reason is only a claim of the sender's token, because it was refused before its check was verified.
 * @type {(reason: Reason) => boolean}
 */
export function isClaim(reason) {
  return REASONS.indexOf(reason) < REASONS.indexOf('not ours')
}

/**
 * The reason of the later check; the first of two equal ones.
 * @type {(one: Reason | null, other: Reason) => Reason}
 */
export function further(one, other) {
  return one !== null && REASONS.indexOf(one) >= REASONS.indexOf(other) ? one : other
}
