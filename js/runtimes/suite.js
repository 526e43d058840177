// What every runtime has to do, and what it found: no import from `node:`. `answer` is the server that the hosts put in
// front of it.

import { createSessions } from 'sealed-session'

import { toHex, utf8 } from '../src/bytes.js'
import { everyLaterRow } from '../test/later.js'
import { equal, everyRow, hex } from '../test/rows.js'
import { hostileFields, readersOf } from './hostile.js'

/** A session, or why there is none. */
const outcomeOf = ({ state, session, reason }) =>
  session === null ? (reason ?? state) : `ok ${session.id} ${session.device === null ? 'plain' : 'proven'}`

/** What `open` and `check` say about cookies. */
export async function outcomesOf(sessions, cookies, now) {
  const opened = outcomeOf(await sessions.open(cookies, { now }))
  const { state, reason, ids } = await sessions.check(cookies, { now })
  equal(opened.startsWith('ok ') && state === 'dead', false, `a check calls a session dead that opens: ${opened}`)
  return { opened, checked: [state, reason ?? 'no reason', ...ids].join(' ') }
}

export const sessionsOf = (readers) => Promise.all(readers.map(({ options }) => createSessions(options)))

async function openHostileFields(file) {
  const readers = await readersOf(file)
  const sessions = await sessionsOf(readers)
  const [lines, outcomes] = [hostileFields(readers), []]
  for (const { reader, fields } of lines) {
    outcomes.push(await outcomesOf(sessions[reader], fields, readers[reader].now))
  }
  // One piece of the digest per field: together they are too long for one text.
  const pieces = await Promise.all(lines.map((line) => sha256(JSON.stringify(line))))
  return { outcomes, fields: await sha256(pieces.join()), digest: await sha256(JSON.stringify(outcomes)) }
}

const sha256 = async (text) => toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(text))))

const pairsOf = ({ setCookie }) => setCookie.map((line) => line.split(';')[0])
const isRemoval = (line) => line.includes('; Max-Age=0;')

/** The pairs of a request after a response. */
function received(pairs, { setCookie }) {
  const jar = new Map(pairs.map((pair) => pair.split(/=(.*)/s)))
  for (const line of setCookie) {
    const [name, value] = line.split(';')[0].split(/=(.*)/s)
    if (isRemoval(line)) jar.delete(name)
    else jar.set(name, value)
  }
  return [...jar].map((pair) => pair.join('='))
}

/** Opens a session of the crate, and writes it in all ways. Returns lines for the crate to open. */
async function openAndWrite(line) {
  const { opens, cookies, now, bind, largest_cookies: largestCookies, ...options } = line
  const sessions = await createSessions({ ...options, largestCookies, revoke: null })
  const at = { now: now + 59, bind: hex(bind) }
  const { session, state, reason } = await sessions.open(cookies, at)
  if (session === null) throw new Error(`a session of the crate is ${reason ?? state}: ${JSON.stringify(line)}`)
  const { id, startedAt, expiresAt, remembered, device, payload } = session
  const found = { id, started: startedAt, expires: expiresAt, flags: remembered ? 1 : 0, is_bound: device !== null }
  for (const [name, value] of Object.entries({ ...found, payload: toHex(payload) })) equal(value, opens[name], name)
  const before = cookies[0].split('; ')
  // In the order in which the crate's JSON values keep their fields.
  const fresh = { list: [null, true, 1.5], text: 'a \u{1f36a}', user: 8 }
  const large = 'x'.repeat(9000)
  const more = { ...at, cookies }
  const [started, wide] = [await sessions.start(fresh, at), await sessions.start(large, more)]
  const [sealed, grown] = [await sessions.seal(session, fresh, more), await sessions.seal(session, large, more)]
  const [cycled, renewed] = [await sessions.cycle(session, more), await sessions.renew(session, at)]
  const as = (data) => toHex(utf8(JSON.stringify(data)))
  const kept = { id, started: startedAt, flags: found.flags, is_bound: found.is_bound }
  const begun = { started: at.now, flags: 0, is_bound: false }
  const others = { ...line, now: at.now }
  return [
    ['start', pairsOf(started), { ...begun, id: started.session.id, payload: as(fresh) }],
    ['start, large', received(before, wide), { ...begun, id: wide.session.id, payload: as(large) }],
    ['seal', received(before, sealed), { ...kept, payload: as(fresh) }],
    ['seal, large', received(before, grown), { ...kept, payload: as(large) }],
    ['cycle', received(before, cycled), { ...kept, id: cycled.session.id, payload: opens.payload }],
    ['renew', received(before, renewed), { ...kept, payload: opens.payload }],
  ].map(([written, pairs, opened]) => {
    return { ...others, written, cookies: [pairs.join('; ')], opens: { outcome: 'ok', ...opened } }
  })
}

/** Everything. `v1` and `later` are the files of vectors, `sessions` those that the crate made. */
export async function everything({ v1, later, sessions }) {
  const written = []
  for (const line of sessions) written.push(...(await openAndWrite(line)))
  return {
    runtime: globalThis.EdgeRuntime ?? globalThis.navigator?.userAgent ?? `Node.js/${process.versions.node}`,
    rows: await everyRow(v1),
    later: await everyLaterRow(later),
    hostile: await openHostileFields(later),
    opened: sessions.length,
    written,
  }
}

let readers
let opening

/**
 * Answers a request: `POST /everything`, or any other to `/<reader>`, whose cookies are opened. `readFields` gives the
 * runtime's own object with the cookies.
 */
export async function answer(path, cookies, readBody) {
  if (path === '/everything') {
    const input = JSON.parse(await readBody())
    readers = await readersOf(input.later)
    opening = await sessionsOf(readers)
    try {
      return { status: 200, headers: {}, body: JSON.stringify(await everything(input)) }
    } catch (error) {
      return { status: 500, headers: {}, body: `${error.stack}` }
    }
  }
  const reader = Number(path.slice(1))
  const { opened, checked } = await outcomesOf(opening[reader], cookies, readers[reader].now)
  // In header fields, so that whoever asks over a bare socket sees where the answer ends.
  return { status: 204, headers: { 'X-Opened': opened, 'X-Checked': checked }, body: null }
}

/** The same for runtimes that speak `Request` and `Response`. */
export async function fetchAnswer(request) {
  const { status, headers, body } = await answer(new URL(request.url).pathname, request, () => request.text())
  return new Response(body, { status, headers })
}
