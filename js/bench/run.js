// Compares the speed of opening and sealing with that of jose, in Node and in workerd:
//
//   bench/run              the tables in Markdown, some minutes
//   bench/run --quick      one short round: shows that it still works
//   bench/run node         in some of the RUNTIMES only
//
// Each operation runs right after or before its peer's, with as many calls. The ratio is the median over all rounds, so
// other work on the machine disturbs both alike.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import workerd from 'workerd'

import { OPERATIONS, SIZES } from './contestants.js'

/** Ours, the peer's, and the least ratio that we want. */
const PAIRS = [
  ['open seen', 'jose decrypt', 1],
  ['open new', 'jose decrypt', 0.8],
  ['seal', 'jose encrypt', 0.8],
  ['start', 'jose encrypt', null],
]
const RUNTIMES = {
  'node': startNode,
  'workerd': () => startWorkerd('nodejs_compat'),
  'workerd-bare': () => startWorkerd('no_nodejs_compat'),
}
const JS = fileURLToPath(new URL('..', import.meta.url))

function startNode() {
  const ready = new Map()
  return {
    name: `Node ${process.versions.node}`,
    prepare: async (operation, size, times) => ready.set(operation, await OPERATIONS[operation](size, times)),
    run: (operation) => ready.get(operation)(),
    end() {},
  }
}

async function startWorkerd(flag) {
  const { default: binary, compatibilityDate, version } = workerd
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const modules = ['bench/worker.js', 'bench/contestants.js', ...modulesIn('src')]
  modules.push(...modulesIn('bench/node_modules/jose/dist/webapi'))
  const embedded = modules.map((name) => `(name = "${name}", esModule = embed "${relative(folder, join(JS, name))}")`)
  const config = join(folder, 'config.capnp')
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "bench", worker = (
    modules = [${embedded.join(',\n      ')}],
    compatibilityDate = "${compatibilityDate}", compatibilityFlags = ["${flag}"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "bench")]);`,
  )
  const child = spawn(binary, ['serve', config, '--control-fd=3'], { stdio: ['ignore', 'inherit', 'ignore', 'pipe'] })
  // Its first words are the port.
  const [line] = await once(createInterface(child.stdio[3]), 'line')
  const { port } = JSON.parse(line)
  const agent = new Agent({ keepAlive: true })
  const get = async (path, parameters) => {
    const sent = request({ host: '127.0.0.1', port, path: `${path}?${new URLSearchParams(parameters)}`, agent }).end()
    const [response] = await once(sent, 'response')
    await once(response.resume(), 'end')
    if (response.statusCode !== 200) throw new Error(`workerd failed at ${path} of ${parameters.operation}`)
  }
  return {
    name: `workerd ${version}, ${flag}`,
    prepare: (operation, size, times) => get('/prepare', { operation, size, times }),
    run: (operation) => get('/run', { operation }),
    async end() {
      agent.destroy()
      child.kill()
      await once(child, 'exit')
      rmSync(folder, { recursive: true })
    },
  }
}

/** The JavaScript below a folder of js/. */
function modulesIn(folder) {
  const names = readdirSync(join(JS, folder), { recursive: true }).filter((name) => name.endsWith('.js'))
  return names.map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
}

/** The seconds that each of these operations takes for one call, made in this order. */
async function measure(runtime, operations, size, times) {
  for (const operation of operations) await runtime.prepare(operation, size, times)
  const seconds = []
  for (const operation of operations) {
    const start = process.hrtime.bigint()
    await runtime.run(operation)
    seconds.push(Number(process.hrtime.bigint() - start) / 1e9 / times)
  }
  return seconds
}

async function compare(runtime, ours, peer, size, rounds, duration) {
  const [warm] = await measure(runtime, [peer, ours], size, 20)
  const times = Math.max(10, Math.round(duration / warm))
  const found = []
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? [ours, peer] : [peer, ours]
    const seconds = await measure(runtime, order, size, times)
    const [own, other] = round % 2 === 0 ? seconds : seconds.toReversed()
    found.push({ ratio: other / own, own: 1 / own, other: 1 / other })
  }
  const median = (of) => found.map((each) => each[of]).sort((one, next) => one - next)[Math.floor(found.length / 2)]
  return { ratio: median('ratio'), own: median('own'), other: median('other') }
}

const given = process.argv.slice(2)
const isQuick = given.includes('--quick')
const [rounds, duration] = isQuick ? [1, 0.002] : [21, 0.03]
const chosen = given.filter((word) => word !== '--quick')
const unknown = chosen.find((name) => !(name in RUNTIMES))
if (unknown !== undefined) throw new Error(`no runtime ${unknown}; there are ${Object.keys(RUNTIMES).join(', ')}`)

const jose = JSON.parse(readFileSync(join(JS, 'bench/node_modules/jose/package.json'), 'utf8'))
const whole = (number) => Math.round(number).toLocaleString('en')
console.log(`${cpus()[0].model}, jose ${jose.version}, ${rounds} rounds of ${duration * 1000} ms`)
for (const name of chosen.length > 0 ? chosen : Object.keys(RUNTIMES)) {
  const runtime = await RUNTIMES[name]()
  try {
    console.log(`\n**${runtime.name}**\n\n| operation | bytes of JSON | per second | jose's per second | ratio | target |`)
    console.log('|---|---|---|---|---|---|')
    for (const [ours, peer, target] of PAIRS) {
      for (const size of SIZES) {
        const { ratio, own, other } = await compare(runtime, ours, peer, size, rounds, duration)
        const [operation, of] = [`${ours} / ${peer}`, target ?? 'none']
        console.log(`| ${operation} | ${size} | ${whole(own)} | ${whole(other)} | ${ratio.toFixed(2)} | ${of} |`)
      }
    }
  } finally {
    await runtime.end()
  }
}
