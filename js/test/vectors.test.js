import test from 'node:test'

import * as rows from './rows.js'
import { vectors } from './support.js'

const file = vectors()

test('every token opens or is rejected for the named reason', async () => {
  console.log(`vectors: ${await rows.everyTokenOpensOrIsRejected(file.vectors)} tokens opened or rejected`)
})

test('a check agrees with opening', async () => {
  console.log(`vectors: ${await rows.everyCheckAgreesWithOpening(file.vectors)} tokens checked`)
})

test('every row derives and seals to the byte', async () => {
  const { derived, sealed } = await rows.everyRowDerivesAndSeals(file.vectors)
  rows.equal(sealed > 0, true, 'some row seals')
  console.log(`vectors: ${derived} rows derived, ${sealed} rows sealed to the byte`)
})

test('every written ring is accepted or refused', async () => {
  console.log(`vectors: ${await rows.everyRingIsAcceptedOrRefused(file.rings)} rings`)
})

test('every raw secret is accepted or refused', async () => {
  console.log(`vectors: ${await rows.everyRawSecretIsAcceptedOrRefused(file.raw_secrets)} raw secrets`)
})

test('the file is one of format v1, and none of its parts is empty', () => {
  rows.equal(file.format, 'sealed-session v1', 'format')
  for (const part of ['vectors', 'rings', 'raw_secrets']) rows.equal(file[part].length > 0, true, part)
})
