// The keys of one UTC day, one cookie name and one audience: derived from a ring, or exported for an edge that holds no
// root; and their caches.

import { concat, fromHex, toHex, u32, utf8 } from './bytes.js'
import { expand, expandable } from './crypto.js'
import { ConfigError, KeyError } from './errors.js'
import { readLifetimes, readProofLifetime } from './lifetime.js'
import { sealingKey } from './ring.js'
import { DAY, dayOf } from './time.js'

/** @typedef {import('../index.d.ts').Ring} Ring */
/** @typedef {import('../index.d.ts').DayKeys} DayKeys */
/** @typedef {import('../index.d.ts').ExportOptions} ExportOptions */
/** @typedef {import('./bytes.js').Bytes} Bytes */
/** @typedef {import('../index.d.ts').Key['root']} HmacKey */

/**
 * The keys for the tokens of one cookie name and audience.
 * @typedef {object} PlacedKeys
 * @property {(keyId: string, day: number) => boolean} has whether tokens under this key that expire on this day open here
 * @property {(keyId: string, day: number, now: number) => Promise<HmacKey>} checkKey
 * @property {(keyId: string, day: number, now: number) => Promise<HmacKey>} sealKey
 * @property {(now: number) => string} sealing the id of the key that seals
 */

const FORMAT = 'sealed-session day keys v1'
/** The most keys kept per cache: two keys of a ring with every day of 400. */
const LARGEST_CACHE = 1024

/**
 * `lp(name) || lp(audience)`, both at most 255 bytes.
 * @type {(name: string, audience: string) => Bytes}
 */
function place(name, audience) {
  // Each half would be written as U+FFFD, and two audiences could become one.
  if (/\p{Surrogate}/u.test(audience)) throw new ConfigError('the audience has half a surrogate pair; remove it')
  const parts = [utf8(name), utf8(audience)]
  if (parts.some((part) => part.length > 255)) {
    throw new ConfigError('cookie name and audience take at most 255 bytes each; shorten them')
  }
  return concat(...parts.flatMap((part) => [Uint8Array.of(part.length), part]))
}

/**
 * A ring at a place.
 * @type {(ring: Ring, name: string, audience: string) => PlacedKeys}
 */
export function placeRing(ring, name, audience) {
  const where = place(name, audience)
  /** @type {(label: string) => (keyId: string, day: number) => Promise<HmacKey>} */
  const derive = (label) => async (keyId, day) => {
    const key = ring.keys.get(keyId)
    if (key === undefined) throw new KeyError(`no key ${keyId}`)
    return expandable(await dayKey(key.root, label, day, where))
  }
  return {
    has: (keyId) => ring.keys.has(keyId),
    checkKey: cached(derive('check key')),
    sealKey: cached(derive('seal key')),
    sealing: (now) => sealingKey(ring.sealing, now),
  }
}

/**
 * check key = Expand(root, "check key" || u32 day || place, 32)
 * seal key  = Expand(root, "seal key"  || u32 day || place, 32)
 * @type {(root: HmacKey, label: string, day: number, where: Bytes) => Promise<Bytes>}
 */
function dayKey(root, label, day, where) {
  return expand(root, concat(utf8(label), u32(day), where), 32)
}

/**
 * Exported day keys at one of their three places.
 * @type {(dayKeys: DayKeys, which: 'session' | 'activity' | 'proof') => PlacedKeys}
 */
export function placeDayKeys(dayKeys, which) {
  /** @type {Map<string, { check: string, seal?: string } | undefined>} */
  const pairs = new Map(dayKeys.keys.map((entry) => [slot(entry.key_id, entry.day), entry[which]]))
  /** @type {(kind: 'check' | 'seal') => (keyId: string, day: number) => Promise<HmacKey>} */
  const load = (kind) => async (keyId, day) => {
    const bytes = fromHex(pairs.get(slot(keyId, day))?.[kind], 32)
    if (bytes === null) throw new KeyError(`the day keys hold no ${kind} key of key ${keyId} for day ${day}`)
    return expandable(bytes)
  }
  const sealing = new Map(dayKeys.sealing?.map((entry) => [entry.from, entry.key_id]))
  return {
    has: (keyId, day) => pairs.get(slot(keyId, day)) !== undefined,
    checkKey: cached(load('check')),
    sealKey: cached(load('seal')),
    sealing: (now) => sealingKey(sealing, now),
  }
}

