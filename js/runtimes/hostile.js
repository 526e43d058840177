// Hostile `Cookie` fields, the same ones in every runtime: no import from `node:`, and the choices have a fixed seed.

import { keyFromRawSecret } from 'sealed-session'

/** How many fields are drawn; some large ones follow. */
const DRAWN = 2000

/** Mulberry32: repeatable, and good enough to choose cases. */
function choices(seed) {
  let state = seed
  const below = (bound) => {
    state = (state + 0x6d2b79f5) | 0
    let z = Math.imul(state ^ (state >>> 15), state | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) % bound
  }
  return { below, one: (of) => of[below(of.length)] }
}

/** What servers, browsers and languages take for space, for an end or for another character. */
const ODD = [
  ...['\t', ' ', '\0', '\x01', '\x0b', '\x0c', '\r', '\n', '\x7f', '\x85', '\xa0', '\xad', '\xe9', '\xff'],
  ...['\u0131', '\u017f', '\u1680', '\u2003', '\u200b', '\u2028', '\u2029', '\u3000', '\ufeff', '\uff1d', '\u{1f36a}'],
  ...['\ud800', '"', '""', '\\', ',', '=', '%', '%3D', '%00', '+', '/', '$'],
]
const NAMES = [
  ...['__host-id', '__HOST-ID', '__Host-ID', '__Ho\u017ft-id', '__%48ost-id', '%5F_Host-id', '_Host-id', '__Host-id.'],
  ...['__Host-id.1', '__Host-id.2', '__Host-id.5', '__Host-id.02', '__Host-id[0]', '$__Host-id', '"__Host-id"'],
  ...['__Host-id-seen', '__Host-id-proof', '__Host_id', '\ufeff__Host-id', '__Host-id\0', '__Host-id\xa0', ''],
]
const NOISE = [
  ...['theme=dark', 'a', '=', '=x', '', ' ', '__Host-id', '__Host-id=', '__Host-id=x', '__Host-id=""', '$Version=1'],
  ...['__Host-id.2=', '__Host-id-seen=', '__Host-id-proof=x', 'a="b; c"', 'Path=/', 'constructor=1', '__proto__=1'],
]
const SEPARATORS = ['; ', ';', ';;', ' ; ', ';\t', ', ', ',', '&', '\n', '; ;', ';\xa0', '']
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

const insert = (text, at, piece) => text.slice(0, at) + piece + text.slice(at)

/** Ways to spoil the pairs of a `Cookie` field; each changes `pairs`. */
const WAYS = [
  function flip({ below, one }, pairs) {
    const pair = one(pairs)
    const at = below(pair[1].length + 1)
    pair[1] = pair[1].slice(0, at) + one(ALPHABET) + pair[1].slice(at + 1)
  },
  function flipHead({ below, one }, pairs) {
    const pair = one(pairs)
    const at = below(60)
    pair[1] = pair[1].slice(0, at) + one(ALPHABET) + pair[1].slice(at + 1)
  },
  function truncate({ below, one }, pairs) {
    const pair = one(pairs)
    pair[1] = pair[1].slice(0, below(pair[1].length + 1))
  },
  function lengthen({ below, one }, pairs) {
    const pair = one(pairs)
    pair[1] += one(ALPHABET).repeat(one([1, 2, 3, 4, below(5000)]))
  },
  function lose({ below }, pairs) {
    if (pairs.length > 1) pairs.splice(below(pairs.length), 1)
  },
  function double({ below, one }, pairs) {
    const [name, value] = one(pairs)
    const altered = one([value, value.slice(1), insert(value, below(value.length + 1), one(ALPHABET)), ''])
    for (let count = one([1, 1, 2, 9]); count > 0; count--) pairs.splice(below(pairs.length + 1), 0, [name, altered])
  },
  function exchange({ one }, pairs) {
    const [first, second] = [one(pairs), one(pairs)]
    ;[first[1], second[1]] = [second[1], first[1]]
  },
  function mix({ one }, pairs, others) {
    const pair = one(pairs)
    const alike = others.filter(([name]) => name === pair[0])
    pair[1] = one(alike.length > 0 ? alike : others)[1]
  },
  function add({ below, one }, pairs, others) {
    pairs.splice(below(pairs.length + 1), 0, [...one(others)])
  },
  function shuffle({ below }, pairs) {
    pairs.push(...pairs.splice(0, below(pairs.length)))
  },
  function rename({ one }, pairs) {
    const pair = one(pairs)
    pair[0] = pair[0] === '__Host-id' ? one(NAMES) : one([pair[0].toLowerCase(), pair[0].replace('-', '%2d'), ...NAMES])
  },
  function around({ one }, pairs) {
    const pair = one(pairs)
    const [part, end] = [one([0, 1]), one([0, 1])]
    pair[part] = end === 0 ? one(ODD) + pair[part] : pair[part] + one(ODD)
  },
  function within({ below, one }, pairs) {
    const pair = one(pairs)
    const part = one([0, 1, 1])
    pair[part] = insert(pair[part], below(pair[part].length + 1), one(ODD))
  },
  function quote({ one }, pairs) {
    const pair = one(pairs)
    pair[1] = one([`"${pair[1]}"`, `"${pair[1]}`, `'${pair[1]}'`, `\\"${pair[1]}\\"`])
  },
  function encode({ below, one }, pairs) {
    const pair = one(pairs)
    const at = below(pair[1].length + 1)
    const code = (pair[1].charCodeAt(at) || 0).toString(16)
    pair[1] = pair[1].slice(0, at) + `%${code.padStart(2, '0')}` + pair[1].slice(at + 1)
  },
  function otherKind({ one }, pairs) {
    const pair = one(pairs)
    pair[1] = one(['AQ', 'Ag', 'Aw', 'BA', 'Bw', 'CA', 'AA', '__', 'eyJhbGciOiJub25lIn0.']) + pair[1].slice(2)
  },
]

