// The worker as a Node server, with a cache in memory:
//
//   ORIGIN=http://127.0.0.1:3000 SESSION_DAY_KEYS="$(cat day-keys.json)" PORT=8080 node worker/serve.js

import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'

import worker from './worker.js'

/** Fields about the connection, which are not passed on. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'content-length',
])

/** @typedef {import('./worker.js').PageCache} PageCache */

/**
 * The two functions of a `Cache` that the worker uses. When it is full, the oldest page goes.
 * @type {(most?: number) => PageCache & { size: () => number }}
 */
export function memoryCache(most = 1000) {
  /** @type {Map<string, { body: ArrayBuffer, status: number, headers: [string, string][] }>} */
  const pages = new Map()
  return {
    size: () => pages.size,
    async match(request) {
      const page = pages.get(/** @type {Request} */ (request).url)
      return page && new Response(page.body, page)
    },
    async put(request, response) {
      if (pages.size >= most) pages.delete(/** @type {string} */ (pages.keys().next().value))
      const { status, headers } = response
      pages.set(/** @type {Request} */ (request).url, {
        body: await response.arrayBuffer(),
        status,
        headers: [...headers],
      })
    },
  }
}

/**
 * A Node server that answers with `answer`.
 * @type {(answer: (request: Request) => Promise<Response>) => import('node:http').Server}
 */
export function serve(answer) {
  return createServer(async (incoming, outgoing) => {
    try {
      const response = await answer(toRequest(incoming))
      const headers = [...response.headers].filter(([name]) => name !== 'set-cookie' && !HOP_BY_HOP.has(name))
      outgoing.writeHead(
        response.status,
        [...headers, ...response.headers.getSetCookie().map((line) => ['set-cookie', line])].flat(),
      )
      for await (const chunk of /** @type {any} */ (response.body ?? [])) outgoing.write(chunk)
    } catch (error) {
      console.error('worker:', error)
      if (!outgoing.headersSent) outgoing.writeHead(502)
    }
    outgoing.end()
  })
}

/** @type {(incoming: import('node:http').IncomingMessage) => Request} */
function toRequest(incoming) {
  const headers = new Headers()
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    // Several Cookie fields become one, joined as RFC 9113 says.
    if (name === 'cookie') headers.set(name, (values ?? []).join('; '))
    else if (!HOP_BY_HOP.has(name)) for (const value of values ?? []) headers.append(name, value)
  }
  const method = incoming.method ?? 'GET'
  const body = method === 'GET' || method === 'HEAD' ? null : Readable.toWeb(incoming)
  const init = { method, headers, body, duplex: 'half' }
  return new Request(`http://${incoming.headers.host}${incoming.url}`, /** @type {any} */ (init))
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const env = { ...process.env, CACHE: memoryCache() }
  const port = Number(process.env.PORT ?? 8080)
  serve((request) => worker.fetch(request, env)).listen(port, () => console.log(`worker on http://127.0.0.1:${port}`))
}