/**
 * The end of the days, in Unix seconds, for which there is every key without a gap, from that of `now` on.
 * @type {(dayKeys: DayKeys, now: number) => number}
 */
export function lastEnd({ keys }, now) {
  const there = new Set(keys.map((entry) => slot(entry.key_id, entry.day)))
  const ids = [...new Set(keys.map((entry) => entry.key_id))]
  let day = dayOf(now)
  while (ids.every((id) => there.has(slot(id, day)))) day++
  return day * DAY
}

/** @type {(keyId: string, day: number) => string} */
function slot(keyId, day) {
  return `${keyId}/${day}`
}

/**
 * Keeps imported keys. Tokens need only the days on which an unexpired token may expire. A full cache drops the keys of
 * days in the past; if it is still full, keys are made and not kept.
 * @type {(make: (keyId: string, day: number) => Promise<HmacKey>) => PlacedKeys['checkKey']}
 */
function cached(make) {
  /** @type {Map<string, { day: number, key: Promise<HmacKey> }>} */
  const kept = new Map()
  return (keyId, day, now) => {
    const name = slot(keyId, day)
    const found = kept.get(name)
    if (found !== undefined) return found.key
    const key = make(keyId, day)
    if (kept.size >= LARGEST_CACHE) {
      for (const [other, entry] of kept) if (entry.day < dayOf(now)) kept.delete(other)
    }
    if (kept.size < LARGEST_CACHE) {
      kept.set(name, { day, key })
      key.catch(() => kept.delete(name))
    }
    return key
  }
}

/**
 * Reads exported day keys from their JSON (the text or what it parses to).
 * @type {(json: unknown) => DayKeys}
 */
export function parseDayKeys(json) {
  const file = typeof json === 'string' ? parseJson(json) : json
  if (!isObject(file) || file.format !== FORMAT) throw refused(`their \`format\` is not "${FORMAT}"`)
  const { name, audience, rights } = file
  if (typeof name !== 'string' || typeof audience !== 'string') throw refused('`name` and `audience` are texts')
  checked(() => place(name, audience))
  if (rights !== 'check' && rights !== 'open') throw refused('`rights` is "check" or "open"')
  if (!Array.isArray(file.keys) || file.keys.length === 0) throw refused('`keys` is a list with at least one entry')
  const seen = new Set()
  const keys = file.keys.map((entry, index) => {
    const parsed = parseDay(entry, rights, `entry ${index + 1}`)
    const which = slot(parsed.key_id, parsed.day)
    if (seen.has(which)) throw refused(`key ${parsed.key_id} is there twice for day ${parsed.day}`)
    seen.add(which)
    return parsed
  })
  /** @type {DayKeys} */
  const said = { format: FORMAT, name, audience, rights, ...parseTimes(file), keys }
  return rights === 'check' ? said : { ...said, sealing: parseSealing(file.sealing) }
}

/**
 * The server's timeouts and the lifetime of proofs, as far as the file contains them.
 * @type {(file: Record<string, any>) => import('./lifetime.js').Timeouts & Pick<DayKeys, 'device'>}
 */
function parseTimes({ idle, absolute, remembered, device }) {
  const said = {
    ...(idle !== undefined && { idle }),
    ...(absolute !== undefined && { absolute }),
    ...(remembered !== undefined && { remembered }),
  }
  checked(() => readLifetimes(said))
  checked(() => readProofLifetime(device))
  return { ...said, ...(device && { device: { proof: device.proof } }) }
}

/** @type {(check: () => unknown) => void} */
function checked(check) {
  try {
    check()
  } catch (error) {
    throw refused(/** @type {ConfigError} */ (error).message)
  }
}

