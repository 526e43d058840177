// What the rows of the later first bytes demand: device binding, and sessions in several cookies. Runs in every
// runtime: no import from `node:`.

import { decode } from '../src/base64url.js'
import { toHex, utf8 } from '../src/bytes.js'
import { configure } from '../src/config.js'
import { createSessions, exportDayKeys, keyFromRawSecret, makeRing, readClaims } from '../src/index.js'
import { placeRing } from '../src/day-keys.js'
import { writeSession } from '../src/seal.js'
import { SESSION, openSession, screen } from '../src/token.js'
import { KINDS, endpoints, openOne, placeOf } from './device.js'
import { equal, hex, optionsOf } from './rows.js'

export async function ringOf(row) {
  const keys = await Promise.all(row.ring.map((secret) => keyFromRawSecret(hex(secret))))
  return makeRing(keys.map((key, index) => ({ role: index === 0 ? 'seal' : 'open', key })))
}

/** The options of a row's sessions. Without an idle timeout nothing asks for the binding, and it is refused. */
function settingsOf(row, keys) {
  const { cut_off, revoked, device, idle, proof, remembered_absolute, ...limits } = row.settings
  // The rows write 0 for "none".
  const times = { ...limits, idle, remembered_absolute: remembered_absolute || null }
  const options = optionsOf({ ...row, limits: times, cut_off, revoked }, keys)
  return { ...options, device: device && idle !== null ? { proof } : null }
}

const valuesOf = (row, suffix) => row.cookies.flatMap(([name, value]) => (name === row.name + suffix ? [value] : []))
const tokensOf = (row) => {
  const [session, activity, proof] = ['', '-seen', '-proof'].map((suffix) => valuesOf(row, suffix))
  return { session, activity, proof, chunks: ['.2', '.3', '.4'].map((suffix) => valuesOf(row, suffix)) }
}
export const at = (row) => ({ now: row.now, bind: hex(row.bind) })

/** What is done, by `op`; each answers with what the row expects. */
const OPS = {
  async open(row) {
    const kind = KINDS[row.kind]
    const keys = placeOf(await ringOf(row), row, kind)
    const { reason, ...fields } = await openOne(keys, kind, row.text, { ...at(row), proof: row.settings.proof })
    return reason === undefined ? { result: 'ok', ...fields } : { result: reason }
  },

  async session(row) {
    const ring = await ringOf(row)
    const fields = row.cookies.map((pair) => pair.join('='))
    const claimed = row.cookies.map(([, text]) => readClaims(text).expires ?? row.now)
    // A proof has no claims to read: it ends within a day.
    const days = [...new Set([...claimed, row.now, row.now + 86400].map((second) => Math.floor(second / 86400)))]
    const options = settingsOf(row, ring)
    const exported = await exportDayKeys(ring, { ...options, rights: 'open', days })
    const answers = []
    for (const keys of [ring, exported]) {
      const sessions = await createSessions({ ...options, keys })
      answers.push(await answerOf(await sessions.openTokens(tokensOf(row), at(row))))
      answers.push(await answerOf(await sessions.open(fields.join('; '), at(row))))
    }
    for (const answer of answers) equal(answer, answers[0], `row ${row.id}`)
    await checksAgree(row, ring, options, days, answers[0])
    return answers[0]
  },

  async register(row) {
    const ring = await ringOf(row)
    return endpoints(ring, row, await configure(settingsOf(row, ring))).register(tokensOf(row), row.response)
  },

  async refresh(row) {
    const ring = await ringOf(row)
    const config = await configure(settingsOf(row, ring))
    const endpoint = endpoints(ring, row, config)
    const { identifier, response, others_may_begin: othersMayBegin } = row
    const { challenge, ...answer } = await endpoint.refresh(tokensOf(row), identifier, response, othersMayBegin)
    const isChallenge = challenge !== undefined && readsAsChallenge(challenge)
    equal(isChallenge, answer.status === 403, `row ${row.id}: a challenge comes with 403 alone`)
    return answer
  },

  async write(row) {
    const { payload_bytes: length, expires, session_id: id, salt, started, sealed, flags } = row.session
    const options = { name: row.name, audience: row.audience, idle: null, chunks: 4, largestCookies: 20_000 }
    const config = await configure({ ...options, keys: await ringOf(row) })
    const times = { startedAt: started, sealedAt: sealed, expiresAt: expires, activeUntil: null, device: null }
    const empty = { keyId: '', chunks: 1, payload: new Uint8Array(), data: null }
    const session = { id, ...times, remembered: flags === 1, ...empty }
    const { bind } = at(row)
    try {
      const written = await writeSession(config, session, 'x'.repeat(length - 2), [], bind, sealed, hex(salt))
      const pairs = written.setCookie.map((line) => line.split(';')[0].split('='))
      // The session cookie is sent last.
      const whole = [pairs.pop(), ...pairs]
      const cookies = whole.map(async ([name, value]) => [name, value.length, await sha256(utf8(value))])
      return { result: 'ok', cookies: await Promise.all(cookies) }
    } catch (error) {
      const isTooLarge = /option `chunks` allows 16\d\d\d/.test(error.message)
      equal(isTooLarge, true, `row ${row.id}: ${error.message}`)
      return { result: 'too large' }
    }
  },

  async head(row) {
    const ring = await ringOf(row)
    const days = [Math.floor(readClaims(row.text).expires / 86400) || 0]
    const keys = await exportDayKeys(ring, { name: row.name, audience: row.audience, rights: 'check', days, idle: null })
    const sessions = await createSessions({ keys })
    const { state, ids, reason } = await sessions.check(`${row.name}=${row.text}`, at(row))
    if (state !== 'live') return { result: reason }
    const { expires, chunks } = readClaims(row.text)
    return { result: 'ok', session_id: ids[0], expires, chunks }
  },

  async value(row) {
    const keys = placeRing(await ringOf(row), row.name, row.audience)
    const token = screen(keys, [SESSION], row.text, 8192, row.now)
    if ('reason' in token) return { result: token.reason }
    const opened = await openSession(keys, token, () => null, at(row).bind, row.now)
    return { result: opened.reason ?? 'ok' }
  },
}

