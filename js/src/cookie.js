// Cookies on the wire: scanning `Cookie` fields, writing `Set-Cookie` lines.
//
// A runtime gives header fields as text, one character per byte or decoded as UTF-8. Names and tokens are ASCII, so both
// are the same here. Nothing is percent-decoded, and only space and tab are trimmed: in servers that do more, a sibling
// subdomain gets past the `__Host-` prefix.

import { tag } from './bytes.js'
import { ConfigError } from './errors.js'

/** @typedef {import('../index.d.ts').CookieFields} CookieFields */

/** The most bytes of name plus value; browsers drop larger cookies silently. Attributes do not count. */
export const LARGEST_COOKIE = 4096

/** @typedef {import('../index.d.ts').Cookie} Cookie */
/** @typedef {Omit<Cookie['options'], 'maxAge' | 'expires'>} Attributes */

const ATTRIBUTES = ['path', 'domain', 'secure', 'sameSite', 'partitioned']
const SAME_SITE = { strict: 'Strict', lax: 'Lax', none: 'None' }

/**
 * The raw values of all cookies called `name`, in order. A bad pair is skipped alone; quotes are part of a value.
 * @type {(fields: CookieFields, name: string) => string[]}
 */
export function cookieValues(fields, name) {
  return valuesOf(fields, [name])[0]
}

/**
 * The same for several names, in their order: the fields are gone through once.
 * @type {(fields: CookieFields, names: readonly string[]) => string[][]}
 */
export function valuesOf(fields, names) {
  /** @type {string[][]} */
  const values = names.map(() => [])
  for (const text of pairsOf(fields)) {
    const pair = parsePair(text)
    const index = pair === null ? -1 : names.indexOf(pair.name)
    if (pair !== null && index >= 0) values[index].push(pair.value)
  }
  return values
}

/**
 * Whether any cookie came.
 * @type {(fields: CookieFields) => boolean}
 */
export function hasCookies(fields) {
  return pairsOf(fields).some((text) => parsePair(text) !== null)
}

/**
 * The `Cookie` field without the cookies of these names: '' if nothing is left.
 * @type {(fields: CookieFields, names: readonly string[]) => string}
 */
export function withoutCookies(fields, names) {
  const kept = pairsOf(fields).filter((text) => !names.includes(parsePair(text)?.name ?? ''))
  return kept
    .map(trim)
    .filter((text) => text !== '')
    .join('; ')
}

/**
 * A cookie to send; without `maxAge` (in seconds) it ends with the browser session.
 * @type {(attributes: Attributes, name: string, value: string, maxAge: number | null) => Cookie}
 */
export function writeCookie(attributes, name, value, maxAge) {
  return { name, value, options: { ...attributes, ...(maxAge !== null && { maxAge }) } }
}

/**
 * What makes the browser forget the cookie. It repeats every attribute: with another path, domain or partition it would be
 * another cookie, and a `__Host-` line without `Secure` is itself refused.
 * @type {(attributes: Attributes, name: string) => Cookie}
 */
export function writeRemoval(attributes, name) {
  return { name, value: '', options: { ...attributes, maxAge: 0, expires: new Date(0) } }
}

/**
 * The `Set-Cookie` line. Name, value and attributes were checked, so nothing needs escaping.
 * @type {(cookie: Cookie) => string}
 */
export function lineOf({ name, value, options: { path, domain, maxAge, expires, secure, sameSite, partitioned } }) {
  const parts = [`${name}=${value}`, `Path=${path}`]
  if (domain !== undefined) parts.push(`Domain=${domain}`)
  if (maxAge !== undefined) parts.push(`Max-Age=${maxAge}`)
  if (expires !== undefined) parts.push(`Expires=${expires.toUTCString()}`)
  if (secure) parts.push('Secure')
  parts.push('HttpOnly', `SameSite=${SAME_SITE[sameSite]}`)
  if (partitioned) parts.push('Partitioned')
  return parts.join('; ')
}

/**
 * The attributes of the option `cookie`. Those that a browser would refuse, ignore or misread for this name are refused.
 * @type {(name: string, cookie?: import('../index.d.ts').Options['cookie']) => Attributes}
 */