/** @type {(entry: unknown, rights: DayKeys['rights'], what: string) => DayKeys['keys'][number]} */
function parseDay(entry, rights, what) {
  if (!isObject(entry) || fromHex(entry.key_id, 4) === null)
    throw refused(`${what}: \`key_id\` has 8 hexadecimal digits`)
  const { key_id, day, session, activity, proof } = entry
  if (typeof day !== 'number' || !Number.isInteger(day) || day < 0 || day > dayOf(2 ** 32 - 1)) {
    throw refused(`${what}: \`day\` is a whole number of days since 1970`)
  }
  if (!isObject(session) || fromHex(session.check, 32) === null) {
    throw refused(`${what}: \`session.check\` has 64 lower-case hexadecimal digits`)
  }
  if (rights === 'open' ? fromHex(session.seal, 32) === null : session.seal !== undefined) {
    throw refused(
      `${what}: \`session.seal\` has 64 lower-case hexadecimal digits if, and only if, \`rights\` is "open"`,
    )
  }
  for (const [field, key] of Object.entries({ activity, proof })) {
    if (key === undefined || (isObject(key) && fromHex(key.check, 32) !== null)) continue
    throw refused(`${what}: \`${field}.check\` has 64 lower-case hexadecimal digits`)
  }
  const others = { ...(activity !== undefined && { activity }), ...(proof !== undefined && { proof }) }
  return /** @type {DayKeys['keys'][number]} */ ({ key_id, day, session, ...others })
}

/** @type {(sealing: unknown) => { key_id: string, from: number }[]} */
function parseSealing(sealing) {
  const entries = Array.isArray(sealing) ? sealing : []
  const good = entries.every((entry) => {
    if (!isObject(entry) || fromHex(entry.key_id, 4) === null) return false
    return Number.isSafeInteger(entry.from) && Number(entry.from) >= 0
  })
  const instants = new Set(good ? entries.map((entry) => entry.from) : [])
  if (instants.size !== entries.length || !instants.has(0)) {
    throw refused('`sealing` names the keys that seal, each from another time on, exactly one of them from 0')
  }
  return entries.map(({ key_id, from }) => ({ key_id, from }))
}

/**
 * Exports the keys of these days, as `Sessions::edge_keys` does in Rust: `check` keys only recognise genuine heads,
 * `open` keys also open sessions and make them. Who has the activity keys can unbind a session from its device, so with
 * device binding a check gets them only if they are asked for.
 * @type {(ring: Ring, options: ExportOptions) => Promise<DayKeys>}
 */
export async function exportDayKeys(
  ring,
  { name = '__Host-id', audience = '', rights, days, idle, absolute, remembered, device },
) {
  const proof = readProofLifetime(device)
  const opens = rights === 'open'
  const session = place(name, audience)
  // A name that is too long for a second cookie belongs to sessions without idle timeout.
  const hasActivity = name.length <= 250 && (proof === null || rights !== 'check')
  const activity = hasActivity ? place(`${name}-seen`, audience) : null
  const proofs = proof !== null && opens ? place(`${name}-proof`, audience) : null
  const keys = []
  for (const { id, root } of ring.keys.values()) {
    for (const day of days) {
      /** @type {(label: string, where: Bytes) => Promise<string>} */
      const derive = async (label, where) => toHex(await dayKey(root, label, day, where))
      const check = await derive('check key', session)
      keys.push({
        key_id: id,
        day,
        session: opens ? { check, seal: await derive('seal key', session) } : { check },
        ...(activity !== null && { activity: { check: await derive('check key', activity) } }),
        ...(proofs !== null && { proof: { check: await derive('check key', proofs) } }),
      })
    }
  }
  const sealing = [...ring.sealing].map(([from, key_id]) => ({ key_id, from }))
  const said = { format: FORMAT, name, audience, rights: rights === 'check activity' ? 'check' : rights }
  const times = { idle, absolute, remembered, ...(proof !== null && { device: { proof } }) }
  return parseDayKeys({ ...said, ...times, ...(opens && { sealing }), keys })
}

/** @type {(text: string) => unknown} */
function parseJson(text) {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message may quote its input.
    throw refused('they are not JSON')
  }
}

/** @type {(value: unknown) => value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === 'object' && value !== null
}

/** @type {(problem: string) => KeyError} */
function refused(problem) {
  return new KeyError(`the exported day keys are refused: ${problem}`)
}
