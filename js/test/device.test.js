// Every row of the vectors of device binding and of sessions in several cookies, and laws about the tokens of the former.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'

import { decode, encode } from '../src/base64url.js'
import { KINDS, openOne, placeOf } from './device.js'
import { at, everyLaterRow, ringOf } from './later.js'
import { here } from './support.js'

const file = JSON.parse(readFileSync(process.env.NEXT_VECTORS ?? here('../../tests/data/next.json'), 'utf8'))

test('every row of the later first bytes is as it says', async () => {
  console.log(`vectors: rows of the later first bytes: ${JSON.stringify(await everyLaterRow(file))}`)
})

/** The first row of each kind that opens, with its place. */
async function goodOnes() {
  const good = Object.keys(KINDS).map((name) =>
    file.rows.find(({ op, kind, expect }) => op === 'open' && kind === name && expect.result === 'ok'),
  )
  return Promise.all(good.map(async (row) => ({ row, ring: await ringOf(row) })))
}

test('no kind opens as another', async () => {
  for (const { row, ring } of await goodOnes()) {
    for (const [name, kind] of Object.entries(KINDS)) {
      const opened = await openOne(placeOf(ring, row, kind), kind, row.text, { ...at(row), proof: 660 })
      assert.equal(opened.reason === undefined, name === row.kind, `${row.kind} as ${name}`)
    }
  }
})

test('no token opens with one bit flipped', async () => {
  for (const { row, ring } of await goodOnes()) {
    const kind = KINDS[row.kind]
    const keys = placeOf(ring, row, kind)
    const bytes = decode(row.text)
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = bytes.slice()
      flipped[bit >> 3] ^= 1 << (bit & 7)
      const { reason } = await openOne(keys, kind, encode(flipped), { ...at(row), proof: 660 })
      assert(reason !== undefined, `${row.kind}: bit ${bit}`)
    }
  }
})
