// Times are Unix seconds throughout.

/** How far two honest clocks may be apart, in seconds. */
export const LEEWAY = 5 * 60
/** A UTC day in seconds. */
export const DAY = 86_400
/** No token lives longer than this, in seconds: browsers cap cookies at 400 days. */
export const LONGEST_LIFE = 400 * DAY
/** The last second that a token can name. */
export const LAST_SECOND = 2 ** 32 - 1

/**
 * `now` as given, or the clock's. Anything but whole seconds is refused: a comparison with NaN would let every token
 * live, and one with milliseconds would end them all.
 * @type {(now?: number) => number}
 */
export function instant(now = Math.floor(Date.now() / 1000)) {
  if (!Number.isSafeInteger(now) || now < 0 || now > 100 * LAST_SECOND) {
    throw new TypeError('`now` is a time in whole Unix seconds')
  }
  return now
}

/** @type {(expires: number) => number} */
export function dayOf(expires) {
  return Math.floor(expires / DAY)
}
