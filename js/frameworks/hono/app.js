import { Hono } from 'hono'
import { sealedSession } from 'sealed-session/hono'
import { sessions } from '../sessions.js'

export const app = new Hono()
app.use(sealedSession(sessions))
app.get('/', async (c) => c.json(await c.get('session').get()))
app.post('/sign-in', async (c) => {
  await c.get('session').start({ user: 7 }) // after the password was checked
  return c.redirect('/', 303)
})
app.post('/theme', async (c) => {
  await c.get('session').set({ ...(await c.get('session').get()), theme: 'dark' })
  return c.redirect('/', 303)
})
app.post('/sign-out', async (c) => {
  await c.get('session').end()
  return c.redirect('/', 303)
})
