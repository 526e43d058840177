// Compiles only if the adapters fit the types of their frameworks.

import type { Handle } from '@sveltejs/kit/hooks'
import express from 'express'
import { Hono } from 'hono'
import { cookies, headers } from 'next/headers.js'
import { NextResponse, type NextRequest } from 'next/server.js'
import { createSessions, type SessionHandle } from 'sealed-session'
import { sealedSession as forExpress } from 'sealed-session/express'
import { sealedSession as forHono } from 'sealed-session/hono'
import { finishAction, renew, withSession } from 'sealed-session/next'
import { sealedSession as forSvelteKit } from 'sealed-session/sveltekit'

interface User {
  user: number
}

declare global {
  namespace App {
    interface Locals {
      session: SessionHandle<User>
    }
  }
  namespace Express {
    interface Request {
      session: SessionHandle<User>
    }
  }
}

const sessions = await createSessions<User>({ keys: '', revoke: null })

const hono = new Hono<{ Variables: { session: SessionHandle<User> } }>()
hono.use(forHono(sessions))
hono.get('/', async (c) => c.json((await c.get('session').get())?.user))

const app = express()
app.use(forExpress(sessions))
app.get('/', async (req, res) => void res.json((await req.session.get())?.user))

export const handle: Handle = forSvelteKit(sessions)

export const proxy = (request: NextRequest) => renew(sessions, request, NextResponse.next())

export const GET = withSession(
  sessions,
  async (request: NextRequest, session, { params }: { params: Promise<{ id: string }> }) =>
    Response.json([request.nextUrl.pathname, (await params).id, (await session.get())?.user]),
)

export async function signIn() {
  const session = sessions.load({ headers: await headers() })
  await session.start({ user: 7 })
  await finishAction(session, await cookies())
  return (await sessions.open(String(await cookies()))).session?.data.user
}
