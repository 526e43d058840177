import { withSession } from 'sealed-session/next'
import { sessions } from '../../../sessions.js'

export const GET = withSession(sessions, async (_, session) => Response.json(await session.get()))
