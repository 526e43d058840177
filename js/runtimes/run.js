// Starts every runtime, gives it everything to do, and compares what it found with what this Node and the crate find.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { buildSync } from 'esbuild'

import { canBeSent, dial } from './wire.js'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const readJson = (path) => JSON.parse(readFileSync(here(path), 'utf8'))

/** A value for the message of a failure: a field may have megabytes. */
const short = (value) => JSON.stringify(value).slice(0, 30_000)

/** The files that npm would publish, with the tests beside them. */
function unpack(scratch) {
  const options = { cwd: here('..'), encoding: 'utf8' }
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', scratch], options))
  execFileSync('tar', ['xf', join(scratch, filename), '-C', scratch])
  const root = join(scratch, 'package')
  for (const folder of ['test', 'runtimes/hosts']) mkdirSync(join(root, folder), { recursive: true })
  const tests = ['test/rows.js', 'test/later.js', 'test/device.js']
  const files = [...tests, 'runtimes/suite.js', 'runtimes/hostile.js', 'runtimes/hosts']
  for (const file of files) cpSync(here(`../${file}`), join(root, file), { recursive: true })
  return join(root, 'runtimes')
}

/** One file of all modules that a host needs. */
function bundle(root, host, format) {
  const outfile = join(root, 'bundled', host)
  const options = { bundle: true, format, target: 'es2022', logLevel: 'warning' }
  buildSync({ entryPoints: [join(root, 'hosts', host)], outfile, ...options })
  return outfile
}

const VERSIONS = readJson('package.json').devDependencies
const versionOf = (name) => VERSIONS[name].split('@').at(-1)
const binary = (path) => here(`node_modules/${path}`)

/**
 * How each runtime is started, and what it calls itself from inside. It prints its port and its version, which must be
 * the pinned one; workerd prints no version.
 */
function runtimesIn(root) {
  const node = (line) => ({
    name: 'Node',
    says: /^Node\.js\/\d+/,
    version: `v${versionOf(`node-${line}`)}`,
    command: [binary(`node-${line}/bin/node`), join(root, 'hosts/node.js')],
  })
  bundle(root, 'workerd.js', 'esm')
  const workerd = join(root, 'bundled/workerd.capnp')
  cpSync(join(root, 'hosts/workerd.capnp'), workerd)
  const edge = bundle(root, 'edge.js', 'iife')
  const offline = ['--no-lock', '--no-remote', '--node-modules-dir=manual']
  const deno = ['run', '--quiet', '--no-prompt', ...offline, '--allow-net=127.0.0.1']
  return [
    ...[20, 22, 24, 26].map(node),
    {
      name: 'Deno',
      says: /^Deno\//,
      version: versionOf('@deno/linux-x64-glibc'),
      command: [binary('@deno/linux-x64-glibc/deno'), ...deno, join(root, 'hosts/deno.js')],
    },
    {
      name: 'Bun',
      says: /^Bun\//,
      version: versionOf('@oven/bun-linux-x64'),
      command: [binary('@oven/bun-linux-x64/bin/bun'), join(root, 'hosts/bun.js')],
    },
    {
      name: 'workerd',
      says: /^Cloudflare-Workers$/,
      version: versionOf('@cloudflare/workerd-linux-64'),
      command: [binary('@cloudflare/workerd-linux-64/bin/workerd'), 'serve', '--control-fd=1', workerd],
      joinsByComma: true,
    },
    {
      name: 'edge-runtime',
      says: /^edge-runtime$/,
      version: versionOf('edge-runtime'),
      command: [binary('node-24/bin/node'), here('edge-server.js'), edge],
    },
  ]
}

/** The crate's side; the lines are written one by one, because together they are too long for one text. */
function crate(mode, lines = []) {
  const child = spawn('cargo', ['run', '--quiet', '--locked', '-p', 'cross', '--', mode], {
    cwd: here('.'),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  Readable.from(lines.map((line) => `${JSON.stringify(line)}\n`)).pipe(child.stdin)
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (piece) => (text += piece))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code !== 0) return reject(new Error(`cross ${mode} ended with ${code}`))
      resolve(text.trimEnd().split('\n').map((line) => JSON.parse(line)))
    })
  })
}

/** What the crate says in the words of `outcomeOf` in suite.js. */
const wordsOf = ({ outcome, id, is_bound }) =>
  outcome === 'ok' ? `ok ${id} ${is_bound ? 'proven' : 'plain'}` : outcome

/** The process of a runtime, which `port` says once it listens. */
function start({ name, version, command: [program, ...args] }) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const port = new Promise((resolve, reject) => {
    const read = (piece) => {
      said += piece
      const [, found, number] = /^(\S+) on port (\d+)$/m.exec(said) ?? []
      if (found === version) resolve(Number(number))
      // workerd says its port as an event.
      const [, listening] = /"event":"listen","socket":"http","port":(\d+)/.exec(said) ?? []
      if (listening !== undefined) resolve(Number(listening))
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`${name} ${version} ended with ${code}: ${said}`)))
    setTimeout(() => reject(new Error(`${name} ${version} does not listen: ${said}`)), 30_000).unref()
  })
  return { port, stop: () => child.kill('SIGKILL'), said: () => said }
}

/** In milliseconds. `fetch` waits five minutes for an answer; a runtime that hangs is to fail sooner. */
const LONGEST = 120_000

async function runAll(runtime, input) {
  const { port: listening, stop, said } = start(runtime)
  try {
    const port = await listening
    const request = { method: 'POST', body: input, signal: AbortSignal.timeout(LONGEST) }
    const response = await fetch(`http://127.0.0.1:${port}/everything`, request)
    const body = await response.text()
    if (response.status !== 200) throw new Error(`${body}\n${said()}`)
    return { ...JSON.parse(body), sent: await sendFields(runtime, port) }
  } finally {
    stop()
  }
}

