// The origin as a test uses it: its ports, the clock, the gate, and requests without a browser.

import http from 'node:http';
import { start } from './start.js';

export async function startOrigin(program) {
  const { control, beyond400Days, ...ports } = await start(program, { read: (line) => JSON.parse(line) });
  const ask = async (method, path) => (await request(control, { method, path })).text;
  return {
    ports,
    beyond400Days,
    // Moves the clock by this many seconds and answers with the new time.
    clock: async (seconds) => Number(await ask('POST', `/clock?by=${seconds}`)),
    // Waits until this many requests wait at the gate; lets them continue.
    waiting: (count) => ask('POST', `/waiting?by=${count}`),
    open: (count) => ask('POST', `/open?by=${count}`),
    // The requests of other sites since the last call.
    seen: async () => JSON.parse(await ask('GET', '/seen')),
    // The cookies, by name, of the attacker's own account.
    attackersTokens: async (site) => {
      const { cookies } = await request(ports[site] ?? ports.app, { method: 'POST', path: '/sign-in', body: 'name=Mallory' });
      return Object.fromEntries(cookies.map((line) => /^([^=]+)=([^;]*)/.exec(line).slice(1)));
    },
  };
}

function request(port, { method, path, body = '' }) {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': body.length };
  return new Promise((resolve, reject) => {
    const sent = http.request({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => { text += part; });
      response.on('end', () => resolve({ text, cookies: response.headers['set-cookie'] ?? [] }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
