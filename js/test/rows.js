// What every row of the vector file demands. Runs in Node and in a browser: no import from `node:`.

import { fromHex, toHex, utf8, u32, concat } from '../src/bytes.js'
import { expand, expandable, extract } from '../src/crypto.js'
import { placeRing } from '../src/day-keys.js'
import {
  REASONS,
  createSessions,
  exportDayKeys,
  keyFromRawSecret,
  makeRing,
  parseKey,
  parseRing,
  readClaims,
} from '../src/index.js'
import { sealSession } from '../src/token.js'

export const hex = (text) => fromHex(text, text.length / 2)

export function equal(found, expected, what) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)]
  if (one !== other) throw new Error(`${what}: found ${one}, expected ${other}`)
}

async function fails(action) {
  try {
    await action()
  } catch (error) {
    return error
  }
  return null
}

/** The ring of a row: its first key seals, all open. */
export async function ringOf(row) {
  const keys = await Promise.all(row.ring.map(parseKey))
  return makeRing(keys.map((key, index) => ({ role: index === 0 ? 'seal' : 'open', key })))
}

/** The options of a row's sessions. */
export function optionsOf(row, keys) {
  const { idle, absolute, remembered_idle, remembered_absolute } = row.limits
  const remembered = remembered_absolute === null ? null : { idle: remembered_idle, absolute: remembered_absolute }
  return {
    keys,
    name: row.name,
    audience: row.audience,
    idle,
    absolute,
    remembered,
    cutOff: row.cut_off,
    revoked: row.revoked,
  }
}

/** The days on which this row's tokens claim to expire, and its own. */
function daysOf(row) {
  const claimed = [row.token, ...row.seen].map((token) => readClaims(token).expires ?? row.expires)
  return [...new Set([row.expires, ...claimed].map((second) => Math.floor(second / 86400)))]
}

const outcomeOf = ({ state, reason }) => (state === 'valid' ? 'ok' : (reason ?? state))

/** A `Cookie` field carries everything but these. */
const fitsInACookie = (token) => !/^[ \t]|[ \t]$|;/.test(token)

/** Opens every row as bare values and as cookies, with root secrets and with exported day keys of the right days. */
export async function everyTokenOpensOrIsRejected(rows) {
  for (const row of rows) {
    const what = `row ${row.id} (${row.comment})`
    const ring = await ringOf(row)
    const at = { now: row.now, bind: hex(row.bind) }
    const tokens = { session: [row.token], activity: row.seen }
    const exported = await exportDayKeys(ring, { ...row, rights: 'open', days: daysOf(row) })
    for (const keys of [ring, JSON.stringify(exported)]) {
      const sessions = await createSessions(optionsOf(row, keys))
      const opened = [await sessions.openTokens(tokens, at)]
      if (fitsInACookie(row.token)) {
        const fields = [row.token, ...row.seen].map((value, i) => `${row.name}${i > 0 ? '-seen' : ''}=${value}`)
        opened.push(await sessions.open(fields, at), await sessions.open(fields.join(';'), at))
      }
      for (const { state, session, reason } of opened) {
        equal(outcomeOf({ state, reason }), row.expect, what)
        if (row.expect !== 'ok') continue
        equal(session.id, row.session_id, what)
        equal(session.startedAt, row.started, what)
        equal(session.sealedAt, row.sealed, what)
        equal(session.remembered, row.flags === 1, what)
        equal(toHex(session.payload), row.payload.replace(/(20)+$/, ''), what)
        equal(session.data, JSON.parse(new TextDecoder().decode(hex(row.payload))), what)
      }
    }
  }
  return rows.length
}