/**
 * Who reads the fields: as rows of the vectors say, with device binding or without an idle timeout.
 * The tokens are those of the rows, so that these are the same in every run.
 */
export async function readersOf(file) {
  const first = file.rows.find(({ op }) => op === 'session')
  const [secret] = first.ring
  const { id } = await keyFromRawSecret(Uint8Array.from(secret.match(/../g), (two) => parseInt(two, 16)))
  const keys = `sealed1_${id}_${secret}`
  const plain = ({ ring, name, audience, bind, now, settings: { cut_off, revoked, proof } }) =>
    JSON.stringify([ring, name, audience, bind, now, cut_off, revoked, proof])
  const rows = file.rows.filter((row) => row.op === 'session' && plain(row) === plain(first) && row.settings.device)
  const { name, audience, now, settings } = first
  const reader = (idle, remembered_idle, device) => ({
    options: {
      ...{ keys, name, audience, idle, absolute: settings.absolute, device },
      remembered: { idle: remembered_idle, absolute: settings.remembered_absolute },
    },
    now,
    requests: rows.filter((row) => row.settings.idle === idle).map((row) => row.cookies),
  })
  return [reader(1800, settings.remembered_idle, { proof: settings.proof }), reader(null, null, null)]
}

/** The fields: for each its reader and one or several `Cookie` fields. */
export function hostileFields(readers) {
  const choice = choices(0x5ea1ed)
  const { below, one } = choice
  const lines = []
  for (let number = 0; number < DRAWN; number++) {
    const reader = number % readers.length
    const { requests } = readers[reader]
    const others = requests.flat()
    const pairs = one(requests).map((pair) => [...pair])
    for (let times = one([0, 1, 1, 1, 2, 3]); times > 0; times--) one(WAYS)(choice, pairs, others)
    const texts = pairs.map(([name, value]) => `${name}=${value}`)
    for (let times = one([0, 0, 0, 1, 2]); times > 0; times--) texts.splice(below(texts.length + 1), 0, one(NOISE))
    const separator = one(['; ', '; ', '; ', one(SEPARATORS)])
    const cut = one([0, 0, 0, below(texts.length + 1)])
    const fields = [texts.slice(0, cut), texts.slice(cut)].filter((part) => part.length > 0)
    lines.push({ reader, fields: fields.map((part) => part.join(separator)) })
  }
  const flood = (text, count) => text.repeat(count)
  const large = [
    (good) => flood('a=b; ', 100_000) + good,
    (good) => `${good}; ${flood(';', 100_000)}`,
    (good) => flood('__Host-id=x; ', 100_000) + good,
    (good) => `${good}; ${flood('__Host-id-seen=x; __Host-id.2=x;', 50_000)}`,
    (good, session) => flood(`${session}; `, 1000) + good,
    (good, session) => flood(`${session.slice(0, -1)}; `, 7) + good,
    (good, session) => flood(`${session.slice(0, -1)}; `, 8) + good,
    (good) => `__Host-id=${flood('A', 8 << 20)}; ${good}`,
    (good) => `${good}; x=${flood('"', 8 << 20)}`,
    (good, session) => `${session}${flood('A', 8 << 20)}`,
    (good) => `__Host-id=${flood(' ', 1 << 20)}${good.slice('__Host-id='.length)}`,
    (good) => `${flood('\t ', 1 << 19)}${good}${flood(' ', 1 << 19)}`,
    (good) => flood('=', 1 << 20) + good,
  ]
  const wholes = readers.map(({ requests }) => requests[0].map((pair) => pair.join('=')))
  for (const [number, field] of large.entries()) {
    const reader = number % readers.length
    lines.push({ reader, fields: [field(wholes[reader].join('; '), wholes[reader][0])] })
  }
  for (const [reader, whole] of wholes.entries()) {
    lines.push({ reader, fields: Array(10_000).fill('a=b').concat(whole) }, { reader, fields: [] })
    lines.push({ reader, fields: whole.flatMap((pair) => ['', pair, ' ']) })
  }
  return lines
}
