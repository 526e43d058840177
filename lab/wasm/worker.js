// The same Worker as worker/src/lib.rs, on the npm package.

import { createSessions } from '../../js/src/index.js'

const revoked = new Set()
let prepared

export default {
  async fetch(request, env) {
    prepared ??= createSessions({ keys: env.SESSION_KEYS, audience: 'shop', revoked })
    const sessions = await prepared
    const { pathname, search } = new URL(request.url)
    let { session } = await sessions.open(request)
    let setCookie = []
    switch (`${request.method} ${pathname}`) {
      case 'GET /':
        if (session !== null && sessions.renewalIsDue(session)) ({ setCookie } = await sessions.renew(session))
        break
      case 'POST /sign-in': {
        if (session !== null) revoked.add(session.id)
        const data = { user: 7, theme: null }
        ;({ setCookie } = await sessions.start(data))
        session = { data }
        break
      }
      case 'POST /theme':
        if (session !== null) {
          const data = { ...session.data, theme: search.slice(1) }
          ;({ setCookie } = await sessions.seal(session, data))
          session = { data }
        }
        break
      case 'POST /sign-out':
        if (session !== null) revoked.add(session.id)
        setCookie = sessions.clear()
        session = null
        break
      default:
        return new Response('not found', { status: 404 })
    }
    const headers = new Headers({ 'Content-Type': 'text/plain', Vary: 'Cookie' })
    for (const line of setCookie) headers.append('Set-Cookie', line)
    headers.set('Cache-Control', setCookie.length > 0 ? 'private, no-store' : 'private')
    const page = session === null ? 'guest' : `user ${session.data.user}, ${session.data.theme ?? 'no theme'}`
    return new Response(page, { headers })
  },
}
