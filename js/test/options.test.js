// Every option with values of every other kind: refused when the sessions are created, by a sentence.

import assert from 'node:assert/strict'
import test from 'node:test'
import { inspect } from 'node:util'

import { createSessions, exportDayKeys, parseKey, parseRing } from '../src/index.js'
import { SECRET, TODAY } from './support.js'

const key = await parseKey(SECRET)
const ring = await parseRing(SECRET)
const dayKeys = await exportDayKeys(ring, { rights: 'open', days: [TODAY] })
const VALUES = [
  null, true, false, 0, 1, -1, 1.5, NaN, Infinity, 2 ** 32, 2 ** 53, '', 'x', '60', 10n, Symbol('s'),
  {}, [], [1], ['x'], [null], new Date(), new Set([1]), new Map(), Buffer.from('x'), () => {}, async () => {}, Promise.resolve(1),
]
const INNER = ['idle', 'x', 'absolute', 'proof', 'path', 'domain', 'secure', 'sameSite', 'partitioned']

/** The kind of a value, and the value if it is a simple one. */
const labelOf = (value) => {
  if (Array.isArray(value)) return `array of ${value.length}`
  const isSimple = value === null || !['object', 'function'].includes(typeof value)
  return isSimple ? `${typeof value} ${String(value)}` : Object.prototype.toString.call(value).slice(8, -1)
}

const FUNCTIONS = ['Function', 'AsyncFunction']
/** Which of them is right: all others are refused. */
const RIGHT = {
  keys: FUNCTIONS,
  keysEvery: ['number 1', 'number 4294967296'],
  onKeyError: FUNCTIONS,
  name: ['string x', 'string 60'],
  audience: ['string ', 'string x', 'string 60'],
  idle: ['object null', 'number 1'],
  absolute: ['number 1'],
  remembered: ['object null'],
  device: ['object null', 'Object'],
  cutOff: ['number 0', 'number 1'],
  revoked: ['array of 0', 'Map', ...FUNCTIONS],
  revoke: ['object null', ...FUNCTIONS],
  cookie: ['Object'],
  padTo: ['number 1'],
  chunks: ['number 1'],
  largestCookies: ['number 4294967296'],
}

test('every option refuses what is of another kind', async () => {
  for (const [option, right] of Object.entries(RIGHT)) {
    for (const value of VALUES) {
      const options = { keys: SECRET, [option]: value }
      if (option === 'keys') options.onKeyError = () => {}
      const error = await createSessions(options).then(
        () => null,
        (error) => error,
      )
      const what = `${option}: ${String(value)} (${Object.prototype.toString.call(value)}): ${error}`
      assert.equal(error === null, right.includes(labelOf(value)), what)
      if (error !== null) assert.match(error.name, /^(ConfigError|KeyError)$/, what)
    }
  }
})

test('so do the members of options that are objects', async () => {
  for (const value of VALUES) {
    for (const member of INNER) {
      for (const option of ['remembered', 'device', 'cookie']) {
        const error = await createSessions({ keys: SECRET, [option]: { idle: null, absolute: 1, [member]: value } }).then(
          () => null,
          (error) => error,
        )
        const what = `${option}.${member}: ${String(value)}: ${error}`
        if (error !== null) assert.match(error.name, /^(ConfigError|KeyError)$/, what)
      }
    }
  }
  for (const options of [{ cookie: { sameSite: ['lax'] } }, { cookie: { sameSite: null } }, { device: { x: 60 } }]) {
    await assert.rejects(createSessions({ keys: SECRET, ...options }), { name: 'ConfigError' })
  }
})

test('keys are a ring or day keys, and nothing that looks like them', async () => {
  for (const keys of [
    key, [key], { keys: new Map() }, { keys: new Map(), sealing: new Map() }, { ...dayKeys, keys: null }, { ...dayKeys, name: 5 },
    { ...dayKeys, sealing: [null] }, { ...dayKeys, keys: [null] }, { format: 5 }, Promise.resolve(ring), Buffer.from(SECRET),
    `${SECRET}\0`, undefined,
  ]) {
    const made = createSessions({ keys })
    const error = await made.then(() => null, (error) => error)
    assert.match(String(error?.name), /^(ConfigError|KeyError)$/, inspect(keys))
  }
  for (const options of [undefined, null, 5, 'x', [], () => {}]) {
    const error = await createSessions(options).then(() => null, (error) => error)
    assert.match(String(error?.name), /^(ConfigError|KeyError)$/, inspect(options))
  }
  for (const keys of [ring, dayKeys, JSON.stringify(dayKeys), ` ${JSON.stringify(dayKeys)}`, SECRET]) await createSessions({ keys })
})
