import type { SessionHandle, Sessions } from '../index.d.ts'

/** What is used of SvelteKit's event. */
export interface Event {
  readonly request: Request
  readonly url: URL
  locals: { session?: SessionHandle }
  fetch: typeof fetch
}

/**
 * The `handle` of `hooks.server.js`: `event.locals.session` is the session of the request, opened when it is first looked at.
 * Requests to the same server with `event.fetch` have the same one.
 */
export function sealedSession(
  sessions: Sessions,
): <E extends Event>(given: { event: E; resolve: (event: E) => Response | Promise<Response> }) => Promise<Response>
