import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Sessions } from '../index.d.ts'

/**
 * Middleware for Express, and for other servers that hand on Node's request and response: `req.session` is the session of the
 * request, opened when it is first looked at. Then the first output waits until the response is finished, and all output
 * after it; if that fails, the error goes to `next` and nothing of the output is sent.
 *
 * The application says the type of `req.session`, since it alone knows the data and what else has that name:
 * `declare global { namespace Express { interface Request { session: SessionHandle<Login> } } }`
 */
export function sealedSession(
  sessions: Sessions,
): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void
