// What the tests share.

import node from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** The vector file, or the one that VECTORS names. */
export const vectors = () => JSON.parse(readFileSync(process.env.VECTORS ?? here('../../tests/data/v1.json'), 'utf8'))

export const SECRET = 'sealed1_9e4859a4_4b99fb7887e95d5dcac0842e4cca21f0e48cc6a1f7c3fedd84678d0b3fc0ff81'
export const OTHER = 'sealed1_56f76705_70f9cff8469c2a14b6ca9370ba28a1b9d70ce35a7fdd240b3a014e4fd5e74b66'
export const NOW = 1893369660
export const TODAY = Math.floor(NOW / 86400)

/** The values of a `Cookie` field that a browser would send back. */
export const cookieOf = (...sealed) =>
  sealed.flatMap(({ setCookie }) => setCookie.map((line) => line.split(';')[0])).join('; ')

/** Whether the module uses node:crypto here; if not, it uses WebCrypto. */
export const hasNode = process.getBuiltinModule !== undefined

/** Counts the cryptography from now on until the test ends. */
export function countCrypto(context) {
  const [from, hmac, decrypt] = hasNode ? [node, 'createHmac', 'createDecipheriv'] : [crypto.subtle, 'sign', 'decrypt']
  const calls = [hmac, decrypt].map((name) => context.mock.method(from, name).mock)
  return {
    get hmacs() {
      return calls[0].callCount()
    },
    get decrypts() {
      return calls[1].callCount()
    },
    reset: () => calls.forEach((each) => each.resetCalls()),
  }
}
