// The same Worker as worker/src/lib.rs, on the npm package.

import { createSessions, readRevocations } from '../../js/src/index.js'

const revoked = new Set()
let sessions

export default {
  async fetch(request, env) {
    sessions ??= await createSessions({
      keys: env.SESSION_KEYS,
      audience: 'shop',
      revoked,
      revoke: (bytes) => readRevocations(bytes).revoked.forEach((id) => revoked.add(id)),
    })
    const session = sessions.load(request)
    return session.finish(await answer(request, session))
  },
}

async function answer(request, session) {
  const { pathname, search } = new URL(request.url)
  let data = await session.get()
  switch (`${request.method} ${pathname}`) {
    case 'GET /':
      break
    case 'POST /sign-in':
      data = { user: 7, theme: null }
      await session.start(data)
      break
    case 'POST /theme':
      if (data !== null) {
        data = { ...data, theme: search.slice(1) }
        await session.set(data)
      }
      break
    case 'POST /sign-out':
      await session.end()
      data = null
      break
    default:
      return new Response('not found', { status: 404 })
  }
  const page = data === null ? 'guest' : `user ${data.user}, ${data.theme ?? 'no theme'}`
  return new Response(page, { headers: { 'Content-Type': 'text/plain' } })
}
