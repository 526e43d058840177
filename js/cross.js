// The module with a line protocol, for runs against other implementations: one JSON object per line on stdin, one
// answer per line on stdout, in the same order.
//
// Every line has `op`, `now` (Unix seconds) and
//   keys                       text of a key ring, or of exported day keys
//   name, audience             default `__Host-id` and empty; with day keys, theirs
//   bind                       hexadecimal, default empty
//   idle, absolute             seconds, `idle` may be null; defaults 1800 and 43200
//   remembered                 {"idle": .., "absolute": ..} or null; default null; day keys change all three defaults
//   device                     {"proof": seconds} or null; default null, or what the day keys say
//   cut_off, revoked           Unix seconds; list of ids in hexadecimal
//   chunks, largest_cookies    default 1 and 7500
//
//   {"op":"open", "session":[token ..], "activity":[token ..], "proof":[token ..]}
//                                                                   or "cookies":[field ..] in their place
//      {"outcome":"ok", "id", "key_id", "started", "sealed", "expires", "active_until", "device", "flags",
//       "payload":hex, "json": the data as JSON.stringify writes it}
//      {"outcome":"absent"} or {"outcome":"<reason>"}
//   {"op":"check", "cookies":[field ..]}
//      {"outcome":"live"|"unknown"|"dead"|"absent", "reason", "ids":[id ..]}
//   {"op":"seal", "id", "started", "sealed" (default now), "expires", "flags" (0 or 1, default 0), "payload":hex,
//    "salt":hex (default fresh)}
//      {"token"}
//   {"op":"write"} with the same but "sealed" and "salt", as an application writes: payloads that servers refuse are refused
//      {"token", "cookies":["name=value" ..]}
//   {"op":"finish", "cookies":[field ..], "purpose", "act":"read"|"update"|"start"|"cycle"|"end"|"start after end", "status",
//    "fields":[[name, value] ..]}
//      {"fields"} of the response
//   {"op":"seal_activity", "id", "device" of the session (default null), "expires"}
//      {"token"}
//
// A refusal answers {"error":"<name>: <message>"}. `ref`, if given, is repeated in the answer.

import { createInterface } from 'node:readline'

import { fromHex, toHex } from './src/bytes.js'
import { checkTokens } from './src/check.js'
import { chunkNames } from './src/chunks.js'
import { configure } from './src/config.js'
import { cookieValues } from './src/cookie.js'
import { createSessions } from './src/index.js'
import { openTokens } from './src/open.js'
import { writeSession } from './src/seal.js'
import { sealActivity, sealSession } from './src/token.js'

const bytes = (hex = '') => {
  const found = fromHex(hex, hex.length / 2)
  if (found === null) throw new TypeError('hexadecimal digits are in pairs and lower case')
  return found
}

/** Applications by their keys, for `finish`. */
const applications = new Map()

/** The latest options with their configurations: a run repeats them. */
const configs = new Map()

async function configOf({ cut_off, largest_cookies, ...line }) {
  const { keys, name, audience, idle, absolute, remembered, device, revoked, chunks } = line
  const limits = { chunks, largestCookies: largest_cookies }
  const options = { keys, name, audience, idle, absolute, remembered, device, cutOff: cut_off, revoked, ...limits }
  const key = JSON.stringify(options)
  if (configs.size > 100) configs.clear()
  if (!configs.has(key)) configs.set(key, await configure(options))
  return configs.get(key)
}

async function answer(line) {
  const { op, now, cookies } = line
  const config = await configOf(line)
  const bind = bytes(line.bind)
  const tokens = {
    session: line.session ?? cookieValues(cookies, config.name),
    chunks: chunkNames(config.name).map((name) => cookieValues(cookies, name)),
    activity: line.activity ?? cookieValues(cookies, config.activityName),
    proof: line.proof ?? cookieValues(cookies, config.device?.proofName ?? ''),
  }
  switch (op) {
    case 'open': {
      const { state, session, reason } = await openTokens(config, tokens, bind, now)
      if (session === null) return { outcome: reason ?? state }
      const { id, keyId, startedAt, sealedAt, expiresAt, activeUntil, device, remembered, payload, data } = session
      const times = { started: startedAt, sealed: sealedAt, expires: expiresAt, active_until: activeUntil }
      const flags = remembered ? 1 : 0
      const read = { payload: toHex(payload), json: JSON.stringify(data) }
      return { outcome: 'ok', id, key_id: keyId, ...times, device, flags, ...read }
    }
    case 'check': {
      const { state, reason, ids } = await checkTokens(config, tokens, bind, now)
      return { outcome: state, reason, ids }
    }
    case 'seal': {
      const { id, started, sealed = now, expires, flags = 0, payload, salt } = line
      const frame = { started, sealed, remembered: flags === 1, payload: bytes(payload) }
      const given = salt === undefined ? undefined : bytes(salt)
      return { token: await sealSession(config.session, id, expires, frame, bind, now, given) }
    }
    case 'write': {
      const { id, started, expires, flags = 0 } = line
      const times = { startedAt: started, sealedAt: now, expiresAt: expires, activeUntil: null, device: null }
      const session = { id, keyId: '', ...times, remembered: flags === 1, payload: new Uint8Array(), data: null }
      const { token, setCookie } = await writeSession(config, session, bytes(line.payload), [], bind, now)
      return { token, cookies: setCookie.map((line) => line.split(';')[0]) }
    }
    case 'finish': {
      return { fields: await finish(line) }
    }
    case 'seal_activity': {
      const { id, device = null, expires } = line
      return { token: await sealActivity(config.activity, id, device, expires, bind, now) }
    }
    default:
      throw new TypeError(`no operation ${op}`)
  }
}

/** One request with these cookies, what a handler does, and its response. */
async function finish({ keys, now, cookies, purpose, act, status, fields }) {
  if (!applications.has(keys)) applications.set(keys, await createSessions({ keys, revoke: null }))
  const sessions = applications.get(keys)
  const request = { headers: new Headers({ 'Cookie': cookies[0], 'Sec-Purpose': purpose }) }
  const session = sessions.load(request, { now })
  await session.get()
  const acts = {
    'update': () => session.set({ user: 8 }),
    'cycle': () => session.cycle(),
    'start': () => session.start({ user: 8 }),
    'end': () => session.end(),
    'start after end': async () => (await session.end(), session.start({ user: 8 })),
  }
  await acts[act]?.()
  const response = new Response(status === 204 || status === 304 ? null : '', { status, headers: fields })
  return [...(await session.finish(response)).headers]
}

for await (const text of createInterface({ input: process.stdin })) {
  if (text.trim() === '') continue
  let ref
  let answered
  try {
    const line = JSON.parse(text)
    ref = line.ref
    answered = await answer(line)
  } catch (error) {
    answered = { error: `${error.name}: ${error.message}` }
  }
  process.stdout.write(`${JSON.stringify({ ref, ...answered })}\n`)
}
