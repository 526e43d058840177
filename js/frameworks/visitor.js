// What the tests share: servers on free ports, and a browser that keeps the cookies that it gets.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { gunzipSync } from 'node:zlib'

/** @type {() => Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Starts a server and waits until it listens: its address, and how it is stopped. */
export async function start(args, env) {
  const port = await freePort()
  const child = spawn(process.execPath, args.map((arg) => arg.replace('PORT', port)), {
    env: { ...process.env, HOST: '127.0.0.1', PORT: port, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  // Shown only if it does not start: some pages here fail on purpose.
  let said = ''
  child.stderr.on('data', (text) => (said += text))
  for (let tries = 0; tries < 600; tries++) {
    assert.equal(child.exitCode, null, `${args} ended: ${said}`)
    try {
      await fetch(`http://127.0.0.1:${port}/plain`)
      return { port, stop: () => child.kill() }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  child.kill()
  throw new Error(`${args} does not listen: ${said}`)
}

/** A browser with these cookies. */
export function browser(port, cookies = []) {
  const jar = new Map(cookies)
  const send = (method, path, { headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const host = `127.0.0.1:${port}`
      const cookie = jar.size === 0 ? {} : { Cookie: [...jar].map((pair) => pair.join('=')).join('; ') }
      const form =
        method === 'POST' ? { 'Origin': `http://${host}`, 'Content-Type': 'application/x-www-form-urlencoded' } : {}
      const all = { ...cookie, ...form, 'Accept': 'text/html', 'X-Forwarded-Proto': 'http', ...headers }
      const options = { host: '127.0.0.1', port, path, method, headers: all, agent: false }
      const sent = request(options, async (response) => {
        const chunks = await response.toArray()
        const isZipped = response.headers['content-encoding'] === 'gzip'
        const text = (isZipped ? gunzipSync(Buffer.concat(chunks)) : Buffer.concat(chunks)).toString()
        const lines = response.headers['set-cookie'] ?? []
        for (const line of lines) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
          if (/Max-Age=0/.test(line)) jar.delete(name)
          else jar.set(name, value)
        }
        const names = lines.map((line) => line.split('=')[0]).sort()
        const vary = (response.headers.vary ?? '').toLowerCase().split(/, */)
        const { 'cache-control': cache = '', location } = response.headers
        resolve({ status: response.statusCode, headers: response.headers, text, names, lines, vary, cache, location })
      })
      sent.on('error', reject)
      sent.end(body)
    })
  return {
    jar,
    get: (path, headers) => send('GET', path, { headers }),
    post: (path, body = '', headers) => send('POST', path, { body, headers }),
  }
}

/** The cookies of what was sealed, for a browser. */
export const cookiesOf = ({ cookies }) => cookies.map(({ name, value }) => [name, value])
