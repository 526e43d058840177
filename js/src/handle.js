// The session of one request, for frameworks: opened when it is first looked at, changed in place, finished once.

import { SealError } from './errors.js'

/** @typedef {import('../index.d.ts').Sessions} Sessions */
/** @typedef {import('../index.d.ts').Session} Session */
/** @typedef {import('../index.d.ts').SessionHandle} SessionHandle */
/** @typedef {import('../index.d.ts').Ended} Ended */
/** @typedef {import('../index.d.ts').Written | import('../index.d.ts').Ended} Outcome */

/** What is read of a request. */
const READ = ['Cookie', 'Sec-Purpose']

/** @type {(sessions: Sessions, given: Parameters<Sessions['load']>[0], at?: import('../index.d.ts').At) => SessionHandle} */
export function handleOf(sessions, given, at = {}) {
  // A copy: what is done to the request until the response is ready changes nothing.
  const headers = new Headers()
  for (const name of READ) {
    const value = given.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  const request = { headers }
  /** @type {ReturnType<Sessions['open']> | null} */
  let opening = null
  /** @type {Outcome | null} */
  let outcome = null
  /** The writes, one after the other: of two at once, one would undo the other. @type {Promise<unknown>} */
  let writes = Promise.resolve()
  let isFinished = false

  const opened = () => {
    // The fields of the response are on their way: a page that first looks now may have been called public.
    if (isFinished && opening === null) throw new SealError('the response was finished before the session was looked at')
    return (opening ??= sessions.open(request, at))
  }

  /** @type {() => Promise<Session | null>} */
  const current = async () => (outcome !== null ? outcome.session : (await opened()).session)

  /**
   * Adds a write to those of this request: of two cookies of one name the later one counts.
   * @type {(next: Outcome) => void}
   */
  const note = (next) => {
    const before = outcome?.cookies.filter(({ name }) => !next.cookies.some((cookie) => cookie.name === name)) ?? []
    // Both know the same sessions of the request.
    const revocations = next.revocations ?? outcome?.revocations ?? null
    const ended = /** @type {Ended | null} */ (next.session === null ? next : (outcome?.ended ?? null))
    outcome = { ...next, cookies: [...before, ...next.cookies], revocations, ended }
  }

  /** @type {<R>(write: () => Promise<R>) => Promise<R>} */
  const queued = (write) => {
    if (isFinished) throw new SealError('the response was finished, so nothing can be written any more')
    const done = writes.then(write)
    writes = done.catch(() => {})
    return done
  }

  /** @type {(write: (session: Session) => Promise<Outcome>) => Promise<boolean>} */
  const change = (write) =>
    queued(async () => {
      const session = await current()
      if (session === null) return false
      note(await write(session))
      return true
    })

  return {
    opened: async () => opened(),
    session: current,
    get: async () => (await current())?.data ?? null,
    start: async (data, { remembered } = {}) =>
      queued(async () => note(await sessions.start(data, { ...at, remembered, cookies: request }))),
    set: async (data) => change((session) => sessions.seal(session, data, { ...at, cookies: request })),
    cycle: async () => change((session) => sessions.cycle(session, { ...at, cookies: request })),
    end: async () => queued(async () => note(await sessions.end(request, at))),

    async finish(response) {
      // Also those that nobody waited for.
      await writes
      const isLookedAt = outcome !== null || opening !== null
      if (isFinished || !isLookedAt) {
        isFinished = true
        return response
      }
      isFinished = true
      // Where it could not be opened, the page is that of an error.
      const session = outcome ?? (await current().catch(() => null))
      return sessions.finish(request, response, session, at)
    },
  }
}
