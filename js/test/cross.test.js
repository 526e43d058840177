// The line protocol, fed with the vectors.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import test from 'node:test'

import { NOW, SECRET, here, vectors } from './support.js'

function run(lines) {
  const input = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')
  const { stdout, status } = spawnSync(process.execPath, [here('../cross.js')], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  assert.equal(status, 0)
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(answers.length, lines.length)
  return answers
}

const shared = (row) => {
  const { idle, absolute, remembered_idle, remembered_absolute } = row.limits
  return {
    ref: row.id,
    now: row.now,
    keys: row.ring.map((key, index) => `${index === 0 ? 'seal' : 'open'} ${key}`).join('\n'),
    name: row.name,
    audience: row.audience,
    bind: row.bind,
    idle,
    absolute,
    remembered: remembered_absolute === null ? null : { idle: remembered_idle, absolute: remembered_absolute },
    cut_off: row.cut_off,
    revoked: row.revoked,
  }
}

test('every row opens or is rejected', () => {
  const rows = vectors().vectors
  const answers = run(rows.map((row) => ({ op: 'open', ...shared(row), session: [row.token], activity: row.seen })))
  for (const [index, row] of rows.entries()) {
    assert.deepEqual([answers[index].ref, answers[index].outcome], [row.id, row.expect])
  }
  console.log(`cross: ${rows.length} rows opened or rejected`)
})

test('what opens is sealed again to the byte', () => {
  const rows = vectors().vectors.filter((row) => row.expect === 'ok')
  const lines = rows.map(
    ({ session_id: id, started, sealed, expires, payload, salt, flags, secret, key_id, ...row }) => ({
      op: 'seal',
      ...shared(row),
      keys: `sealed1_${key_id}_${secret}`,
      name: row.sealed_with.name,
      audience: row.sealed_with.audience,
      now: Math.max(sealed, expires - 400 * 86400),
      id,
      started,
      sealed,
      expires,
      payload,
      salt,
      flags,
    }),
  )
  const answers = run(lines)
  for (const [index, row] of rows.entries()) assert.equal(answers[index].token, row.token, `row ${row.id}`)
  console.log(`cross: ${rows.length} rows sealed to the byte`)
})

test('what is sealed is checked and opened, and what is refused does not end the run', () => {
  const common = { keys: SECRET, now: NOW }
  const id = 'b7477ebeb19cef38'
  const [{ token }, { token: seen }, ...refused] = run([
    { op: 'seal', ...common, id, started: NOW, expires: NOW + 43200, payload: '7b7d' },
    { op: 'seal_activity', ...common, id, expires: NOW + 1800 },
    { op: 'seal', ...common, id, started: NOW, expires: NOW, payload: '7b7d' },
    { op: 'open', ...common, keys: 'open sesame' },
    { op: 'shut', ...common },
    'no JSON',
  ])
  for (const { error } of refused) assert.match(error, /^(SealError|KeyError|TypeError|SyntaxError): /)
  const cookies = [`__Host-id=${token}`, `__Host-id-seen=${seen}`]
  const [opened, checked, absent] = run([
    { op: 'open', ...common, cookies },
    { op: 'check', ...common, cookies },
    { op: 'open', ...common, cookies: [] },
  ])
  assert.deepEqual([opened.outcome, opened.id, opened.payload, opened.active_until], ['ok', id, '7b7d', NOW + 1800])
  assert.deepEqual([checked.outcome, checked.ids, absent.outcome], ['live', [id], 'absent'])
})
