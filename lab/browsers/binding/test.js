// Runs every property of device binding: node binding/test.js ORIGIN DIRECTORY SPKI [--long | --record FILE].
// DIRECTORY has the certificate and its key. ONLY=text runs the properties whose names have the text.

import fs from 'node:fs';
import os from 'node:os';
import { endAll } from '../start.js';
import { fleets } from './fleets.js';
import { serveFront } from './front.js';
import { proofs } from './proofs.js';
import { canBind, record } from './record.js';
import { thefts } from './thief.js';
import { visits } from './visits.js';
import { FEATURES, World } from './world.js';

const [program, directory, spki, mode, file] = process.argv.slice(2);
const long = mode === '--long';
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => endAll().finally(() => process.exit(1)));

// Most of the time is spent on waiting for proofs to end.
const AT_ONCE = 4 * os.availableParallelism();

async function run(world, results) {
  const all = Object.entries({ ...visits, ...thefts, ...proofs, ...fleets });
  const queue = all.filter(([name]) => name.includes(process.env.ONLY ?? ''));
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [name, body] = next;
      const start = Date.now();
      const { detail, error } = await body(world, { long }).then((detail) => ({ detail }), (error) => ({ error }));
      const seconds = ((Date.now() - start) / 1000).toFixed(1);
      results.push(!error);
      console.log(`${error ? 'FAIL' : 'ok  '}  ${name}${detail ? ` (${detail})` : ''} [${seconds} s]`);
      if (error) console.log(String(error.stack ?? error).replace(/^/gm, '        '));
    }
  }));
}

const results = [];
let lacking = false;
const front = await serveFront(directory);
const world = new World({ program, front, directory, spki });
world.browser = await world.chromium({ features: FEATURES });
try {
  lacking = !await canBind(world);
  if (lacking) {
    console.log(`${world.browser.name} BINDS NO SESSION TO A KEY IN SOFTWARE: NOTHING WAS CHECKED IN A REAL BROWSER.`);
    console.log('ONLY THE RECORDED PROOFS ARE: tests/library/device_proofs.rs. FIND THE NEW SWITCH FOR binding/world.js.');
  } else if (mode === '--record') {
    fs.writeFileSync(file, `${JSON.stringify(await record(world), null, 1)}\n`);
    results.push(true);
  } else {
    console.log(world.browser.name);
    await run(world, results);
  }
} catch (error) {
  console.log(`FAIL  ${error.stack ?? error}`);
  results.push(false);
} finally {
  await world.browser.close();
  await endAll();
}
if (lacking) process.exit(mode === undefined ? 0 : 1);
const failed = results.filter((ok) => !ok).length;
console.log(`${results.length} properties, ${failed} failed`);
process.exit(failed === 0 && results.length > 0 ? 0 : 1);
