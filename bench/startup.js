/**
 * How long `--help` and `--version` take as whole processes, against an empty Node process in the same run:
 *
 *   npm run build && node bench/startup.js
 *
 * The three commands run in turn, so a machine whose speed drifts drifts for all of them.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const bin = resolve(import.meta.dirname, '../bin/vlm-convert.js');
/** @type {Record<string, string[]>} */
const commands = {
  'node -e 0': ['-e', '0'],
  '--version': [bin, '--version'],
  '--help': [bin, '--help'],
};
const runs = 21;
const limitMs = 150;

/** @type {Map<string, number[]>} */
const times = new Map(Object.keys(commands).map((name) => [name, []]));
for (let run = -1; run < runs; run++) {
  for (const [name, args] of Object.entries(commands)) {
    const begin = process.hrtime.bigint();
    const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
    const ms = Number(process.hrtime.bigint() - begin) / 1e6;
    if (status !== 0) throw new Error(`${name} ended with ${status}`);
    // The first round warms the file cache.
    if (run >= 0) times.get(name)?.push(ms);
  }
}

/** @param {readonly number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const base = median(times.get('node -e 0') ?? []);
console.log(`${runs} runs each, median whole-process milliseconds`);
for (const [name, values] of times) {
  const ms = median(values);
  const bar = name === 'node -e 0' ? '' : `  (limit ${limitMs}: ${ms < limitMs ? 'met' : 'missed'})`;
  console.log(`${name.padEnd(10)} ${ms.toFixed(0).padStart(5)}  ${(ms / base).toFixed(2)} x node${bar}`);
}
