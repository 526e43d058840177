// Runtimes in which WebCrypto and the module have different globals.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import test from 'node:test'

import { here } from './support.js'

for (const realm of ['edge-runtime', 'jsdom']) {
  test(`the vectors hold where globals come from several realms, as in ${realm}`, () => {
    const flags = ['--experimental-vm-modules', '--no-warnings']
    const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, here('realm.js'), realm], {
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
    console.log(stdout.trimEnd())
  })
}
