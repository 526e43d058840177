// The adapters, without their frameworks.

import type { Sessions } from 'sealed-session'
import { sealedSession as express } from 'sealed-session/express'
import { sealedSession as hono } from 'sealed-session/hono'
import { finishAction, renew, withSession } from 'sealed-session/next'
import { sealedSession as sveltekit } from 'sealed-session/sveltekit'

export const all = (sessions: Sessions<{ user: number }>) => [
  express(sessions),
  hono(sessions),
  sveltekit(sessions),
  withSession(sessions, async (request: Request, session) => new Response(String(await session.get()))),
]
export const next = [renew, finishAction]
// @ts-expect-error: no sessions
hono()
