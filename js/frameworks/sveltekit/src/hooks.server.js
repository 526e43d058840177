import { sealedSession } from 'sealed-session/sveltekit'
import { sessions } from '../../sessions.js'

export const handle = sealedSession(sessions)
