import { fileURLToPath } from 'node:url'

// The folder with node_modules, and with the file sessions.js that all the applications share.
export default { turbopack: { root: fileURLToPath(new URL('..', import.meta.url)) } }