/** A check never calls dead what opens, and finds out all that steps 1 to 5 find out. */
export async function everyCheckAgreesWithOpening(rows) {
  for (const row of rows) {
    if (!fitsInACookie(row.token)) continue
    const what = `row ${row.id} (${row.comment})`
    const exported = await exportDayKeys(await ringOf(row), { ...row, rights: 'check', days: daysOf(row) })
    const sessions = await createSessions(optionsOf(row, exported))
    const fields = [row.token, ...row.seen].map((value, i) => `${row.name}${i > 0 ? '-seen' : ''}=${value}`)
    const { state, reason, ids } = await sessions.check(fields, { now: row.now, bind: hex(row.bind) })
    const early = REASONS.indexOf(row.expect) >= 0 && REASONS.indexOf(row.expect) <= REASONS.indexOf('not ours')
    if (row.expect === 'ok') equal([state, ids], ['live', [row.session_id]], what)
    else if (early) equal(reason, row.expect, what)
    if (early) equal(state, /^unknown/.test(row.expect) ? 'unknown' : 'dead', what)
    if (row.expect === 'revoked' && row.revoked.length > 0) equal([state, reason], ['dead', 'revoked'], what)
    const refused = await fails(() => sessions.open(fields, { now: row.now }))
    equal(refused?.name, 'ConfigError', what)
  }
  return rows.length
}

/** Derives every value, and seals the rows that open, with the given salt, to the byte. */
export async function everyRowDerivesAndSeals(rows) {
  let sealed = 0
  for (const row of rows) {
    const what = `row ${row.id} (${row.comment})`
    const { name, audience, bind } = row.sealed_with
    const place = concat(...[utf8(name), utf8(audience)].flatMap((part) => [Uint8Array.of(part.length), part]))
    const root = await extract(utf8('sealed-session/v1'), hex(row.secret))
    equal(toHex(root), row.root, what)
    equal((await keyFromRawSecret(hex(row.secret))).id, row.key_id, what)
    const derive = async (label) => expand(await expandable(root), concat(utf8(label), u32(row.day), place), 32)
    const [check, seal] = [await derive('check key'), await derive('seal key')]
    equal([toHex(check), toHex(seal)], [row.check_key, row.seal_key], what)
    const head = concat(Uint8Array.of(1), hex(row.key_id), u32(row.expires), hex(row.session_id), hex(row.salt))
    equal(toHex(head), row.head, what)
    const info = concat(head, hex(bind))
    equal(toHex(await expand(await expandable(check), info, 16)), row.check, what)
    equal(toHex(await expand(await expandable(seal), info, 32)), row.key, what)
    if (row.expect !== 'ok') continue
    const ring = makeRing([{ role: 'seal', key: await keyFromRawSecret(hex(row.secret)) }])
    const frame = { started: row.started, sealed: row.sealed, remembered: row.flags === 1, payload: hex(row.payload) }
    const now = Math.max(row.sealed, row.expires - 400 * 86400)
    const keys = placeRing(ring, name, audience)
    equal(await sealSession(keys, row.session_id, row.expires, frame, hex(bind), now, hex(row.salt)), row.token, what)
    sealed++
  }
  return { derived: rows.length, sealed }
}

export async function everyRingIsAcceptedOrRefused(rows) {
  for (const row of rows) {
    const error = await fails(() => parseRing(row.text))
    equal(error === null, row.ok, row.comment)
    if (error === null) continue
    equal(error.name, 'KeyError', row.comment)
    for (const run of row.text.match(/[0-9a-fA-F]{17,}/g) ?? [])
      equal(error.message.includes(run.slice(0, 16)), false, row.comment)
  }
  return rows.length
}

export async function everyRawSecretIsAcceptedOrRefused(rows) {
  for (const row of rows) equal((await fails(() => keyFromRawSecret(hex(row.hex)))) === null, row.ok, row.comment)
  return rows.length
}

/** All of the above; a part without rows is a broken file, not a passed test. */
export async function everyRow(file) {
  equal(file.format, 'sealed-session v1', 'format')
  for (const part of ['vectors', 'rings', 'raw_secrets']) equal(file[part]?.length > 0, true, `rows under ${part}`)
  return {
    opened: await everyTokenOpensOrIsRejected(file.vectors),
    checked: await everyCheckAgreesWithOpening(file.vectors),
    ...(await everyRowDerivesAndSeals(file.vectors)),
    rings: await everyRingIsAcceptedOrRefused(file.rings),
    raw_secrets: await everyRawSecretIsAcceptedOrRefused(file.raw_secrets),
  }
}
