// Sizes of the two Workers, and how fast they answer: alternating rounds, and the median of the rounds' ratios.

import { execFile } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'

import { SECRET } from '../../js/test/support.js'
import { Visitor } from './jar.js'
import { rustModules, startWorkerd } from './workerd.js'

const ROUNDS = 7
const SECONDS = 3
const VISITORS = 3000

const [temporary] = process.argv.slice(2)
const lua = fileURLToPath(new URL('load.lua', import.meta.url))
const run = promisify(execFile)
const median = (values) => values.toSorted((one, other) => one - other)[values.length >> 1]

/** @param {string} name @param {string[]} files */
function size(name, files) {
  const raw = files.map((file) => statSync(file).size).reduce((sum, bytes) => sum + bytes)
  const packed = files.map((file) => gzipSync(readFileSync(file), { level: 9 }).length).reduce((sum, bytes) => sum + bytes)
  console.log(`| ${name} | ${raw.toLocaleString('en')} | ${packed.toLocaleString('en')} |`)
}

/** Seconds of CPU that a process has used. */
function used(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function load(worker, method, path, cookies) {
  const before = used(worker.pid)
  const address = worker.origin + path
  const options = ['-t1', '-c16', `-d${SECONDS}s`, '-s', lua, address, '--', method, path, cookies]
  const { stdout } = await run('wrk', options)
  const [, requests, microseconds, failed] = /RESULT (\d+) (\d+) (\d+)/.exec(stdout).map(Number)
  if (failed > 0) throw new Error(`${failed} requests of ${requests} failed`)
  return { perSecond: requests / (microseconds / 1e6), cost: ((used(worker.pid) - before) / requests) * 1e6 }
}

const modules = await rustModules(process.env.BINDINGS)
console.log('| Worker | bytes | gzip |\n|---|---|---|')
size('the crate: module', modules.filter(([name]) => name.endsWith('.wasm')).map(([, file]) => file))
size('the crate: JavaScript around it', modules.filter(([name]) => name.endsWith('.js')).map(([, file]) => file))
size('the npm package, minified', [process.env.BUNDLE])

const keys = `seal ${SECRET}`
const crate = await startWorkerd(modules, keys)
const npm = await startWorkerd([['worker.js', process.env.BUNDLE]], keys)
try {
  const fields = []
  for (let index = 0; index < VISITORS; index += 1) {
    const visitor = new Visitor(crate.origin)
    await visitor.visit('POST', '/sign-in')
    fields.push(visitor.cookieField)
  }
  const file = (name, lines) => {
    writeFileSync(join(temporary, name), lines.map((line) => `${line}\n`).join(''))
    return join(temporary, name)
  }
  const [none, one, all] = [file('none', []), file('one', fields.slice(0, 1)), file('all', fields)]
  const loads = [
    ['a guest reads', 'GET', '/', none],
    ['one visitor reads', 'GET', '/', one],
    [`${VISITORS.toLocaleString('en')} visitors read in turn`, 'GET', '/', all],
    ['sign-ins', 'POST', '/sign-in', none],
  ]
  console.log(`\n${cpus().length} × ${cpus()[0].model}; ${ROUNDS} rounds of ${SECONDS} s, 16 connections\n`)
  console.log('| load | crate, requests/s | npm package, requests/s | ratio | CPU µs: crate | npm package |\n|---|---|---|---|---|---|')
  for (const [name, method, path, cookies] of loads) {
    const rounds = []
    for (let round = 0; round < ROUNDS; round += 1) {
      const order = round % 2 === 0 ? [crate, npm] : [npm, crate]
      const first = await load(order[0], method, path, cookies)
      const second = await load(order[1], method, path, cookies)
      rounds.push(order[0] === crate ? [first, second] : [second, first])
    }
    const of = (figure) => Math.round(median(rounds.map(figure))).toLocaleString('en')
    const ratio = median(rounds.map(([ours, theirs]) => ours.perSecond / theirs.perSecond)).toFixed(2)
    const speeds = [of(([ours]) => ours.perSecond), of(([, theirs]) => theirs.perSecond)]
    const costs = [of(([ours]) => ours.cost), of(([, theirs]) => theirs.cost)]
    console.log(`| ${name} | ${speeds.join(' | ')} | ${ratio} | ${costs.join(' | ')} |`)
  }
} finally {
  await Promise.all([crate.stop(), npm.stop()])
}
