// Starts workerd with one worker on a free port of the loopback.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('node_modules/@cloudflare/workerd-linux-64/bin/workerd', import.meta.url))
const shim = fileURLToPath(new URL('worker/shim.js', import.meta.url))

/**
 * The modules of the Rust worker from the folder that `bindings` wrote, the shim first.
 * @param {string} folder
 */
export async function rustModules(folder) {
  const names = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const wanted = files.map((file) => [relative(folder, file), file]).filter(([name]) => name !== 'index.js')
  return [['shim.js', shim], ...wanted]
}

/**
 * @param {string[][]} modules names and files; the first is the entry
 * @param {string} keys
 */
export async function startWorkerd(modules, keys) {
  const folder = await mkdtemp(join(tmpdir(), 'wasm-worker-'))
  const lines = []
  for (const [index, [name, file]] of modules.entries()) {
    const copy = `module-${index}`
    await copyFile(file, join(folder, copy))
    lines.push(`(name = "${name}", ${name.endsWith('.wasm') ? 'wasm' : 'esModule'} = embed "${copy}")`)
  }
  await writeFile(
    join(folder, 'workerd.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [${lines.join(', ')}],
    bindings = [(name = "SESSION_KEYS", text = "${keys}")],
    compatibilityDate = "2026-11-01",
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
  )
  // On descriptor 3, workerd says which port it got.
  const child = spawn(program, ['serve', '--control-fd=3', join(folder, 'workerd.capnp')], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  const ended = once(child, 'exit')
  const stop = async () => {
    child.kill()
    await ended
    await rm(folder, { recursive: true })
  }
  const heard = (async () => {
    for await (const line of createInterface({ input: child.stdio[3] })) {
      const said = JSON.parse(line)
      if (said.event === 'listen') return said.port
    }
  })()
  const port = await Promise.race([heard, ended.then(() => undefined)])
  if (port === undefined) throw new Error('workerd did not start')
  return { origin: `http://127.0.0.1:${port}`, pid: child.pid, stop }
}
