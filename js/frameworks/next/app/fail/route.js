import { withSession } from 'sealed-session/next'
import { sessions } from '../../../sessions.js'

export const GET = withSession(sessions, async (_, session) => {
  await session.start({ user: 8 })
  throw new Error('meant')
})