/** As workerd joins several fields, without the empty ones before the first other one. */
function joinedByComma(fields) {
  const trimmed = fields.map((field) => field.replace(/^[ \t]+|[ \t]+$/g, ''))
  return trimmed.slice(Math.max(trimmed.findIndex((field) => field !== ''), 0)).join(', ')
}

/** The fields that HTTP allows, over a bare socket; what is answered must be what this Node opens without HTTP. */
async function sendFields({ joinsByComma }, port) {
  const connection = await dial(port)
  let sent = 0
  for (const [number, { reader, fields }] of hostile.entries()) {
    if (!canBeSent(fields)) continue
    const { opened, checked } = joinsByComma ? await opens(reader, joinedByComma(fields)) : expected[number]
    const { status, headers } = await connection.get(`/${reader}`, fields)
    const answered = { status, opened: headers.get('x-opened'), checked: headers.get('x-checked') }
    assert.deepEqual(answered, { status: 204, opened, checked }, short(fields))
    sent++
  }
  connection.close()
  return sent
}

/** The crate must open what this Node opens, wherever it can take the fields: it takes bytes. Returns how many. */
async function agreesWithTheCrate() {
  const taken = hostile.flatMap((line, number) => (line.fields.every((field) => field.isWellFormed()) ? [number] : []))
  const lines = taken.map((number) => {
    const { reader, fields } = hostile[number]
    return { ...readers[reader].options, now: readers[reader].now, bind: '', cookies: fields }
  })
  const answers = await crate('open', lines)
  assert.equal(answers.length, lines.length)
  for (const [index, answer] of answers.entries()) {
    const number = taken[index]
    assert.equal(expected[number].opened, wordsOf(answer), `here and in the crate: ${short(hostile[number].fields)}`)
  }
  return taken.length
}

/** How many times each outcome came; fields that are all refused for one reason would show little. */
function tally(outcomes) {
  const counts = new Map()
  for (const { opened } of outcomes) {
    const outcome = opened.replace(/^(ok) \w+/, '$1')
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }
  return new Map([...counts].sort(([, one], [, other]) => other - one))
}

/** The cookies that a runtime wrote, opened by the crate. */
async function openedByTheCrate(written) {
  const answers = await crate('open', written)
  assert.equal(answers.length, written.length)
  for (const [index, answer] of answers.entries()) {
    const { written: by, opens, ...line } = written[index]
    const found = Object.fromEntries(Object.keys(opens).map((name) => [name, answer[name]]))
    assert.deepEqual(found, opens, `${by}: ${short(line)}`)
  }
  return answers.length
}

const scratch = mkdtempSync(join(tmpdir(), 'runtimes-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

const root = unpack(scratch)
const { everything, outcomesOf, sessionsOf } = await import(pathToFileURL(join(root, 'suite.js')))
const { hostileFields, readersOf } = await import(pathToFileURL(join(root, 'hostile.js')))

const [v1, later] = ['v1', 'next'].map((name) => readJson(`../../tests/data/${name}.json`))
const sessions = await crate('sessions')
const readers = await readersOf(later)
const opening = await sessionsOf(readers)
const opens = (reader, fields) => outcomesOf(opening[reader], fields, readers[reader].now)
const hostile = hostileFields(readers)
const input = { v1, later, sessions }
const reference = await everything(input)
const expected = reference.hostile.outcomes
const taken = await agreesWithTheCrate()
const counts = tally(expected)
assert(counts.size >= 12 && counts.get('ok plain') > 100 && counts.get('ok proven') > 100, 'all kinds of outcomes')
const tallied = [...counts].map((pair) => pair.join(' ')).join(', ')
console.log(`hostile fields: ${hostile.length}, in the crate ${taken} of them; ${tallied}`)

const sum = (rows) => Object.values(rows).reduce((one, other) => one + other)

/** Lets a runtime do everything, and compares. Returns what to print. */
async function compare(runtime) {
  const found = await runAll(runtime, JSON.stringify(input))
  assert.match(found.runtime, runtime.says)
  assert.deepEqual([found.rows, found.later], [reference.rows, reference.later])
  assert.equal(found.hostile.fields, reference.hostile.fields, 'the same hostile fields')
  for (const [number, outcome] of found.hostile.outcomes.entries()) {
    assert.deepEqual(outcome, expected[number], short(hostile[number]))
  }
  assert.equal(found.hostile.digest, reference.hostile.digest)
  assert.equal(found.opened, sessions.length)
  const written = await openedByTheCrate(found.written)
  const counts = [...Object.values(found.rows), ...Object.values(found.later), found.sent, found.opened, written]
  assert(counts.every((count) => count > 0), `none of something: ${counts}`)
  return (
    `rows ${sum(found.rows)} + ${sum(found.later)}, hostile fields ${found.hostile.digest.slice(0, 8)}, ` +
    `${found.sent} of them over HTTP, sessions of the crate ${found.opened}, for the crate ${written}`
  )
}

const waiting = runtimesIn(root)

/** One runtime after the other, beside another one that does the same. */
async function work() {
  for (let runtime = waiting.shift(); runtime !== undefined; runtime = waiting.shift()) {
    const label = `${runtime.name} ${runtime.version}`
    try {
      console.log(`${label}: ${await compare(runtime)}`)
    } catch (error) {
      process.exitCode = 1
      console.log(`${label}: FAILED: ${error.stack}`)
    }
  }
}
await Promise.all([work(), work()])
