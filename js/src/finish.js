// What becomes of a response (SPEC.md, "What happens to a response"), for an edge that opens sessions.

import { makePrivate, mergeVary } from './cache.js'
import { lineOf, parsePair } from './cookie.js'

/** @typedef {import('../index.d.ts').Cookie} Cookie */

/**
 * Whether the browser, or a proxy, asks for a page that nobody has asked to see.
 * @type {(headers: Headers) => boolean}
 */
export function isPrefetch(headers) {
  return /^\s*prefetch/i.test(headers.get('Sec-Purpose') ?? '')
}

/**
 * Whether a response with this status may send a session: others are stored by caches, merged into what they stored, or
 * tell of a request that failed.
 * @type {(status: number) => boolean}
 */
export function sendsSessions(status) {
  return status >= 200 && status !== 304 && status < 500
}

/**
 * The response with these cookies, in place of lines of the same names, and with the fields that caches read.
 * @type {(response: Response, names: readonly string[], cookies: readonly Cookie[],
 *   read: { cookieName: string, depends: boolean }) => Response}
 */
export function answer(response, names, cookies, { cookieName, depends }) {
  const copy = new Response(response.body, response)
  const { headers } = copy
  const replaced = new Set(cookies.map(({ name }) => name))
  headers.delete('Set-Cookie')
  for (const line of response.headers.getSetCookie()) {
    if (!replaced.has(nameOf(line) ?? '')) headers.append('Set-Cookie', line)
  }
  for (const cookie of cookies) headers.append('Set-Cookie', lineOf(cookie))
  const sent = originNames(headers, names)
  if (depends || sent.length > 0) makePrivate(headers, sent.includes(cookieName))
  headers.set('Vary', mergeVary(headers.get('Vary')))
  return copy
}

/**
 * Of these names, those that the response sets or removes already.
 * @type {(headers: Headers, names: readonly string[]) => string[]}
 */
export function originNames(headers, names) {
  return headers
    .getSetCookie()
    .map(nameOf)
    .filter((name) => name !== null && names.includes(name))
    .map(String)
}

/**
 * The name of the cookie that a line sets, as browsers read it; null for a cookie without a name.
 * @type {(line: string) => string | null}
 */
function nameOf(line) {
  return parsePair(line.split(';', 1)[0])?.name ?? null
}
