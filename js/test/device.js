// The two endpoints that bind a session to a device, and the tokens that only they open: written from SPEC.md, for the
// vectors alone. No import from `node:`.

import { decode } from '../src/base64url.js'
import { concat, fromHex, readU32, toHex, u32, utf8 } from '../src/bytes.js'
import { random } from '../src/crypto.js'
import { openActivity, openTokens } from '../src/open.js'
import { placeRing } from '../src/day-keys.js'
import { latestActivity, lifetimeOf } from '../src/lifetime.js'
import {
  BOUND_ACTIVITY,
  PROOF,
  SESSION,
  judgeProof,
  screen,
  screenActivity,
  sealActivity,
  sealSigned,
  textLength,
  verifyHead,
} from '../src/token.js'

/** By the names that the vectors give them. */
export const KINDS = {
  '0x03': { ...BOUND_ACTIVITY, suffix: 'seen' },
  '0x04': { ...PROOF, suffix: 'proof' },
  '0x05': { first: 5, head: 50, id: 9, suffix: 'key' },
  '0x06 register': { first: 6, head: 25, id: 9, suffix: 'register', life: 60 },
  '0x06 refresh': { first: 6, head: 33, device: 9, suffix: 'refresh', life: 60 },
}

const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn

function power(base, exponent) {
  let result = 1n
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % P
    base = (base * base) % P
  }
  return result
}

const number = (bytes) => BigInt(`0x${toHex(bytes)}`)
const modulo = (value) => ((value % P) + P) % P

/** The 65 bytes of a compressed point of P-256, or null if there is no such point. */
function uncompressed(point) {
  const x = number(point.subarray(1))
  if ((point[0] !== 2 && point[0] !== 3) || x >= P) return null
  const square = modulo(x * x * x - 3n * x + B)
  const root = power(square, (P + 1n) / 4n)
  if (modulo(root * root) !== square) return null
  const y = (root & 1n) === BigInt(point[0] & 1) ? root : P - root
  return concat(Uint8Array.of(4), point.subarray(1), fromHex(y.toString(16).padStart(64, '0'), 32))
}

/** The name of a device: SHA-256(point)[..16] */
const nameOf = async (point) => toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', point)).subarray(0, 16))

/** Places a ring for the tokens of one kind. */
export const placeOf = (ring, { name, audience }, { suffix }) => placeRing(ring, `${name}-${suffix}`, audience)

/** Steps 1 to 6 for one token of a kind: its fields, or the reason. */
export async function openOne(keys, kind, text, { bind, now, proof }) {
  const token = screen(keys, [kind], text, textLength(kind), now, kind.life)
  if ('reason' in token) return token
  const { expires, sessionId, device } = token.claims
  const fields = { expires, ...(kind.id && { session_id: sessionId }), ...(kind.device && { device }) }
  if (kind.first === PROOF.first) {
    const reason = await judgeProof(keys, token, bind, proof, now)
    return reason === null ? { ...fields, proven: readU32(token.bytes, 25) } : { reason }
  }
  if (!(await verifyHead(keys, token, bind, now))) return { reason: 'not ours' }
  if (kind.first !== 5) return fields
  const point = token.bytes.slice(17, 50)
  if (uncompressed(point) === null) return { reason: 'damaged' }
  return { ...fields, point: toHex(point), device: await nameOf(point) }
}

/** The parts of a proof (JWS in compact form), or null if it is none. */
function parseProof(text) {
  const [header, payload, signature] = (text ?? '').split('.')
  try {
    const [head, claims] = [header, payload].map((part) => JSON.parse(new TextDecoder().decode(decode(part))))
    return { head, challenge: claims.jti, signed: utf8(`${header}.${payload}`), signature: decode(signature) }
  } catch {
    return null
  }
}

async function isSignedBy({ head, signed, signature }, point) {
  if (head.alg !== 'ES256' || head.typ !== 'dbsc+jwt') return false
  const curve = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('raw', uncompressed(point), curve, false, ['verify'])
  return crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, signature, signed)
}

/** The compressed point of a proof's own key, or null. */
function pointThatCame({ kty, crv, x, y } = {}) {
  const [one, other] = [x, y].map((part) => decode(part ?? ''))
  if (kty !== 'EC' || crv !== 'P-256' || one?.length !== 32 || other?.length !== 32) return null
  const point = concat(Uint8Array.of(2 + (other[31] & 1)), one)
  const whole = uncompressed(point)
  return whole !== null && toHex(whole.subarray(33)) === toHex(other) ? point : null
}

const isUnknown = (reason) => reason === 'unknown key' || reason === 'unknown version'

