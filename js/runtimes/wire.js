// Requests over a bare socket, whose `Cookie` fields are bytes as a client may send them.

import { connect } from 'node:net'

/** A server's limit for all fields of a request is 16 KB in Node and Bun. */
const MOST_BYTES = 12_000

/** The bytes of a field: those of its characters if each is one byte, as servers show them, else UTF-8. */
const bytesOf = (field) => Buffer.from(field, /^[\0-\xff]*$/.test(field) ? 'latin1' : 'utf8')

/** Whether HTTP has such fields (RFC 9110, section 5.5), and servers take as many bytes. */
export function canBeSent(fields) {
  const isText = (byte) => byte === 9 || (byte >= 32 && byte !== 127)
  const bytes = fields.map(bytesOf)
  const length = bytes.reduce((sum, field) => sum + 'Cookie: '.length + field.length, 0)
  return length <= MOST_BYTES && bytes.every((field) => field.every(isText))
}

/** A connection on which one request after the other is sent. */
export async function dial(port) {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  let [text, wake, failed] = ['', () => {}, null]
  socket.on('data', (piece) => ((text += piece), wake()))
  socket.on('error', (error) => ((failed = error), wake()))
  socket.setTimeout(30_000, () => socket.destroy(new Error('the server does not answer')))
  socket.on('close', () => ((failed ??= new Error('the server closed the connection')), wake()))

  return {
    /** The status and the header fields of the answer, which has no body. */
    async get(path, fields) {
      const cookies = fields.flatMap((field) => [Buffer.from('Cookie: '), bytesOf(field), Buffer.from('\r\n')])
      const [start, end] = [`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`, '\r\n']
      socket.write(Buffer.concat([Buffer.from(start), ...cookies, Buffer.from(end)]))
      while (!text.includes('\r\n\r\n')) {
        if (failed !== null) throw failed
        await new Promise((resolve) => (wake = resolve))
      }
      const at = text.indexOf('\r\n\r\n')
      const [status, ...lines] = text.slice(0, at).split('\r\n')
      text = text.slice(at + 4)
      const headers = new Headers(lines.map((line) => line.split(/: ?(.*)/s, 2)))
      return { status: Number(status.split(' ')[1]), headers }
    },
    close: () => socket.destroy(),
  }
}