const sha256 = async (bytes) => toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))

const readsAsChallenge = (text) => decode(text)[0] === 6 && text.length === 66

async function answerOf({ state, session, reason }) {
  if (session === null) return { result: reason ?? state }
  const { id, startedAt, sealedAt, remembered, device, payload } = session
  const said = { result: 'ok', session_id: id, started: startedAt, sealed: sealedAt, remembered }
  return { ...said, state: device === null ? 'plain' : 'proven', device, payload_sha256: await sha256(payload) }
}

/** A check calls nothing dead that opens or lacks a proof alone, and nothing idle because it lacks keys. */
async function checksAgree(row, ring, options, days, { result }) {
  const fields = row.cookies.map((pair) => pair.join('='))
  for (const rights of ['check', 'check activity']) {
    const keys = await exportDayKeys(ring, { ...options, rights, days })
    const { state, reason } = await (await createSessions({ ...options, keys })).check(fields, at(row))
    const what = `row ${row.id} (${row.shows}), ${rights}`
    const lacksKeys = rights === 'check' && options.device !== null
    if (result === 'ok' || result === 'unproven') equal(state, lacksKeys ? 'unknown' : 'live', what)
    if (lacksKeys) equal(reason === 'idle' && hasTimelyActivity(row), false, what)
  }
}

/** Whether an activity token came that has not expired. */
const hasTimelyActivity = (row) => tokensOf(row).activity.some((text) => readClaims(text).expires > row.now)

/** Every row of the file; how many there are of each operation. An operation without rows is a broken file. */
export async function everyLaterRow(file) {
  equal(file.format, 'sealed-session v1, first bytes 0x03 to 0x07', 'format')
  const counts = Object.fromEntries(Object.keys(OPS).map((op) => [op, 0]))
  for (const row of file.rows) {
    equal(row.op in OPS, true, `row ${row.id}: ${row.op} is an operation`)
    const answer = await OPS[row.op](row)
    const keys = Object.keys({ ...answer, ...row.expect }).sort()
    const sorted = (fields) => Object.fromEntries(keys.map((key) => [key, fields[key]]))
    equal(sorted(answer), sorted(row.expect), `row ${row.id} (${row.shows})`)
    counts[row.op]++
  }
  for (const [op, count] of Object.entries(counts)) equal(count > 0, true, `rows of ${op}`)
  return counts
}
