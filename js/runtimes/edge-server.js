// node edge-server.js SCRIPT: the server of edge-runtime around a script. It runs in Node, and the script does not.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { EdgeRuntime, runServer } from 'edge-runtime'

const { version } = createRequire(import.meta.url)('edge-runtime/package.json')
const runtime = new EdgeRuntime({ initialCode: readFileSync(process.argv[2], 'utf8') })
const { url } = await runServer({ runtime, host: '127.0.0.1', port: 0 })
console.log(`${version} on port ${new URL(url).port}`)
