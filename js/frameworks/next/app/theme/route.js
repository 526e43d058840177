import { withSession } from 'sealed-session/next'
import { sessions } from '../../../sessions.js'

export const POST = withSession(sessions, async (_, session) => {
  await session.set({ ...(await session.get()), theme: 'dark' })
  return new Response(null, { status: 303, headers: { Location: '/' } })
})
