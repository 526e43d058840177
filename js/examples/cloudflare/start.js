// The worker in miniflare, Cloudflare's simulator, on this machine: `npm start`. PORT chooses the port.

import { randomBytes } from 'node:crypto'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

import { keyFromRawSecret } from 'sealed-session'
import { sessionKeys } from './push-keys.js'

/** The worker as wrangler bundles it, or this module around it, with an empty KV. */
export async function start({ port = 0, keysEvery = 60, main = "export { default } from './worker.js'" } = {}) {
  const stdin = { contents: main, resolveDir: fileURLToPath(new URL('.', import.meta.url)) }
  const { outputFiles } = await build({ stdin, bundle: true, format: 'esm', target: 'es2022', write: false })
  const miniflare = new Miniflare({
    modules: true,
    script: outputFiles[0].text,
    compatibilityDate: '2026-07-30',
    kvNamespaces: ['KEYS'],
    bindings: { KEYS_EVERY: String(keysEvery) },
    host: '127.0.0.1',
    port,
  })
  return { miniflare, url: await miniflare.ready, keys: await miniflare.getKVNamespace('KEYS') }
}

/** A written key of a random secret, as `sealed-session key` makes one. */
export async function newKey() {
  const secret = randomBytes(32)
  const digits = secret.toString('hex')
  return `sealed1_${(await keyFromRawSecret(new Uint8Array(secret))).id}_${digits}`
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { url, keys } = await start({ port: Number(process.env.PORT ?? 8787) })
  await keys.put('session-keys', await sessionKeys(await newKey()))
  console.log(`open http://localhost:${url.port}`)
}
