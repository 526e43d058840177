import { cookies } from 'next/headers'
import { signIn, signOut } from './actions.js'
import { sessions } from '../../sessions.js'

export default async function Page() {
  const { session } = await sessions.open(String(await cookies()))
  return (
    <>
      <output>{JSON.stringify(session?.data ?? null)}</output>
      <form action={session === null ? signIn : signOut}>
        <button>{session === null ? 'Sign in' : 'Sign out'}</button>
      </form>
    </>
  )
}
