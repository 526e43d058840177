import type { SessionHandle, Sessions } from '../index.d.ts'

/** What is used of Hono's context. */
export interface Context {
  readonly req: { readonly raw: Request }
  set(key: 'session', value: SessionHandle): void
  get res(): Response
  set res(response: Response | undefined)
}

/**
 * Middleware for Hono: `c.get('session')` is the session of the request, opened when it is first looked at. The response is
 * finished after the handlers.
 */
export function sealedSession(sessions: Sessions): (c: Context, next: () => Promise<void>) => Promise<void>
