// The application with pages that a test needs, on a port. COMPRESSION says where the middleware of this name comes.

import { Readable } from 'node:stream'
import compression from 'compression'
import express from 'express'
import { app as sample } from './app.js'

const app = express()
if (process.env.COMPRESSION === 'before') app.use(compression({ threshold: 0 }))
app.use(sample)
if (process.env.COMPRESSION === 'after') sample.use(compression({ threshold: 0 }))
sample.get('/plain', (req, res) => {
  res.write('plain')
  res.end(res._header === null ? ', but it waits' : '')
})
sample.get('/public', async (req, res) => {
  await req.session.get()
  res.writeHead(200, { 'Cache-Control': 'public, max-age=60', 'CDN-Cache-Control': 'max-age=60' }).end('public')
})
sample.get('/fail', async (req) => {
  await req.session.start({ user: 8 })
  throw new Error('meant')
})
sample.get('/stream', async (req, res) => {
  await req.session.get()
  Readable.from(Array(1000).fill('x'.repeat(1000))).pipe(res)
})
sample.get('/file', async (req, res) => {
  await req.session.get()
  res.sendFile(import.meta.filename)
})
sample.get('/end', async (req, res) => {
  await req.session.end()
  res.set('Cache-Control', 'public, max-age=60').send('a page that is longer than the error page')
})
sample.get('/bad', async (req, res) => {
  await req.session.get()
  res.write(7)
})
sample.get('/twice', async (req, res) => {
  await req.session.get()
  res.writeHead(201, 'Made', ['X-Flat', 'yes']).writeHead(201)
  res.end('twice')
})
sample.get('/late', async (req, res) => {
  await req.session.get()
  res.send('said')
  throw new Error('meant')
})
sample.use((error, req, res, next) => {
  if (!res.headersSent) res.status(500).end('failed')
})

app.listen(Number(process.env.PORT), '127.0.0.1')
