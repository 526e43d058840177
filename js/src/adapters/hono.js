/* @ts-self-types="../../adapters/hono.d.ts" */
// For Hono: `c.get('session')` is the session of the request.

/** @typedef {import('../../index.d.ts').Sessions} Sessions */

/** @type {typeof import('../../adapters/hono.d.ts').sealedSession} */
export function sealedSession(sessions) {
  return async (c, next) => {
    const session = sessions.load(c.req.raw)
    c.set('session', session)
    await next()
    const response = c.res
    // Hono copies the fields of the response before over those of the next one, unless there was none.
    c.res = undefined
    try {
      c.res = await session.finish(response)
    } catch (error) {
      // The error page may get the fields of the page in whose place it comes, and gets these over them.
      c.res = new Response(null, { headers: { 'Cache-Control': 'private, no-store' } })
      throw error
    }
  }
}
