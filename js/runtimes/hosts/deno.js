// deno run --allow-net=127.0.0.1 hosts/deno.js

import { fetchAnswer } from '../suite.js'

const onListen = ({ port }) => console.log(`${Deno.version.deno} on port ${port}`)
Deno.serve({ hostname: '127.0.0.1', port: 0, onListen }, fetchAnswer)
