// The application with pages that a test needs, on a port.

import { serve } from '@hono/node-server'
import { app } from './app.js'

app.get('/plain', (c) => c.text('plain'))
app.get('/public', async (c) => {
  await c.get('session').get()
  return c.text('public', 200, { 'Cache-Control': 'public, max-age=60', 'CDN-Cache-Control': 'max-age=60' })
})
app.get('/fail', async (c) => {
  await c.get('session').start({ user: 8 })
  throw new Error('meant')
})
app.get('/end', async (c) => {
  await c.get('session').end()
  c.header('Cache-Control', 'public, max-age=60')
  return c.text('ended')
})
app.get('/stream', async (c) => {
  await c.get('session').get()
  const chunk = new TextEncoder().encode('x'.repeat(1000))
  return c.body(ReadableStream.from(Array(1000).fill(chunk)))
})
app.onError((_, c) => c.text('failed', 500))

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT) })
