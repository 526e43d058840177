export async function GET({ locals }) {
  await locals.session.start({ user: 8 })
  throw new Error('meant')
}
