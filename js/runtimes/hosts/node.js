// node hosts/node.js

import { createServer } from 'node:http'

import { answer } from '../suite.js'

async function read(stream) {
  let whole = ''
  for await (const piece of stream.setEncoding('utf8')) whole += piece
  return whole
}

const server = createServer(async (request, response) => {
  const { status, headers, body } = await answer(request.url, request.headers.cookie, () => read(request))
  response.writeHead(status, headers).end(body)
})
server.listen(0, '127.0.0.1', () => console.log(`${process.version} on port ${server.address().port}`))
