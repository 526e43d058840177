// Operations per second, one after another on one thread, beside iron-session's unseal and jose's JWE decrypt. The cases
// take turns in every round, so that what else the machine does meets all of them; a case's median round counts.
//
//   node bench.js [rounds] [milliseconds per case and round]

import { availableParallelism, cpus } from 'node:os'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

import { sealData, unsealData } from 'iron-session'
import { CompactEncrypt, compactDecrypt } from 'jose'

import { createSessions, exportDayKeys, parseRing } from './src/index.js'
import { decode, encode } from './src/base64url.js'
import { random } from './src/crypto.js'

const [rounds, milliseconds] = [Number(process.argv[2] ?? 15), Number(process.argv[3] ?? 100)]
const SECRET = 'sealed1_9e4859a4_4b99fb7887e95d5dcac0842e4cca21f0e48cc6a1f7c3fedd84678d0b3fc0ff81'

/** About 100 bytes of JSON. */
const data = { user: 4711, name: 'Ada Lovelace', roles: ['reader', 'editor'], csrf: 'J8x2mQ4vT7bK1nP0', theme: 'dark' }
const bytes = new TextEncoder().encode(JSON.stringify(data))

const ring = await parseRing(SECRET)
const today = Math.floor(Date.now() / 86_400_000)
const dayKeys = await exportDayKeys(ring, { rights: 'check', days: [today, today + 1] })
const [sessions, checker] = [await createSessions({ keys: ring }), await createSessions({ keys: dayKeys })]
const lasting = await createSessions({ keys: ring, idle: null })

const { setCookie, token } = await sessions.start(data)
const cookie = setCookie.map((line) => line.split(';')[0]).join('; ')
const foreign = encode(decode(token).fill(0, 1, 5))
const alone = `__Host-id=${token}`

const password = 'a password of at least thirty-two characters'
const ironSeal = await sealData(data, { password })
const raw = random(32)
const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt'])
const jwe = await new CompactEncrypt(bytes).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(raw)

const valid = ({ state }) => state === 'valid'
const live = ({ state }) => state === 'live'
const parse = ({ plaintext }) => JSON.parse(new TextDecoder().decode(plaintext)).user === data.user

const cases = [
  ['check, both cookies, keys warm', async () => live(await checker.check(cookie))],
  ['check, both cookies, keys cold', async () => live(await (await createSessions({ keys: dayKeys })).check(cookie))],
  [
    'check, made-up token (unknown key)',
    async () => (await checker.check(`__Host-id=${foreign}`)).reason === 'unknown key',
  ],
  ['open, both cookies, keys warm', async () => valid(await sessions.open(cookie))],
  ['open, both cookies, keys cold', async () => valid(await (await createSessions({ keys: ring })).open(cookie))],
  ['open, session cookie alone, keys warm', async () => valid(await lasting.open(alone))],
  [
    'open, session cookie alone, keys cold',
    async () => valid(await (await createSessions({ keys: ring, idle: null })).open(alone)),
  ],
  [
    `iron-session ${version('iron-session')} unsealData`,
    async () => (await unsealData(ironSeal, { password })).user === data.user,
  ],
  [`jose ${version('jose')} compactDecrypt, CryptoKey`, async () => parse(await compactDecrypt(jwe, key))],
  [`jose ${version('jose')} compactDecrypt, raw key`, async () => parse(await compactDecrypt(jwe, raw.slice()))],
].map(([name, run]) => ({ name, run, results: [] }))

for (const { run, name } of cases) if (!(await run())) throw new Error(`${name} does not work`)
for (let round = -1; round < rounds; round++) {
  for (const { run, results } of cases) {
    let count = 0
    const start = performance.now()
    while (performance.now() - start < milliseconds) {
      await run()
      count++
    }
    // The first round warms up.
    if (round >= 0) results.push((count * 1000) / (performance.now() - start))
  }
}

console.log(
  `Node ${process.version}, ${cpus()[0]?.model}, ${availableParallelism()} cores; ${rounds} rounds of ${milliseconds} ms; payload ${bytes.length} bytes`,
)
console.log(
  `cookie values: sealed-session ${token.length} (and 44), iron-session ${ironSeal.length}, JWE ${jwe.length} characters\n`,
)
console.log('| | operations/s (median) | lowest to highest round | µs each |\n|---|---:|---:|---:|')
for (const { name, results } of cases) {
  results.sort((one, other) => one - other)
  const [low, median, high] = [results[0], results[results.length >> 1], results.at(-1)].map(Math.round)
  console.log(`| ${name} | ${median} | ${low} to ${high} | ${(1e6 / median).toFixed(0)} |`)
}

function version(name) {
  const paths = createRequire(import.meta.url).resolve.paths(name) ?? []
  for (const path of paths) {
    try {
      return JSON.parse(readFileSync(`${path}/${name}/package.json`, 'utf8')).version
    } catch {
      // Not in this folder.
    }
  }
  return ''
}
