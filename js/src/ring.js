// The keys of an application with their roles, and the written ring.

import { isExpandable } from './crypto.js'
import { fromHex, tag } from './bytes.js'
import { KeyError } from './errors.js'
import { parseKey } from './key.js'

/** @typedef {import('../index.d.ts').Key} Key */
/** @typedef {import('../index.d.ts').Ring} Ring */
/** @typedef {import('../index.d.ts').RingEntry} RingEntry */

/**
 * A ring of these entries, checked: exactly one `seal` has no `from`, no two would seal at the same time, no key occurs
 * twice.
 * @type {(entries: RingEntry[]) => Ring}
 */
export function makeRing(entries) {
  if (!Array.isArray(entries)) throw new KeyError('a key ring is made from a list of entries')
  if (entries.length === 0) throw new KeyError('the key ring is empty; write at least one key into it')
  const keys = new Map()
  const sealing = new Map()
  for (const { role, key, from = 0 } of entries) {
    if (role !== 'seal' && role !== 'open') throw new KeyError('the role of a key is `seal` or `open`')
    if (!isKey(key)) throw new KeyError('`key` is what `parseKey` or `keyFromRawSecret` gives; await it')
    if (keys.has(key.id)) throw new KeyError(`key ${key.id} is in the ring twice; remove one of the two`)
    keys.set(key.id, key)
    if (role === 'open') continue
    if (!Number.isSafeInteger(from) || from < 0) throw new KeyError('`from` is a time in whole Unix seconds')
    const other = sealing.get(from)
    if (other !== undefined) {
      throw new KeyError(
        `keys ${other} and ${key.id} would seal at the same time; mark one \`open\`, or give it another \`from\` time`,
      )
    }
    sealing.set(from, key.id)
  }
  if (!sealing.has(0)) throw new KeyError('no key of the ring seals; mark exactly one with `seal` and without `from`')
  return { keys, sealing }
}

/**
 * Whether this is a ring that `makeRing` or `parseRing` made.
 * @type {(value: any) => value is Ring}
 */
export function isRing(value) {
  if (tag(value?.keys) !== 'Map' || tag(value.sealing) !== 'Map') return false
  return value.sealing.has(0) && [...value.keys.values()].every(isKey)
}

/** @type {(value: any) => value is Key} */
function isKey(value) {
  return fromHex(value?.id, 4) !== null && isExpandable(value.root)
}

/**
 * Reads a written ring: one entry per line or separated by `;`, `#` starts a comment, roles are named.
 * @type {(text: string) => Promise<Ring>}
 */
export async function parseRing(text) {
  if (typeof text !== 'string') throw new KeyError('a written key ring is text; decode its bytes as UTF-8')
  const entries = text
    .split('\n')
    .map((line) => line.replace(/#.*/s, ''))
    .flatMap((line) => line.split(';'))
    .map((entry) => entry.split(/\p{White_Space}+/u).filter((word) => word !== ''))
    .filter((words) => words.length > 0)
  if (entries.length === 1 && entries[0].length === 1) {
    return makeRing([{ role: 'seal', key: await parseEntryKey(entries[0][0], 1) }])
  }
  const parsed = []
  for (const [index, words] of entries.entries()) parsed.push(await parseEntry(words, index + 1))
  return makeRing(parsed)
}

/**
 * The id of the key that seals at `now`: of the `seal` entries whose time has come, the latest.
 * @type {(sealing: ReadonlyMap<number, string>, now: number) => string}
 */
export function sealingKey(sealing, now) {
  const from = Math.max(...[...sealing.keys()].filter((instant) => instant <= now))
  return /** @type {string} */ (sealing.get(from))
}

/** @type {(words: string[], entry: number) => Promise<RingEntry>} */
async function parseEntry(words, entry) {
  const [role, written, from, ...rest] = words
  if (!isRole(role)) {
    throw problem(
      entry,
      written === undefined && role.startsWith('sealed')
        ? 'a key without a role is a ring by itself; among others write `seal KEY` or `open KEY`'
        : 'its role is unknown; write `seal KEY`, `seal KEY from=TIME` or `open KEY`',
    )
  }
  if (written === undefined) throw problem(entry, 'the key is missing; write `seal KEY` or `open KEY`')
  const key = await parseEntryKey(written, entry)
  if (from === undefined) return { role, key }
  if (role === 'open') throw problem(entry, '`open` takes a key and nothing else')
  const instant = from.startsWith('from=') ? parseInstant(from.slice('from='.length)) : null
  if (instant === null) {
    throw problem(entry, 'its time is written `from=2026-12-01T00:00:00Z`, in whole seconds')
  }
  if (rest.length > 0) throw problem(entry, 'text follows the time; write one entry per line')
  return { role, key, from: instant }
}

/** @type {(word: string) => word is 'seal' | 'open'} */
function isRole(word) {
  return word === 'seal' || word === 'open'
}

/** @type {(written: string, entry: number) => Promise<Key>} */
async function parseEntryKey(written, entry) {
  try {
    return await parseKey(written)
  } catch (error) {
    throw error instanceof KeyError ? problem(entry, error.message) : error
  }
}

/**
 * An RFC 3339 time of a whole second since 1970, in capitals and without a fraction, as Unix seconds; or null.
 * @type {(text: string) => number | null}
 */
function parseInstant(text) {
  const shape = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/
  const [whole, date, time, sign, hours, minutes] = shape.exec(text) ?? []
  if (whole === undefined) return null
  const utc = new Date(`${date}T${time}Z`)
  // `Date` accepts 24:00:00, and some accept 31 February, as other times.
  if (Number.isNaN(utc.getTime()) || utc.toISOString() !== `${date}T${time}.000Z`) return null
  const ahead = sign === undefined ? 0 : Number(`${sign}1`) * (Number(hours) * 3600 + Number(minutes) * 60)
  const seconds = utc.getTime() / 1000 - ahead
  return seconds > 0 ? seconds : null
}

/** @type {(entry: number, text: string) => KeyError} */
function problem(entry, text) {
  return new KeyError(`entry ${entry} of the key ring: ${text}`)
}
