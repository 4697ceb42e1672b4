/**
 * What the check costs: a random checkpoint in the layout of a release is converted, and the output checked part after
 * part and with the original loaded whole; beside them a plain forward pass of the original over the same inputs
 * (lib/forward.js), which loads float32 components whole.
 *
 *   npm run build && npm run bench:parity -- [options]
 *
 *   --size 0.2b        0.2b, 2b, 7b (Qwen-VL), monkey; a list is checked one after another
 *   --precision int4   of the output
 *   --modes streamed,whole
 *   --no-forward       without the plain pass, where the memory does not suffice for it
 *   --folder <path>    for checkpoints, which stay there, and outputs, which do not
 */
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { requireBuild } from './lib/files.js';
import { measure } from './lib/measure.js';
import { ensureCheckpoint } from './lib/random-checkpoint.js';
import { machine, mebibytes, seconds, table } from './lib/table.js';

const cli = resolve(import.meta.dirname, '../bin/vlm-convert.js');
const forward = join(import.meta.dirname, 'lib/forward.js');
requireBuild(resolve(import.meta.dirname, '../dist/cli/main.js'));

const { values } = parseArgs({
  allowNegative: true,
  options: {
    size: { type: 'string', default: '0.2b' },
    precision: { type: 'string', default: 'int4' },
    modes: { type: 'string', default: 'streamed,whole' },
    forward: { type: 'boolean', default: true },
    folder: { type: 'string', default: join(tmpdir(), 'vlm-convert-bench') },
  },
});
const output = join(values.folder, 'parity-output');
const rows = [['', 'time', 'CPU', 'peak memory', 'of a plain pass']];
for (const size of values.size.split(',')) {
  const checkpoint = ensureCheckpoint(values.folder, size);
  /** @param {readonly string[]} args */
  const convert = (...args) => measure(process.execPath, [cli, checkpoint, output, '--force', ...args]);
  /** @type {import('./lib/measure.js').Measurement | undefined} */
  let plain;
  /** @param {string} name @param {import('./lib/measure.js').Measurement} one */
  const row = (name, one) => {
    const times = plain === undefined ? '' : `${(one.seconds / plain.seconds).toFixed(1)} ×`;
    rows.push([
      `${size}: ${name}`,
      seconds(one.seconds),
      seconds(one.cpuSeconds),
      mebibytes(one.peakRss),
      times,
    ]);
  };
  if (values.forward) {
    await convert('--precision', 'fp32', '--no-parity');
    plain = await measure(process.execPath, [forward, output, checkpoint]);
    row('plain forward pass, float32', plain);
  }
  row(`conversion to ${values.precision}`, await convert('--precision', values.precision, '--no-parity'));
  for (const mode of values.modes.split(',')) {
    const args = ['parity', output, '--checkpoint', checkpoint, '--parity', mode];
    row(`check, ${mode}`, await measure(process.execPath, [cli, ...args]));
  }
  rmSync(output, { recursive: true, force: true });
}
console.log(table(rows));
console.log(machine());
