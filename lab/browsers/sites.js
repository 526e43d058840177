// Host names and TLS before the origin, and the attacker's two sites: evil.example.test and other.test.

import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { Transform } from 'node:stream';
import tls from 'node:tls';

// `ports` maps a first label (`app` of app.example.test) to a port of the origin. Answers with the port of the TLS server.
export async function serveSites({ ports, certificate, key }) {
  const attacker = http.createServer(attack);
  const naive = http.createServer((request, response) => readNaively(ports.app, request, response));
  const options = { key: fs.readFileSync(key), cert: fs.readFileSync(certificate) };
  const server = tls.createServer(options, (client) => {
    client.on('error', () => {});
    const site = String(client.servername).split('.')[0];
    const port = ports[site];
    if (site === 'naive' || port === undefined) {
      (site === 'naive' ? naive : attacker).emit('connection', client);
      return;
    }
    const origin = net.connect(port, '127.0.0.1');
    origin.on('error', () => client.destroy());
    origin.on('close', () => client.destroy());
    client.on('close', () => origin.destroy());
    client.pipe(origin);
    if (site === 'large') origin.pipe(inPieces()).pipe(client);
    else origin.pipe(client);
  });
  server.on('tlsClientError', () => {});
  return listen(server);
}

// Passes a response on in pieces of any length, so that those of parallel requests arrive between each other.
function inPieces() {
  return new Transform({
    async transform(bytes, _, done) {
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + Math.floor(Math.random() * 4000);
        this.push(bytes.subarray(at, end));
        at = end;
        await new Promise(setImmediate);
      }
      done();
    },
  });
}

// The site `app` behind a careless server: it percent-decodes cookie names and trims Unicode white space.
function readNaively(port, request, response) {
  const { method, url: path, headers } = request;
  const cookie = Buffer.from(headers.cookie ?? '', 'latin1').toString('utf8').split(';').map((pair) => {
    const [name, ...value] = pair.split('=');
    return [decodeURIComponent(name).trim(), ...value].join('=');
  }).join('; ');
  const upstream = http.request({ host: '127.0.0.1', port, method, path, headers: { ...headers, cookie } }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  upstream.on('error', () => response.destroy());
  request.pipe(upstream);
}

// Answers with the Set-Cookie lines of `set`, byte by byte, and with the page in `html`.
function attack(request, response) {
  const query = new URL(request.url, 'https://evil.example.test').searchParams;
  const lines = query.getAll('set').map((line) => Buffer.from(line, 'base64url').toString('latin1'));
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store', 'Set-Cookie': lines });
  response.end(query.get('html') ?? '<title>attacker</title>');
}

// An address of the attacker. Text becomes the bytes of UTF-8.
export function attackerUrl(host, { set = [], html } = {}) {
  const query = new URLSearchParams(set.map((line) => ['set', Buffer.from(line, 'utf8').toString('base64url')]));
  if (html !== undefined) query.set('html', html);
  return `https://${host}/?${query}`;
}

// For browsers that take host names through a proxy only: every CONNECT goes to the TLS server.
export async function serveConnect(tlsPort) {
  const server = http.createServer((_, response) => response.writeHead(502).end());
  server.on('connect', (request, client) => {
    client.on('error', () => {});
    if (!/^([a-z0-9]+\.example|other)\.test:443$/.test(request.url)) {
      client.end('HTTP/1.1 502 Not here\r\n\r\n');
      return;
    }
    const upstream = net.connect(tlsPort, '127.0.0.1', () => client.write('HTTP/1.1 200 Go on\r\n\r\n'));
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
    client.pipe(upstream).pipe(client);
  });
  return listen(server);
}

function listen(server) {
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port, server }));
  });
}
