/* @ts-self-types="./worker.d.ts" */
// A worker in front of an origin: guests get public pages from its cache, live sessions go through to the origin.
//
// It holds the check keys of some days and no root secret, so it can recognise dead cookies and cannot read a session. A
// visitor with only dead session cookies is a guest: the cookies are stripped. A request that may have a session is not
// answered from the cache, and its answer is not stored there, because a genuine head does not prove a session.
// X-Session-State tells the origin which of the two it is (`none` or `live`, whatever the client sent under that name),
// and the origin sends `Vary: X-Session-State` with pages that depend on it.
//
// Settings: ORIGIN (a URL) and SESSION_DAY_KEYS (the exported day keys as JSON).

import { createSessions } from 'sealed-session'

/** @typedef {import('sealed-session').Sessions} Sessions */
/** @typedef {Pick<Cache, 'match' | 'put'>} PageCache */
/** @typedef {{ ORIGIN: string, SESSION_DAY_KEYS: string, CACHE?: PageCache }} Env */
/** @typedef {{ sessions: Sessions, origin: string, cache: PageCache, now?: number }} Setting */

const STATE = 'X-Session-State'
const FRESH_UNTIL = 'X-Fresh-Until'
/** What a stored page may vary on: guests all have the same state, and the origin is asked for one encoding. */
const VARY_ALIKE = new Set([STATE.toLowerCase(), 'accept-encoding'])

/** @type {Setting | undefined} */
let setting

export default {
  /** @type {(request: Request, env?: unknown) => Promise<Response>} */
  async fetch(request, env) {
    setting ??= await prepare(env)
    return handle(request, setting)
  },
}

/**
 * Cloudflare passes the settings with the request, Deno and Node keep them in the environment.
 * @type {(given: unknown) => Promise<Setting>}
 */
async function prepare(given) {
  const runtime = /** @type {any} */ (globalThis)
  const hasOrigin = typeof given === 'object' && given !== null && 'ORIGIN' in given
  /** @type {Env} */
  const env = hasOrigin ? given : (runtime.Deno?.env.toObject() ?? runtime.process.env)
  // The keys contain the timeouts of your server. Add the ids that it has revoked. As a function: without keys, guests are
  // served, and all others pass on.
  const sessions = await createSessions({ keys: () => env.SESSION_DAY_KEYS })
  const cache = env.CACHE ?? runtime.caches.default ?? (await runtime.caches.open('pages of guests'))
  return { sessions, origin: env.ORIGIN, cache }
}

/**
 * Answers one request; `now` in Unix seconds.
 * @type {(request: Request, setting: Setting) => Promise<Response>}
 */
export async function handle(request, { sessions, origin, cache, now = Math.floor(Date.now() / 1000) }) {
  const cookies = request.headers.get('Cookie')
  const { state } = await sessions.check(cookies, { now })
  // `unknown` may be live for an origin that has other keys, as bound sessions are: it must not be logged out here.
  const live = state === 'live' || state === 'unknown'
  const forwarded = forward(request, origin, live, live ? cookies : sessions.strip(cookies))
  const cacheable =
    !live && request.method === 'GET' && !request.headers.has('Authorization') && !request.headers.has('Range')
  if (!cacheable) return answer(await fetch(forwarded))
  const key = new Request(request.url)
  const found = await cache.match(key)
  if (found !== undefined && Number(found.headers.get(FRESH_UNTIL)) > now) return answer(found)
  const response = await fetch(forwarded)
  const seconds = sharedLifetime(response)
  if (seconds > 0) {
    const page = new Response(response.clone().body, response)
    page.headers.set(FRESH_UNTIL, String(now + seconds))
    await cache.put(key, page)
  }
  return answer(response)
}

/**
 * The request as the origin gets it. The client must not choose a header that the origin reads and that is not part of
 * the cache's key.
 * @type {(request: Request, origin: string, live: boolean, cookies: string | null) => Request}
 */
function forward(request, origin, live, cookies) {
  const url = new URL(request.url)
  const headers = new Headers(request.headers)
  headers.set(STATE, live ? 'live' : 'none')
  if (cookies === null || cookies === '') headers.delete('Cookie')
  else headers.set('Cookie', cookies)
  headers.delete('Host')
  headers.set('X-Forwarded-Host', url.host)
  headers.set('X-Forwarded-Proto', url.protocol.slice(0, -1))
  headers.set('Accept-Encoding', 'identity')
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD'
  const init = {
    method: request.method,
    headers,
    body: hasBody ? request.body : null,
    redirect: 'manual',
    duplex: 'half',
  }
  return new Request(new URL(url.pathname + url.search, origin), /** @type {RequestInit} */ (init))
}

/**
 * The seconds for which a guest's answer may be given to other guests; 0 for not at all.
 * @type {(response: Response) => number}
 */
function sharedLifetime({ status, headers }) {
  const control = (headers.get('Cache-Control') ?? '').toLowerCase()
  const vary = (headers.get('Vary') ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
  if (status !== 200 || headers.has('Set-Cookie') || /private|no-store|no-cache/.test(control)) return 0
  if (!vary.every((name) => name === '' || VARY_ALIKE.has(name))) return 0
  const [, seconds] = /s-maxage=(\d+)/.exec(control) ?? /max-age=(\d+)/.exec(control) ?? []
  return Number(seconds ?? 0)
}

/**
 * The answer as the browser gets it. A browser sends no X-Session-State: its cookies make the difference.
 * @type {(response: Response) => Response}
 */
function answer(response) {
  const copy = new Response(response.body, response)
  copy.headers.delete(FRESH_UNTIL)
  const vary = copy.headers.get('Vary')
  if (vary?.toLowerCase().includes(STATE.toLowerCase())) copy.headers.set('Vary', `${vary}, Cookie`)
  return copy
}
