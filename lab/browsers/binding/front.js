// TLS and host names before the origins. A site logs each request, chooses among several servers of one address, and
// may answer in their place or change what they get.

import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveConnect } from '../sites.js';

export class Site {
  log = [];
  // What to answer with instead of the server, for a logged request: a status, or { status, headers }.
  fault = () => undefined;
  // The number of the server for a logged request.
  choose = () => 0;
  // Header fields to change, for a logged request.
  change = () => ({});

  constructor(host, servers) {
    Object.assign(this, { host, servers, url: `https://${host}`, start: 0 });
  }

  // Forgets the requests so far.
  mark() {
    this.start = this.log.length;
  }

  // The requests for this path since `mark`.
  requests(path) {
    return this.log.slice(this.start).filter((entry) => entry.path === path);
  }

  refreshes(status) {
    return this.requests('/device/refresh').filter((entry) => status === undefined || entry.status === status);
  }

  // Waits for an answered request of this kind, since `mark` or since a place in the log.
  async until(what, accept, { since = this.start } = {}) {
    for (let waited = 0; waited < 20_000; waited += 20) {
      const found = this.log.slice(since).find((entry) => entry.status !== null && accept(entry));
      if (found) return found;
      await sleep(20);
    }
    throw new Error(`no ${what} within 20 s; requests: ${this.story()}`);
  }

  // All requests since `mark`, for messages.
  story() {
    return this.log.slice(this.start).map(({ method, path, status }) => `${method} ${path} ${status}`).join(', ');
  }

  // Moves the clock of each server.
  async clock(seconds) {
    const times = await Promise.all(this.servers.map((server) => server.ask('POST', `/clock?by=${seconds}`)));
    return Number(times[0]);
  }

  // The events of all servers since the last call.
  async events() {
    const events = await Promise.all(this.servers.map((server) => server.ask('GET', '/seen')));
    return events.flatMap((text) => JSON.parse(text));
  }

  async handle(request, response) {
    const parts = await request.toArray();
    const { method, url, headers } = request;
    const entry = { method, path: url.split('?')[0], headers, cookies: jarOf(headers.cookie), status: null, set: {} };
    this.log.push(entry);
    let status = 0;
    // Only then is the answer with the browser.
    response.on('close', () => { entry.status = status; });
    const fault = await this.fault(entry);
    if (fault !== undefined) {
      status = fault.status ?? fault;
      response.writeHead(status, fault.headers).end();
      return;
    }
    const { port } = this.servers[this.choose(entry)];
    const changed = { ...headers, ...this.change(entry) };
    const sent = http.request({ host: '127.0.0.1', port, method, path: url, headers: changed }, (answer) => {
      status = answer.statusCode;
      Object.assign(entry, { answer: answer.headers, set: jarOf(answer.headers['set-cookie']) });
      response.writeHead(status, answer.headers);
      answer.pipe(response);
    });
    sent.on('error', () => response.destroy());
    sent.end(Buffer.concat(parts));
  }
}

export async function serveFront(directory) {
  const sites = new Map();
  const [key, cert] = ['key.pem', 'certificate.pem'].map((file) => fs.readFileSync(`${directory}/${file}`));
  const server = https.createServer({ key, cert }, (request, response) => {
    const site = sites.get(request.headers.host);
    if (site) {
      site.handle(request, response).catch(() => response.destroy());
      return;
    }
    // Any other host is a page with a link.
    const to = new URL(request.url, 'https://other.test').searchParams.get('to') ?? '';
    response.writeHead(200, { 'Content-Type': 'text/html', 'Cache-Control': 'no-store' });
    response.end(`<title>other</title><a id=link href="${encodeURI(to)}">link</a>`);
  });
  server.on('tlsClientError', () => {});
  await new Promise((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  return {
    port,
    connectPort: (await serveConnect(port)).port,
    add: (label, servers) => {
      const site = new Site(`${label}.example.test`, servers);
      sites.set(site.host, site);
      return site;
    },
    // A request of somebody without a browser, who has a jar.
    send: (site, path, jar, how) => send(port, site, path, jar, how),
  };
}

function send(port, site, path, jar, { method = 'GET', headers = {}, body = '' } = {}) {
  const cookie = Object.entries(jar).map((pair) => pair.join('=')).join('; ');
  return new Promise((resolve, reject) => {
    const sent = https.request({
      host: '127.0.0.1', port, servername: site.host, rejectUnauthorized: false, method, path,
      headers: { Host: site.host, Cookie: cookie, 'Sec-Fetch-Site': 'same-origin', 'Content-Length': body.length,
        'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    }, async (answer) => {
      const text = Buffer.concat(await answer.toArray()).toString();
      resolve({ status: answer.statusCode, headers: answer.headers, set: jarOf(answer.headers['set-cookie']),
        ...(text.startsWith('{') ? JSON.parse(text) : {}) });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

// Names and values of a Cookie field, or of Set-Cookie lines.
function jarOf(fields = []) {
  const pairs = typeof fields === 'string' ? fields.split('; ') : fields.map((line) => line.split(';')[0]);
  return Object.fromEntries(pairs.filter(Boolean).map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
}
