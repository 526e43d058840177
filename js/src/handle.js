// The session of one request, for frameworks: opened when it is first looked at, changed in place, finished once.

/** @typedef {import('../index.d.ts').Sessions} Sessions */
/** @typedef {import('../index.d.ts').Session} Session */
/** @typedef {import('../index.d.ts').SessionHandle} SessionHandle */
/** @typedef {import('../index.d.ts').Written | import('../index.d.ts').Ended} Outcome */

/** @type {(sessions: Sessions, request: Parameters<Sessions['load']>[0]) => SessionHandle} */
export function handleOf(sessions, request) {
  /** @type {ReturnType<Sessions['open']> | null} */
  let opening = null
  /** @type {Outcome | null} */
  let outcome = null

  /** @type {() => Promise<Session | null>} */
  const current = async () => {
    if (outcome !== null) return outcome.session
    opening ??= sessions.open(request)
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
    outcome = { ...next, cookies: [...before, ...next.cookies], revocations }
    return next
  }

  return {
    session: current,
    get: async () => (await current())?.data ?? null,

    async start(data, { remembered } = {}) {
      note(await sessions.start(data, { remembered, cookies: request }))
    },

    async set(data) {
      const session = await current()
      if (session === null) return false
      note(await sessions.seal(session, data, { cookies: request }))
      return true
    },

    async cycle() {
      const session = await current()
      if (session === null) return false
      note(await sessions.cycle(session, { cookies: request }))
      return true
    },

    async end() {
      note(await sessions.end(request))
    },

    async finish(response) {
      if (outcome === null && opening === null) return response
      return sessions.finish(request, response, outcome ?? (await current()))
    },
  }
}