/** `register` and `refresh` for the ring, the place and the time of a row, whose sessions have this configuration. */
export function endpoints(ring, row, config) {
  const { now, settings } = row
  const at = { bind: fromHex(row.bind, row.bind.length / 2), now, proof: settings.proof }
  const keys = Object.fromEntries(Object.entries(KINDS).map(([name, kind]) => [name, placeOf(ring, row, kind)]))
  const open = (kind, text) => openOne(keys[kind], KINDS[kind], text, at)
  const proofOf = (device, lifetime) =>
    sealSigned(keys['0x04'], PROOF, concat(fromHex(device, 16), u32(now)), now + lifetime, at.bind, now)
  const screenSeen = (text) => screenActivity(config.activity, true, text, now)

  /** The session, be it unproven: here every device that an activity token names has a proof. */
  async function sessionOf({ session, activity }) {
    const devices = new Set(activity.flatMap((text) => screenSeen(text).claims?.device ?? []))
    const proof = await Promise.all([...devices].map((device) => proofOf(device, 1)))
    return (await openTokens(config, { session, activity, proof, chunks: [] }, at.bind, now)).session
  }

  /** The valid activity tokens of a session. */
  async function activityOf({ id, remembered }, tokens) {
    const latest = latestActivity(lifetimeOf(config.lifetimes, remembered).idle, now)
    const activity = await openActivity(config, tokens.activity, [id], at.bind, now)
    return activity.filter(({ expires }) => expires <= latest)
  }

  /** Whether a cookie is of a key or a version that is not known here. */
  const isOfAnotherServer = ({ session, activity }) =>
    session.some((text) => isUnknown(screen(config.session, [SESSION], text, config.longest, now).reason)) ||
    activity.some((text) => isUnknown(screenSeen(text).reason))

  return {
    async register(tokens, response) {
      // 1. the session opens and is plain
      const { session } = await openTokens(config, tokens, at.bind, now)
      if (session === null || session.device !== null) return { status: 400 }
      // 2. the challenge to register opens and names the session
      const proof = parseProof(response)
      const challenge = proof && (await open('0x06 register', proof.challenge))
      if (challenge?.session_id !== session.id) return { status: 400 }
      // 3. the signature is by the point that came
      const point = pointThatCame(proof.head.jwk)
      if (point === null || !(await isSignedBy(proof, point))) return { status: 400 }
      const longest = Math.max(...[true, false].map((remembered) => lifetimeOf(config.lifetimes, remembered).absolute))
      const fields = concat(fromHex(session.id, 8), point)
      const expires = Math.min(now + longest, 2 ** 32 - 1)
      const key = await sealSigned(keys['0x05'], KINDS['0x05'], fields, expires, at.bind, now)
      return { status: 200, key, proof: await proofOf(await nameOf(point), 1) }
    },

    async refresh(tokens, identifier, response, othersMayBegin) {
      // 1. the device key opens
      const key = await open('0x05', identifier ?? '')
      if (key.reason !== undefined) {
        return { status: isUnknown(key.reason) || isOfAnotherServer(tokens) ? 503 : 401 }
      }
      // 2. the session opens, and an activity token is of the key's device, or plain while the key names the session
      let toBind = null
      if (tokens.session.length > 0 || !othersMayBegin) {
        const session = await sessionOf(tokens)
        const valid = session === null ? [] : await activityOf(session, tokens)
        const plain = valid.filter(({ device }) => device === null)
        if (!valid.some(({ device }) => device === key.device)) {
          const binds = plain.length > 0 && key.session_id === session.id
          if (!binds) return { status: isOfAnotherServer(tokens) ? 503 : 401 }
          toBind = { id: session.id, expires: Math.max(...plain.map(({ expires }) => expires)) }
        }
      }
      // 3. the challenge to refresh opens and names the key's device
      const proof = parseProof(response)
      const challenge = proof && (await open('0x06 refresh', proof.challenge))
      if (challenge?.device !== key.device) {
        const fields = concat(fromHex(key.device, 16), random(8))
        const next = await sealSigned(keys['0x06 refresh'], KINDS['0x06 refresh'], fields, now + 60, at.bind, now)
        return { status: 403, challenge: next }
      }
      // 4. the signature is by the key's point
      const point = fromHex(key.point, 33)
      if (proof.head.jwk !== undefined || !(await isSignedBy(proof, point))) return { status: 401 }
      const answer = { status: 200, proof: await proofOf(key.device, settings.proof) }
      if (toBind === null) return answer
      const { id, expires } = toBind
      return { ...answer, activity: await sealActivity(config.activity, id, key.device, expires, at.bind, now) }
    },
  }
}
