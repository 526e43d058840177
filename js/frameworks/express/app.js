import express from 'express'
import { sealedSession } from 'sealed-session/express'
import { sessions } from '../sessions.js'

export const app = express()
app.use(sealedSession(sessions))
app.get('/', async (req, res) => res.json(await req.session.get()))
app.post('/sign-in', async (req, res) => {
  await req.session.start({ user: 7 }) // after the password was checked
  res.redirect(303, '/')
})
app.post('/theme', async (req, res) => {
  await req.session.set({ ...(await req.session.get()), theme: 'dark' })
  res.redirect(303, '/')
})
app.post('/sign-out', async (req, res) => {
  await req.session.end()
  res.redirect(303, '/')
})
