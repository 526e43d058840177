/* @ts-self-types="../../adapters/express.d.ts" */
// For Express, and any other server that hands on Node's request and response: `req.session` is the session.
//
// Node writes the header block at the first byte, at once. What has to be said in it takes time: a session is sealed, and a
// revocation list is told. So the first output of a response waits, with all that follows, until this is known. A response
// that did not look at the session does not wait.

/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('../../index.d.ts').SessionHandle} SessionHandle */

/** What `finish` reads of a request. */
const READ = ['cookie', 'sec-purpose']
/** What an error page must not have of the page in whose place it comes. */
const OF_PAGE = ['content-length', 'content-encoding', 'etag', 'last-modified']

/** @type {typeof import('../../adapters/express.d.ts').sealedSession} */
export function sealedSession(sessions) {
  return (req, res, next) => {
    const headers = new Headers()
    for (const name of READ) if (typeof req.headers[name] === 'string') headers.set(name, req.headers[name])
    const { session, isLookedAt } = watched(sessions.load({ headers }))
    Object.assign(req, { session })
    holdOutput(res, isLookedAt, () => finishNode(res, session), next)
    next()
  }
}

/**
 * The handle, and whether it was used.
 * @type {(handle: SessionHandle) => { session: SessionHandle, isLookedAt: () => boolean }}
 */
function watched(handle) {
  let isLookedAt = false
  const session = /** @type {any} */ ({ finish: handle.finish })
  for (const name of /** @type {const} */ (['opened', 'get', 'session', 'start', 'set', 'cycle', 'end'])) {
    session[name] = (/** @type {[any, any]} */ ...given) => {
      isLookedAt = true
      return handle[name](...given)
    }
  }
  return { session, isLookedAt: () => isLookedAt }
}

/**
 * Keeps the output of `res` back, from the first call on, until `finish` is done. If it fails, nothing of that output is
 * sent, and `fail` gets the error.
 * @type {(res: any, isNeeded: () => boolean, finish: () => Promise<void>, fail: (error: unknown) => void) => void}
 */
function holdOutput(res, isNeeded, finish, fail) {
  /** @type {'open' | 'held' | 'done'} */
  let state = 'open'
  /** @type {(() => unknown)[]} */
  const held = []
  let hasHead = false

  const start = async () => {
    state = 'held'
    try {
      await finish()
      state = 'done'
      for (const send of held) send()
    } catch (error) {
      state = 'done'
      if (!res.headersSent) {
        for (const name of OF_PAGE) res.removeHeader(name)
        res.setHeader('Cache-Control', 'private, no-store')
      }
      fail(error)
    }
  }

  for (const name of ['writeHead', 'write', 'end', 'flushHeaders']) {
    const send = res[name]
    res[name] = (/** @type {any[]} */ ...given) => {
      if (state === 'done' || (state === 'open' && !isNeeded())) return send.apply(res, given)
      if (name === 'writeHead') {
        // Other middleware asks for the header block at each output, because it sees that it has not been sent.
        if (hasHead) return res
        hasHead = true
        given = setHead(res, given)
      }
      held.push(() => send.apply(res, given))
      if (state === 'open') start()
      // A writer that was told to wait for `drain` might wait for ever: other middleware gives it another stream's.
      return name === 'write' ? true : res
    }
  }
  // Error handlers ask for it, and would write a second response.
  Object.defineProperty(res, 'headersSent', {
    configurable: true,
    get: () => state === 'held' || Reflect.get(Object.getPrototypeOf(res), 'headersSent', res),
  })
}

/**
 * Takes status and fields of a `writeHead` over into the response, and gives its other arguments.
 * @type {(res: ServerResponse, given: any[]) => any[]}
 */
function setHead(res, [status, ...given]) {
  const reason = typeof given[0] === 'string' ? [given[0]] : []
  const fields = given[reason.length] ?? {}
  res.statusCode = status
  if (!Array.isArray(fields)) for (const [name, value] of Object.entries(fields)) res.setHeader(name, value)
  else {
    const flat = fields.flat()
    for (let at = 0; at < flat.length; at += 2) res.appendHeader(flat[at], flat[at + 1])
  }
  return [status, ...reason]
}

/**
 * What `finish` does to a `Response`, done to the fields of Node's.
 * @type {(res: ServerResponse, session: SessionHandle) => Promise<void>}
 */
async function finishNode(res, session) {
  const headers = new Headers()
  for (const name of res.getHeaderNames()) {
    for (const value of [res.getHeader(name)].flat()) headers.append(name, String(value))
  }
  // A `Response` has no other status; one above counts as a failure too.
  const status = Math.min(res.statusCode, 599)
  if (status < 200) return
  const { headers: finished } = await session.finish(new Response(null, { status, headers }))
  for (const name of headers.keys()) if (!finished.has(name)) res.removeHeader(name)
  for (const name of ['Cache-Control', 'Vary']) {
    const value = finished.get(name)
    if (value !== null) res.setHeader(name, value)
  }
  const lines = finished.getSetCookie()
  if (lines.length > 0) res.setHeader('Set-Cookie', lines)
}
