// bun hosts/bun.js

import { fetchAnswer } from '../suite.js'

// The run of everything takes longer than the idle timeout of ten seconds.
const server = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 0, fetch: fetchAnswer })
console.log(`${Bun.version} on port ${server.port}`)
