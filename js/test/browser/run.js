// Runs the vectors in headless Chromium: a page from loopback, which browsers take for a secure context.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'

import { chromium } from 'playwright-core'

import { here, vectors } from '../support.js'

const TYPES = { '.html': 'text/html', '.js': 'text/javascript' }

const file = vectors()
const server = createServer((request, response) => {
  if (request.url === '/vectors.json')
    return response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(file))
  const path = request.url === '/' ? '/test/browser/page.html' : request.url
  if (!/^\/(src|test)\/[\w./-]+$/.test(path) || path.includes('..')) return response.writeHead(404).end()
  response.writeHead(200, { 'Content-Type': TYPES[extname(path)] }).end(readFileSync(here(`..${path}`)))
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
})
try {
  const page = await browser.newPage()
  page.on('pageerror', (error) => console.error(error))
  await page.goto(`http://127.0.0.1:${server.address().port}/`)
  await page.waitForFunction(() => window.result !== undefined, undefined, { timeout: 20_000 })
  const counts = await page.evaluate(() => window.result)
  assert.equal(counts.opened, file.vectors.length)
  assert.equal(counts.rings, file.rings.length)
  assert(counts.sealed > 0)
  console.log(
    `Chromium ${browser.version()}: ${Object.entries(counts)
      .map(([part, rows]) => `${part} ${rows}`)
      .join(', ')}`,
  )
} finally {
  await browser.close()
  server.close()
}
