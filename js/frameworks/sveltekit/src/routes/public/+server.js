export async function GET({ locals }) {
  await locals.session.get()
  return new Response('public', { headers: { 'Cache-Control': 'public, max-age=60', 'CDN-Cache-Control': 'max-age=60' } })
}