export function readAttributes(name, cookie = {}) {
  if (tag(cookie) !== 'Object') throw new ConfigError('`cookie` is an object of attributes')
  const unknown = Object.keys(cookie).find((attribute) => !ATTRIBUTES.includes(attribute))
  if (unknown !== undefined) {
    throw new ConfigError(`\`cookie\` has no attribute \`${unknown}\`; it has ${ATTRIBUTES.join(', ')}`)
  }
  const { path = '/', domain, secure = true, partitioned = false } = cookie
  const { sameSite: given = 'lax' } = cookie
  const sameSite = /** @type {keyof typeof SAME_SITE} */ (typeof given === 'string' ? given.toLowerCase() : '')
  /** @type {(good: boolean, problem: string) => void} */
  const must = (good, problem) => {
    if (!good) throw new ConfigError(problem)
  }
  must(typeof path === 'string' && /^\/[\x21-\x3a\x3c-\x7e]*$/.test(path), 'the cookie path starts with `/`, in visible ASCII without `;`')
  const host = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/
  must(domain === undefined || (typeof domain === 'string' && host.test(domain)), 'the cookie domain is a host name in lower case, without a leading dot')
  must(typeof secure === 'boolean' && typeof partitioned === 'boolean', '`secure` and `partitioned` are true or false')
  must(Object.hasOwn(SAME_SITE, sameSite), '`sameSite` is "strict", "lax" or "none"')
  must(!/^__(Host-Http|Host)-/.test(name) || (path === '/' && domain === undefined), 'a name with `__Host-` allows no other path than `/` and no domain; choose another name, such as `__Secure-id`')
  must(secure || !name.startsWith('__'), 'browsers refuse a name that starts with `__` without `secure`; choose another name')
  must(secure || (sameSite !== 'none' && !partitioned), '`sameSite: "none"` and `partitioned` need `secure`')
  return { path, ...(domain !== undefined && { domain }), secure, httpOnly: true, sameSite, ...(partitioned && { partitioned }) }
}

/**
 * What is wrong with a cookie name, or null.
 * @type {(name: string) => string | null}
 */
export function nameProblem(name) {
  if (typeof name !== 'string' || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,255}$/.test(name)) {
    return 'the cookie name is not a token of 1 to 255 characters; use ASCII letters, digits, `-` and `_`'
  }
  // Browsers ignore case when they compare prefixes; most servers do not.
  for (const prefix of ['__Host-Http-', '__Host-', '__Secure-', '__Http-']) {
    if (!name.toLowerCase().startsWith(prefix.toLowerCase())) continue
    return name.startsWith(prefix) ? null : `browsers read the start of the cookie name as \`${prefix}\`; spell it so`
  }
  return null
}

/** @type {(fields: CookieFields) => string[]} */
function pairsOf(fields) {
  return textsOf(fields).flatMap((field) => field.split(';'))
}

/**
 * The `Cookie` fields as texts. Any other value would look like a guest's request: it is the caller's mistake, and refused.
 * @type {(fields: any) => readonly string[]}
 */
function textsOf(fields) {
  if (fields === null || fields === undefined) return []
  if (typeof fields === 'string') return [fields]
  if (isTexts(fields)) return fields
  return textsOf(headersOf(fields).get('Cookie'))
}

/**
 * The `Headers` of a request, or those that were given themselves.
 * @type {(fields: any) => Headers}
 */
export function headersOf(fields) {
  const headers = isHeaders(fields) ? fields : fields?.headers
  if (isHeaders(headers)) return headers
  throw new TypeError('cookies come as the text of the `Cookie` field, a list of such, or a `Request` or its `Headers`')
}

/** @type {(value: unknown) => value is readonly string[]} */
export function isTexts(value) {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

/**
 * Not by its class, which may be of another realm; and a cookie store has `get` too.
 * @type {(value: any) => boolean}
 */
function isHeaders(value) {
  return typeof value?.get === 'function' && typeof value.getSetCookie === 'function'
}

/**
 * Name and value; a part without `=` or without a name is no pair.
 * @type {(text: string) => { name: string, value: string } | null}
 */
export function parsePair(text) {
  const equals = text.indexOf('=')
  if (equals < 0) return null
  const name = trim(text.slice(0, equals))
  return name === '' ? null : { name, value: trim(text.slice(equals + 1)) }
}

/**
 * Without space and tab at both ends. (A pattern such as /[ \t]+$/ takes quadratic time on long runs of spaces.)
 * @type {(text: string) => string}
 */
function trim(text) {
  let [start, end] = [0, text.length]
  while (start < end && isBlank(text[start])) start++
  while (start < end && isBlank(text[end - 1])) end--
  return text.slice(start, end)
}

/** @type {(character: string) => boolean} */
function isBlank(character) {
  return character === ' ' || character === '\t'
}
