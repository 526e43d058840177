/* @ts-self-types="../../adapters/next.d.ts" */
// For Next.js: route handlers, the proxy, and server actions. A server component reads with `sessions.open`.

/** @type {typeof import('../../adapters/next.d.ts').withSession} */
export function withSession(sessions, handler) {
  return async (request, context) => {
    const session = sessions.load(request)
    return session.finish(await handler(request, session, context))
  }
}

/** @type {typeof import('../../adapters/next.d.ts').renew} */
export async function renew(sessions, request, response) {
  const { method, headers } = request
  // The proxy does not know how the page ends. One to a POST may be a sign-out, and one to a condition a 304, whose fields
  // some caches add to what they stored.
  if (!['GET', 'HEAD'].includes(method) || headers.has('If-None-Match') || headers.has('If-Modified-Since')) return response
  const handle = sessions.load(request)
  const session = await handle.session()
  if (session === null || !sessions.renewalIsDue(session)) return response
  const finished = await handle.finish(response)
  if (!finished.headers.has('Set-Cookie')) return response
  // It takes the place of the page's own field, which may be as strict as this.
  finished.headers.set('Cache-Control', 'private, no-store')
  return finished
}

/** @type {typeof import('../../adapters/next.d.ts').finishAction} */
export async function finishAction(session, cookies) {
  const { headers } = await session.finish(new Response())
  for (const line of headers.getSetCookie()) {
    const [[name, value], ...attributes] = line.split('; ').map((part) => part.split('='))
    const given = new Map(attributes.map(([key, value]) => [key.toLowerCase(), value]))
    const [age, expires] = [given.get('max-age'), given.get('expires')]
    cookies.set(name, value, {
      path: given.get('path'),
      domain: given.get('domain'),
      maxAge: age === undefined ? undefined : Number(age),
      expires: expires === undefined ? undefined : new Date(expires),
      secure: given.has('secure'),
      httpOnly: true,
      sameSite: /** @type {any} */ (given.get('samesite')?.toLowerCase()),
      partitioned: given.has('partitioned'),
    })
  }
}
