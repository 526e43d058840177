// Runs the vectors where WebCrypto, or the text encoder, comes from another realm than the module's own Uint8Array and
// DOMException: in Vercel's edge runtime, which Next.js runs middleware in, and in a context that is given this realm's as
// vitest's jsdom gives them. Needs `node --experimental-vm-modules`; realms.test.js starts it.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { SourceTextModule, createContext } from 'node:vm'

import { EdgeVM } from '@edge-runtime/vm'

import { here, vectors } from './support.js'

const CONTEXTS = {
  'edge-runtime': () => new EdgeVM().context,
  'jsdom': () => createContext({ crypto, DOMException, TextEncoder, TextDecoder }),
}

/** The modules of a context by their URL, each loaded once. */
async function load(url, context, loaded) {
  if (!loaded.has(url)) {
    const code = await readFile(new URL(url), 'utf8')
    loaded.set(url, new SourceTextModule(code, { context, identifier: url }))
  }
  return loaded.get(url)
}

const file = vectors()
const context = CONTEXTS[process.argv[2]]()
const loaded = new Map()
const rows = await load(`file://${here('rows.js')}`, context, loaded)
await rows.link((name, from) => load(new URL(name, from.identifier).href, context, loaded))
await rows.evaluate()
const counts = await rows.namespace.everyRow(file)
assert.equal(counts.opened, file.vectors.length)
console.log(
  `${process.argv[2]}: ${Object.entries(counts)
    .map((part) => part.join(' '))
    .join(', ')}`,
)

const { createSessions, readRevocations } = loaded.get(
  new URL('../src/index.js', `file://${here('rows.js')}`).href,
).namespace
const SECRET = `${file.vectors[0].ring[0]}`
const revoked = new Set()
const sessions = await createSessions({ keys: SECRET, revoked })
const bind = Uint8Array.of(1, 2, 3)
const { session, setCookie } = await sessions.start(new TextEncoder().encode('{"user":7}'), { bind })
assert.equal(JSON.stringify(session.data), '{"user":7}', 'bytes are bytes, from any realm')
const cookies = setCookie.map((line) => line.split(';')[0])
assert.equal((await sessions.open(cookies, { bind })).state, 'valid')
revoked.add(session.id)
assert.equal((await sessions.open(cookies, { bind })).reason, 'revoked', 'a set of another realm may grow too')
assert.equal(readRevocations(Buffer.from('5353524c0100000007' + '00'.repeat(8), 'hex')).cutOff, 7)
