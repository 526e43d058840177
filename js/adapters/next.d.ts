import type { SessionHandle, Sessions } from '../index.d.ts'

/**
 * A route handler that gets the session of its request, and whose response is finished. It returns its response, redirects
 * too: what it throws, as `redirect` of `next/navigation` does, sends no session.
 */
export function withSession<R extends Request, C>(
  sessions: Sessions,
  handler: (request: R, session: SessionHandle, context: C) => Response | Promise<Response>,
): (request: R, context: C) => Promise<Response>

/**
 * For the proxy (`middleware` before Next.js 16): renews the session where that is due, which server components cannot do.
 * Any other response stays as it is, and so do those to a POST or with a condition. With a page that fails, the renewal is
 * sent too.
 */
export function renew(sessions: Sessions, request: Request, response: Response): Promise<Response>

/** What is used of the `cookies()` of `next/headers`. */
export interface CookieStore {
  set(
    name: string,
    value: string,
    options: {
      path?: string
      domain?: string
      maxAge?: number
      expires?: Date
      secure: boolean
      httpOnly: true
      sameSite?: 'strict' | 'lax' | 'none'
      partitioned: boolean
    },
  ): unknown
}

/**
 * The end of a server action that wrote to `sessions.load({ headers: await headers() })`: revokes what was replaced, and sets
 * the cookies. Call it once, after all that can fail, and before `redirect`.
 */
export function finishAction(session: SessionHandle, cookies: CookieStore): Promise<void>
