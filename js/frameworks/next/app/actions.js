'use server'

import { cookies, headers } from 'next/headers'
import { redirect } from 'next/navigation'
import { finishAction } from 'sealed-session/next'
import { sessions } from '../../sessions.js'

export async function signIn() {
  const session = sessions.load({ headers: await headers() })
  await session.start({ user: 7 }) // after the password was checked
  await finishAction(session, await cookies())
  redirect('/')
}

export async function signOut() {
  const session = sessions.load({ headers: await headers() })
  await session.end()
  await finishAction(session, await cookies())
  redirect('/')
}
