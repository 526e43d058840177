import { redirect } from '@sveltejs/kit'

export const load = async ({ locals }) => ({ visitor: await locals.session.get() })

export const actions = {
  async signIn({ locals }) {
    await locals.session.start({ user: 7 }) // after the password was checked
    redirect(303, '/')
  },
  async theme({ locals }) {
    await locals.session.set({ ...(await locals.session.get()), theme: 'dark' })
    redirect(303, '/')
  },
  async signOut({ locals }) {
    await locals.session.end()
    redirect(303, '/')
  },
}
