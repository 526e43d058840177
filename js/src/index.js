/* @ts-self-types="../index.d.ts" */
// Sessions of the Rust crate `sealed-session`, read and written outside Rust. The format is in SPEC.md.

export { createSessions } from './sessions.js'
export { keyFromRawSecret, parseKey } from './key.js'
export { makeRing, parseRing } from './ring.js'
export { exportDayKeys, parseDayKeys } from './day-keys.js'
export { readClaims } from './token.js'
export { describeReason, isClaim, REASONS } from './reason.js'
export { readRevocations } from './revocations.js'
export { ConfigError, KeyError, NoSession, RevocationsError, SealError } from './errors.js'
