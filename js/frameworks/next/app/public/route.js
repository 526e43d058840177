import { withSession } from 'sealed-session/next'
import { sessions } from '../../../sessions.js'

export const GET = withSession(sessions, async (_, session) => {
  await session.get()
  return new Response('public', { headers: { 'Cache-Control': 'public, max-age=60', 'CDN-Cache-Control': 'max-age=60' } })
})
