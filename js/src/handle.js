// The session of one request, for frameworks: opened when it is first looked at, changed in place, finished once.

/** @typedef {import('../index.d.ts').Sessions} Sessions */
/** @typedef {import('../index.d.ts').Session} Session */
/** @typedef {import('../index.d.ts').SessionHandle} SessionHandle */
/** @typedef {import('../index.d.ts').Ended} Ended */
/** @typedef {import('../index.d.ts').Written | import('../index.d.ts').Ended} Outcome */

/** @type {(sessions: Sessions, request: Parameters<Sessions['load']>[0], at?: import('../index.d.ts').At) => SessionHandle} */
export function handleOf(sessions, request, at = {}) {
  const writing = { ...at, cookies: request }
  /** @type {ReturnType<Sessions['open']> | null} */
  let opening = null
  /** @type {Outcome | null} */
  let outcome = null

  /** @type {() => Promise<Session | null>} */
  const current = async () => {
    if (outcome !== null) return outcome.session
    opening ??= sessions.open(request, at)
    return (await opening).session
  }

  /**
   * Adds a write to those of this request: of two cookies of one name the later one counts.
   * @type {<O extends Outcome>(next: O) => O}
   */
  const note = (next) => {
    const before = outcome?.cookies.filter(({ name }) => !next.cookies.some((cookie) => cookie.name === name)) ?? []
    // Both know the same sessions of the request.
    const revocations = next.revocations ?? outcome?.revocations ?? null
    const ended = /** @type {Ended | null} */ (next.session === null ? next : (outcome?.ended ?? null))
    outcome = { ...next, cookies: [...before, ...next.cookies], revocations, ended }
    return next
  }

  return {
    session: current,
    get: async () => (await current())?.data ?? null,

    async start(data, { remembered } = {}) {
      note(await sessions.start(data, { ...writing, remembered }))
    },

    async set(data) {
      const session = await current()
      if (session === null) return false
      note(await sessions.seal(session, data, writing))
      return true
    },

    async cycle() {
      const session = await current()
      if (session === null) return false
      note(await sessions.cycle(session, writing))
      return true
    },

    async end() {
      note(await sessions.end(request, at))
    },

    async finish(response) {
      if (outcome === null && opening === null) return response
      return sessions.finish(request, response, outcome ?? (await current()), at)
    },
  }
}
