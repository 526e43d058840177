// A server on Node's defaults that passes requests on to the origin: node hop.js port origin.
// Its client has no limit, so that only those of the server are measured.

import { createServer, request } from 'node:http'

const [port, origin] = process.argv.slice(2).map(Number)
createServer((incoming, outgoing) => {
  const { method, url: path, headers } = incoming
  const options = { host: '127.0.0.1', port: origin, method, path, headers, agent: false, maxHeaderSize: 2 ** 20 }
  const passed = request(options, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.rawHeaders)
    answer.pipe(outgoing)
  })
  passed.on('error', () => outgoing.destroy())
  incoming.pipe(passed)
}).listen(port, '127.0.0.1')
