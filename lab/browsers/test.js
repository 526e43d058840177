// Runs every property: node test.js ORIGIN LOGIN DIRECTORY SPKI, where DIRECTORY has the certificate and its key.
// A number after them is one of races between requests, which are then all that runs.
// BROWSERS says in which browsers, all at once: chromium, firefox, or both (the default).

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkChunks } from './chunks.js';
import { openChromium, openFirefox } from './browsers.js';
import { walkLogin } from './login.js';
import { startOrigin } from './origin.js';
import { checkProperties } from './properties.js';
import { serveConnect, serveSites } from './sites.js';
import { endAll } from './start.js';

const [originProgram, loginProgram, directory, spki, races] = process.argv.slice(2);
const browsers = (process.env.BROWSERS ?? 'chromium firefox').split(/\s+/).filter(Boolean);
const results = [];

// Prints one line for each property, and its observations below it.
function reporter(title) {
  const notes = [];
  return {
    note: (line) => notes.push(line),
    property: async (name, body) => {
      const start = Date.now();
      let [word, detail] = ['ok  ', ''];
      try {
        detail = await body() ?? '';
      } catch (error) {
        word = 'FAIL';
        notes.push(...String(error.stack ?? error).split('\n'));
      }
      results.push(word);
      const seconds = ((Date.now() - start) / 1000).toFixed(1);
      console.log([`${word}  ${title}: ${name}${detail && ` (${detail})`} [${seconds} s]`,
        ...notes.splice(0).map((line) => `        ${line}`)].join('\n'));
    },
  };
}

async function properties(open) {
  const origin = await startOrigin(originProgram);
  const sites = await serveSites({
    ports: origin.ports,
    certificate: path.join(directory, 'certificate.pem'),
    key: path.join(directory, 'key.pem'),
  });
  const connect = await serveConnect(sites.port);
  const browser = await open({ tlsPort: sites.port, connectPort: connect.port, directory, spki });
  try {
    if (races === undefined) await checkProperties({ browser, origin, ...reporter(browser.name) });
    await checkChunks({ browser, races: Number(races ?? 200), ...reporter(browser.name) });
  } finally {
    await browser.close();
  }
}

async function chromium() {
  await properties(openChromium);
  if (races !== undefined) return;
  const screenshots = path.join(path.dirname(fileURLToPath(import.meta.url)), 'screenshots');
  await walkLogin({ program: loginProgram, directory, screenshots, ...reporter('login example') });
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => endAll().finally(() => process.exit(1)));

const runs = { chromium, firefox: () => properties(openFirefox) };
const ended = await Promise.allSettled(browsers.map(async (name) => {
  if (!runs[name]) throw new Error(`BROWSERS takes chromium and firefox, not ${name}`);
  await runs[name]();
}));
await endAll();
for (const { reason } of ended.filter(({ status }) => status === 'rejected')) {
  results.push('FAIL');
  console.log(`FAIL  ${reason.stack ?? reason}`);
}
const failed = results.filter((word) => word === 'FAIL').length;
console.log(`${results.length} properties, ${failed} failed`);
process.exit(failed === 0 && results.length > 0 ? 0 : 1);
