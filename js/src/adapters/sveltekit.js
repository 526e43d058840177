/* @ts-self-types="../../adapters/sveltekit.d.ts" */
// For SvelteKit: `event.locals.session` is the session of the request.

/** @typedef {import('../../index.d.ts').SessionHandle} SessionHandle */

/**
 * The sessions of requests that a page makes to its own server with `event.fetch`: they are answered in the same process, and
 * the page has what they read in it.
 * @type {WeakMap<Request, SessionHandle>}
 */
const shared = new WeakMap()

/** @type {typeof import('../../adapters/sveltekit.d.ts').sealedSession} */
export function sealedSession(sessions) {
  return async ({ event, resolve }) => {
    const outer = shared.get(event.request)
    const session = outer ?? sessions.load(event.request)
    event.locals.session = session
    const { fetch } = event
    event.fetch = (input, init) => {
      const request =
        input instanceof Request ? input : new Request(typeof input === 'string' ? new URL(input, event.url) : input, init)
      if (request.credentials !== 'omit') shared.set(request, session)
      return fetch(request)
    }
    const response = await resolve(event)
    return outer === undefined ? session.finish(response) : response
  }
}
