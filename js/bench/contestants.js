// What is measured, for any runtime: no import from `node:`.

import { EncryptJWT, jwtDecrypt } from './node_modules/jose/dist/webapi/index.js'

import { createSessions, parseRing } from '../src/index.js'

export const SIZES = [60, 250, 1024, 2980]

const RING = await parseRing('sealed1_9e4859a4_4b99fb7887e95d5dcac0842e4cca21f0e48cc6a1f7c3fedd84678d0b3fc0ff81')
/** Workers make no key before the first request, but may import one. */
const KEY = await crypto.subtle.importKey('raw', new Uint8Array(32), 'AES-GCM', false, ['encrypt', 'decrypt'])

/** An application's state whose JSON has this many bytes: ids, a list, and text. */
function dataOf(size) {
  const data = { user: 48213, theme: 'dark', cart: [], note: '' }
  while (JSON.stringify(data).length + 40 < size * 0.7) data.cart.push({ item: 71000 + data.cart.length, quantity: 2 })
  data.note = 'x'.repeat(size - JSON.stringify(data).length)
  return data
}

const encrypt = (data) =>
  new EncryptJWT(data)
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
    .setIssuedAt()
    .setExpirationTime('12h')
    .encrypt(KEY)

const cookieOf = ({ setCookie }) => setCookie.map((line) => line.split(';')[0]).join('; ')

async function repeat(times, action) {
  const made = []
  for (let i = 0; i < times; i++) made.push(await action(i))
  return made
}

function check(found, expected) {
  if (found !== expected) throw new Error('a token did not open to what was sealed')
}

/**
 * For each operation a function that makes `times` calls ready; what it gives makes them. Tokens are new to `open new`:
 * each is opened once, by sessions that have opened others before. `open seen` takes turns among 16.
 */
export const OPERATIONS = {
  'jose decrypt': async (size, times) => {
    const tokens = await repeat(times, () => encrypt(dataOf(size)))
    return async () => {
      for (const token of tokens) check((await jwtDecrypt(token, KEY)).payload.user, 48213)
    }
  },
  'jose encrypt': async (size, times) => {
    const data = dataOf(size)
    return () => repeat(times, () => encrypt(data))
  },
  'open new': async (size, times) => {
    const sessions = await createSessions({ keys: RING })
    const [first, ...cookies] = await repeat(times + 1, async () => cookieOf(await sessions.start(dataOf(size))))
    await sessions.open(first)
    return async () => {
      for (const cookie of cookies) check((await sessions.open(cookie)).session?.data.user, 48213)
    }
  },
  'open seen': async (size, times) => {
    const sessions = await createSessions({ keys: RING })
    const cookies = await repeat(16, async () => cookieOf(await sessions.start(dataOf(size))))
    for (const cookie of cookies) await sessions.open(cookie)
    return () => repeat(times, async (i) => check((await sessions.open(cookies[i % 16])).session?.data.user, 48213))
  },
  'seal': async (size, times) => {
    const sessions = await createSessions({ keys: RING })
    const { session } = await sessions.start(dataOf(size))
    return () => repeat(times, () => sessions.seal(session, session.data))
  },
  'start': async (size, times) => {
    const sessions = await createSessions({ keys: RING })
    const data = dataOf(size)
    return () => repeat(times, () => sessions.start(data))
  },
}
