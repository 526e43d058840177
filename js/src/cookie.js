// Cookies on the wire: scanning `Cookie` fields, writing `Set-Cookie` lines with the default attributes.
//
// A runtime gives header fields as text, one character per byte or decoded as UTF-8. Names and tokens are ASCII, so both
// are the same here. Nothing is percent-decoded, and only space and tab are trimmed: in servers that do more, a sibling
// subdomain gets past the `__Host-` prefix.

/** @typedef {import('../index.d.ts').CookieFields} CookieFields */

/** The most bytes of name plus value; browsers drop larger cookies silently. Attributes do not count. */
export const LARGEST_COOKIE = 4096

const ATTRIBUTES = 'Secure; HttpOnly; SameSite=Lax'

/**
 * The raw values of all cookies called `name`, in order. A bad pair is skipped alone; quotes are part of a value.
 * @type {(fields: CookieFields, name: string) => string[]}
 */
export function cookieValues(fields, name) {
  return pairsOf(fields).flatMap((text) => {
    const pair = parsePair(text)
    return pair !== null && pair.name === name ? [pair.value] : []
  })
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
 * One `Set-Cookie` line; without `maxAge` (in seconds) the cookie ends with the browser session.
 * @type {(name: string, value: string, maxAge: number | null) => string}
 */
export function writeCookie(name, value, maxAge) {
  return `${name}=${value}; Path=/; ${maxAge === null ? '' : `Max-Age=${maxAge}; `}${ATTRIBUTES}`
}

/**
 * The `Set-Cookie` line that makes the browser forget the cookie. It repeats every attribute, because a `__Host-` line
 * without `Secure` is itself refused.
 * @type {(name: string) => string}
 */
export function writeRemoval(name) {
  return `${name}=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; ${ATTRIBUTES}`
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
  const headers = isHeaders(fields) ? fields : fields.headers
  if (!isHeaders(headers)) {
    throw new TypeError(
      'cookies come as the text of the `Cookie` field, a list of such, or a `Request` or its `Headers`',
    )
  }
  return textsOf(headers.get('Cookie'))
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
function parsePair(text) {
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
