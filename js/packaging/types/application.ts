// What an application writes compiles, and what it must not write does not.

import { createSessions, parseRing, readRevocations } from 'sealed-session'
import type { Opened, Sessions, Written } from 'sealed-session'
import worker, { handle } from 'sealed-session/worker'

interface Login {
  user: number
  theme?: string
}

export async function page(request: Request): Promise<Response> {
  const sessions = await createSessions<Login>({
    keys: async () => 'sealed1_',
    keysEvery: 60,
    revoke: async (bytes) => void readRevocations(bytes),
    cookie: { sameSite: 'Strict' },
  })
  const opened = await sessions.open(request)
  if (opened.state === 'valid') {
    const user: number = opened.session.data.user
    const written: Written<Login> = await sessions.seal(opened.session, { user, theme: 'dark' }, { cookies: request })
    // @ts-expect-error: no user
    await sessions.seal(opened.session, { theme: 'dark' })
    return sessions.finish(request, new Response(`${user}`), written)
  }
  // @ts-expect-error: there is no session in this state
  opened.session.data
  const reason: string | null = opened.reason
  const session = sessions.load(request, { bind: new Uint8Array(3) })
  await session.start({ user: 7 }, { remembered: true })
  // @ts-expect-error: no such data
  await session.set({ name: 'Ada' })
  const data: Login | null = await session.get()
  const end = await sessions.end(request.headers)
  for (const { name, value, options } of end.cookies) {
    const sameSite: 'strict' | 'lax' | 'none' = options.sameSite
    const httpOnly: true = options.httpOnly
    console.log(name, value, sameSite, httpOnly, reason, data)
  }
  return session.finish(new Response())
}

export async function others(sessions: Sessions<Login>, opened: Opened<Login>) {
  if (opened.session !== null) console.log(opened.session.data.user)
  const until: number = await sessions.reaches()
  await sessions.replaceKeys(await parseRing('sealed1_'))
  await createSessions({ keys: 'sealed1_', revoke: null, revoked: new Set(['0000000000000001']) })
  // @ts-expect-error: keys are needed
  await createSessions({})
  // @ts-expect-error: misspelt
  await createSessions({ keys: '', cookieName: 'id' })
  // @ts-expect-error: not a number of seconds
  await createSessions({ keys: '', idle: '30 minutes' })
  // @ts-expect-error: no request
  await sessions.open(7)
  const answer: Promise<Response> = worker.fetch(new Request('https://shop.example/'), {})
  return [until, answer, handle]
}
