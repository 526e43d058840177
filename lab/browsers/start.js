// Starts and ends the programs that the tests visit. Only what was started here is ended.

import { spawn } from 'node:child_process';
import readline from 'node:readline';

const children = [];

// A program that another file has started is ended with the others.
export function adopt(child) {
  children.push(child);
}

// Runs a program and answers with the result of `read` for the first line that it accepts. `started` gets the child.
export function start(program, { args = [], env = {}, read, started = () => {} }) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
  adopt(child);
  started(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${program} ended (${code}) before it said where it listens`)));
    readline.createInterface({ input: child.stdout }).on('line', (line) => {
      const answer = read(line);
      if (answer !== undefined) resolve(answer);
    });
  });
}

export async function endAll() {
  await Promise.all(children.map((child) => new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.on('exit', resolve);
    child.kill('SIGTERM');
  })));
}
