// The fields that caches read (SPEC.md, "How fields are merged"): a response that depends on a session says so to all of them.

/** @typedef {{ text: string, name: string, argument: string | null }} Directive */

/** Directives that are dropped beside `private`; `private` itself is written anew, without an argument, at the front. */
const SHARED = ['public', 'private', 's-maxage', 'proxy-revalidate', 'stale-while-revalidate', 'stale-if-error']
/** Fields that caches obey instead of `Cache-Control`; the others end in the suffix below. */
const TARGETED = ['x-accel-expires', 'surrogate-control', 'edge-control']
const SUFFIX = '-cache-control'
/** Targeted fields in which `private` does not forbid storing. */
const WITHOUT_PRIVATE = ['surrogate-control', 'edge-control', 'x-litespeed-cache-control']
/** What may stand beside `no-store`, without argument. */
const HARMLESS = ['private', 'no-cache', 'must-revalidate']
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * Makes the fields say that the response depends on the session: nothing of it is stored at all where it sends or removes
 * the session cookie (`noStore`), and otherwise not by shared caches.
 * @type {(headers: Headers, noStore: boolean) => void}
 */
export function makePrivate(headers, noStore) {
  headers.set('Cache-Control', noStore ? 'private, no-store' : mergePrivate(headers.get('Cache-Control')))
  for (const name of [...headers.keys()]) {
    const value = /** @type {string} */ (headers.get(name))
    if (isTargeted(name.toLowerCase()) && !forbidsStoring(name.toLowerCase(), value)) headers.delete(name)
  }
}

/**
 * One line that starts with `private`, with the directives that are none of shared caches; malformed ones are dropped.
 * @type {(value: string | null) => string}
 */
export function mergePrivate(value) {
  const directives = members(value ?? '').flatMap((member) => parseDirective(member) ?? [])
  if (directives.length === 0) return 'private, no-cache'
  const kept = directives.filter(({ name }) => !SHARED.includes(name))
  return ['private', ...kept.map(({ text }) => text)].join(', ')
}

/**
 * `Vary` with `Cookie` in it, each name once; `*` stays `*`.
 * @type {(value: string | null) => string}
 */
export function mergeVary(value) {
  /** @type {Map<string, string>} */
  const names = new Map()
  for (const member of [...(value ?? '').split(','), 'Cookie'].map(trim)) {
    if (TOKEN.test(member) && !names.has(member.toLowerCase())) names.set(member.toLowerCase(), member)
  }
  return names.has('*') ? '*' : [...names.values()].join(', ')
}

/** @type {(name: string) => boolean} */
function isTargeted(name) {
  return TARGETED.includes(name) || (name.endsWith(SUFFIX) && name !== 'cache-control')
}

/**
 * Whether a targeted field forbids storing by itself. In doubt it does not, and is removed: then `Cache-Control` counts.
 * @type {(name: string, value: string) => boolean}
 */
export function forbidsStoring(name, value) {
  if (name === 'x-accel-expires') return value === '0'
  let forbids = false
  for (const member of members(value).filter((member) => member !== '')) {
    const directive = parseDirective(member)
    if (directive === null) return false
    const isBare = directive.argument === null
    const isPrivate = directive.name === 'private' && !WITHOUT_PRIVATE.includes(name)
    if (isBare && (directive.name === 'no-store' || isPrivate)) forbids = true
    else if (!(isBare && HARMLESS.includes(directive.name)) && directive.name !== 'content') return false
  }
  return forbids
}

/**
 * The members of a list, split at commas outside of quoted strings. Only a quote after `=` opens one, and one that is never
 * closed is passed over.
 * @type {(value: string) => string[]}
 */
function members(value) {
  const found = []
  let start = 0
  for (let at = 0; at < value.length; at++) {
    if (value[at] === ',') {
      found.push(trim(value.slice(start, at)))
      start = at + 1
    } else if (value[at] === '"' && at > start && value[at - 1] === '=') {
      at += (quoted(value.slice(at)) ?? 1) - 1
    }
  }
  return [...found, trim(value.slice(start))]
}

/**
 * The length of the quoted string with which `text` begins, or null.
 * @type {(text: string) => number | null}
 */
function quoted(text) {
  return /^"(?:\\[\t\x20-\x7e\x80-\uffff]|[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\uffff])*"/.exec(text)?.[0].length ?? null
}

/**
 * cache-directive = token [ "=" ( token / quoted-string ) ]      (RFC 9111, section 5.2)
 * @type {(text: string) => Directive | null}
 */
function parseDirective(text) {
  const equals = text.indexOf('=')
  const name = equals < 0 ? text : text.slice(0, equals)
  const argument = equals < 0 ? null : text.slice(equals + 1)
  if (!TOKEN.test(name) || /[^\x00-\x7f]/.test(text)) return null
  if (argument !== null && !TOKEN.test(argument) && quoted(argument) !== argument.length) return null
  return { text, name: name.toLowerCase(), argument }
}

/** @type {(text: string) => string} */
function trim(text) {
  return text.replace(/^[ \t]+/, '').replace(/(?<![ \t])[ \t]+$/, '')
}
