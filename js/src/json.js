// JSON that both sides read alike. `JSON.parse` accepts texts that the crate's reader refuses: a session with one of them
// would be signed out there. It also changes integers beyond 2^53, so one user could become another.

/** Deepest nesting of arrays and objects that the crate reads. */
const DEEPEST = 127
/** The texts, numbers and brackets of a text that is JSON. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|[[\]{}]/g

/** What a text has that has half a surrogate pair, or a number beyond the largest double. */
const MAY_BE_REFUSED = /\\u|\d[eE]|\d{300}/

/**
 * The part that the crate refuses in a text that `JSON.parse` accepts, or null.
 * @type {(text: string) => string | null}
 */
export function refusedByServers(text) {
  if (!MAY_BE_REFUSED.test(text) && text.split(/[[{]/, DEEPEST + 2).length <= DEEPEST + 1) return null
  let depth = 0
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '[' || token === '{') depth++
    else if (token === ']' || token === '}') depth--
    else if (token.startsWith('"')) {
      if (token.includes('\\u') && /\p{Surrogate}/u.test(JSON.parse(token))) {
        return 'half a surrogate pair; cut texts between whole characters'
      }
    } else if (!Number.isFinite(Number(token))) return 'a number beyond the largest double; write it as a string'
    if (depth > DEEPEST) return `more than ${DEEPEST} arrays and objects inside each other; nest less`
  }
  return null
}

/**
 * Whether `JSON.parse` changes an integer in this text.
 * @type {(text: string) => boolean}
 */
export function changesIntegers(text) {
  if (!/\d{16}/.test(text)) return false
  return [...text.matchAll(TOKENS)].some(([token]) => {
    const number = Number(token)
    if (!/^-?\d+$/.test(token) || Number.isSafeInteger(number)) return false
    return !Number.isFinite(number) || BigInt(token) !== BigInt(number)
  })
}

/**
 * Why `JSON.stringify` would not write this number as the caller intends, or null.
 * @type {(value: unknown) => string | null}
 */
export function numberProblem(value) {
  if (typeof value !== 'number') return null
  if (!Number.isFinite(value)) return 'a number that JSON does not have (NaN or infinite); leave it out or use null'
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return null
  return 'an integer beyond 2^53, which JavaScript does not keep exactly; keep it as a string, or seal JSON as bytes'
}
