// A Worker that signs visitors in and reads their sessions at the edge. KV has the keys of some days, which your server
// pushes (push-keys.js), and the ids of sessions that were signed out. The root secret is not here.

import { createSessions, readRevocations } from 'sealed-session'

/** As on the server: sessions end after 12 hours. A revoked id is kept that long, and 5 minutes for clocks. */
const ABSOLUTE = 12 * 3600
const KEPT = ABSOLUTE + 300

/** What this isolate revoked: KV takes up to a minute until other places see it. */
const revokedHere = new Set()

let sessions

/** Not a promise that is kept: a request must not wait for what another one has begun. */
async function prepare(env) {
  sessions ??= await createSessions({
    name: '__Host-id', // so that guests are known as guests while no keys have arrived
    keys: () => env.KEYS.get('session-keys'),
    keysEvery: Number(env.KEYS_EVERY ?? 60),
    revoked: async (id) => revokedHere.has(id) || (await env.KEYS.get(`revoked/${id}`)) !== null,
    async revoke(bytes) {
      for (const id of readRevocations(bytes).revoked) {
        revokedHere.add(id)
        await env.KEYS.put(`revoked/${id}`, '', { expirationTtl: KEPT })
      }
    },
  })
  return sessions
}

export default {
  async fetch(request, env, context) {
    const session = (await prepare(env)).load(request)
    return session.finish(await page(request, session, context))
  },

  /** The cron trigger of wrangler.toml: an alarm before the keys run out. */
  async scheduled(event, env) {
    const left = (await (await prepare(env)).reaches()) - Date.now() / 1000
    if (left < 3 * 86_400) throw new Error(`the session keys know every session for ${Math.floor(left / 3600)} more hours: push new ones`)
  },
}

async function page(request, session, context) {
  const { origin, pathname } = new URL(request.url)
  const back = new Response(null, { status: 303, headers: { Location: '/' } })
  // Browsers say from where a form came; SameSite=Lax keeps cookies from other sites' forms, and this keeps out the rest.
  if (request.method === 'POST' && (request.headers.get('Origin') ?? origin) !== origin) return new Response(null, { status: 403 })
  if (request.method === 'POST' && pathname === '/sign-in') {
    await session.start({ user: 7, visits: 0 }) // after you have checked a password
    return back
  }
  if (request.method === 'POST' && pathname === '/sign-out') {
    await session.end()
    return back
  }
  const data = await session.get()
  if (request.method === 'POST' && pathname === '/count' && data !== null) {
    await session.set({ ...data, visits: data.visits + 1 })
    return back
  }
  if (pathname !== '/') return new Response('not found', { status: 404 })
  const text = data === null ? 'Hello, guest' : `Hello, user ${data.user}: counted to ${data.visits}`
  const fragment = { element: (element) => element.setInnerContent(text) }
  return new HTMLRewriter().on('#visitor', fragment).transform(await shell(request, context))
}

/** The page without its visitor: the same for all, and kept in the cache of this place. */
async function shell(request, context) {
  const key = new Request(new URL('/shell', request.url))
  const found = await caches.default.match(key)
  if (found !== undefined) return new Response(found.body, { headers: { 'Content-Type': 'text/html', 'X-Shell': 'cached' } })
  const made = new Response(SHELL, { headers: { 'Content-Type': 'text/html', 'Cache-Control': 'public, max-age=60' } })
  context.waitUntil(caches.default.put(key, made.clone()))
  return new Response(made.body, { headers: { 'Content-Type': 'text/html', 'X-Shell': 'made' } })
}

const SHELL = `<!doctype html><title>Sessions at the edge</title><h1 id=visitor></h1>
<form method=post><button formaction=/sign-in>Sign in</button><button formaction=/count>Count</button>
<button formaction=/sign-out>Sign out</button></form>`
