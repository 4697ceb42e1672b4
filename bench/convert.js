/**
 * Conversion against the speed of the disk: converts random checkpoints in the layout of a release, and runs beside
 * every conversion a plain program that reads the same bytes and writes as many (plain-io.js), from the same state of
 * the page cache.
 *
 *   npm run build && npm run bench:convert -- [options]
 *
 *   --size 2b           0.2b, 2b, 7b (Qwen-VL), monkey (19.4 GB); a list is converted one after another
 *   --scaling           the same as --size 0.2b,2b,7b: what a parameter costs at each
 *   --precision <list>  int4,int8,fp16,fp32 without --scaling, --jobs and --memory, else int4
 *   --jobs 1,2,4        number of workers; prints whether every output is the same
 *   --memory <list>     such as 256MiB,1GiB
 *   --resolution <WxH>  the checkpoint's own by default
 *   --cache cold,warm   cold alone with --scaling, warm alone with --jobs and --memory
 *   --runs 1            of each; the fastest counts, and the largest peak of memory
 *   --folder <path>     for checkpoints, which stay there, and outputs, which do not
 */
import { rmSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parameters } from './layouts/entries.js';
import { layoutOf } from './layouts/index.js';
import { bytesBelow, digests, evict, requireBuild, settle, warm, weightFiles } from './lib/files.js';
import { measure } from './lib/measure.js';
import { ensureCheckpoint } from './lib/random-checkpoint.js';
import { gigabytes, machine, mebibytes, seconds, table } from './lib/table.js';

/** @typedef {import('./lib/measure.js').Measurement} Measurement */
/** @typedef {{ size: string, precision: string, jobs?: string, memory?: string, cache: string }} Case */
/** @typedef {Case & { ours: Measurement, limit: Measurement, input: number, output: number, digest: string }} Result */

const cli = resolve(import.meta.dirname, '../bin/vlm-convert.js');
const plain = join(import.meta.dirname, 'plain-io.js');
requireBuild(resolve(import.meta.dirname, '../dist/cli/main.js'));

const { values } = parseArgs({
  options: {
    size: { type: 'string' },
    scaling: { type: 'boolean', default: false },
    precision: { type: 'string' },
    jobs: { type: 'string' },
    memory: { type: 'string' },
    resolution: { type: 'string' },
    cache: { type: 'string' },
    runs: { type: 'string', default: '1' },
    folder: { type: 'string', default: join(tmpdir(), 'vlm-convert-bench') },
  },
});
const narrow = values.scaling || values.jobs !== undefined || values.memory !== undefined;
const sizes = (values.size ?? (values.scaling ? '0.2b,2b,7b' : '2b')).split(',');
const precisions = (values.precision ?? (narrow ? 'int4' : 'int4,int8,fp16,fp32')).split(',');
const caches = (values.cache ?? (values.scaling ? 'cold' : narrow ? 'warm' : 'cold,warm')).split(',');
const runs = Number(values.runs);
const output = join(values.folder, 'output');
const scratch = join(values.folder, 'plain-io');

/** A choice left out is left to the tool. @param {string | undefined} list @returns {(string | undefined)[]} */
const choices = (list) => list?.split(',') ?? [undefined];

/** @returns {Case[]} */
function cases() {
  return sizes.flatMap((size) =>
    precisions.flatMap((precision) =>
      choices(values.jobs).flatMap((jobs) =>
        choices(values.memory).flatMap((memory) =>
          caches.map((cache) => ({
            size,
            precision,
            cache,
            ...(jobs === undefined ? {} : { jobs }),
            ...(memory === undefined ? {} : { memory }),
          })),
        ),
      ),
    ),
  );
}

/** Whether a checkpoint can stay in the page cache while its output is written. @param {string} checkpoint */
const staysCached = (checkpoint) => bytesBelow(checkpoint) < totalmem() / 2;

/** @param {Case} chosen @returns {Promise<Result>} */
async function run(chosen) {
  const checkpoint = join(values.folder, chosen.size);
  const files = weightFiles(checkpoint);
  const prepare = () => {
    rmSync(output, { recursive: true, force: true });
    rmSync(scratch, { force: true });
    if (chosen.cache === 'cold') evict(files);
    else warm(files);
  };
  /** @type {Result | undefined} */
  let best;
  for (let index = 0; index < runs; index++) {
    prepare();
    const ours = await measure(process.execPath, [
      cli,
      checkpoint,
      output,
      ...['--precision', chosen.precision],
      ...(values.resolution === undefined ? [] : ['--resolution', values.resolution]),
      ...(chosen.jobs === undefined ? [] : ['--jobs', chosen.jobs]),
      ...(chosen.memory === undefined ? [] : ['--memory', chosen.memory]),
      ...['--no-parity', '--quiet'],
    ]);
    const written = bytesBelow(output);
    const digest = digests(output);
    prepare();
    const limit = await measure(process.execPath, [plain, scratch, String(written), ...files]);
    const same = best === undefined || best.digest === digest;
    best = {
      ...chosen,
      ours: faster(ours, best?.ours),
      limit: faster(limit, best?.limit),
      input: files.reduce((sum, file) => sum + bytesBelow(file), 0),
      output: written,
      digest: same ? digest : 'differs between runs',
    };
  }
  rmSync(output, { recursive: true, force: true });
  rmSync(scratch, { force: true });
  settle();
  if (best === undefined) throw new RangeError('--runs is at least 1');
  return best;
}

/** @param {Measurement} one @param {Measurement | undefined} other @returns {Measurement} */
function faster(one, other) {
  if (other === undefined) return one;
  const peakRss = Math.max(one.peakRss, other.peakRss);
  return { ...(one.seconds < other.seconds ? one : other), peakRss };
}

/** @param {Result} result */
const parametersOf = ({ size }) => parameters(layoutOf(size).tensors);

/**
 * Title, text, and whether the column is asked for; `first` is the first result of the same size, precision and cache.
 *
 * @type {readonly (readonly [string, (result: Result, first: Result) => string, boolean])[]}
 */
const columns = [
  ['size', ({ size }) => size, true],
  ['precision', ({ precision }) => precision, true],
  ['cache', ({ cache }) => cache, true],
  ['jobs', ({ jobs }) => jobs ?? '', values.jobs !== undefined],
  ['memory', ({ memory }) => memory ?? '', values.memory !== undefined],
  ['time', ({ ours }) => seconds(ours.seconds), true],
  ['limit', ({ limit }) => seconds(limit.seconds), true],
  ['ratio', ({ ours, limit }) => (ours.seconds / limit.seconds).toFixed(2), true],
  ['read', ({ input }) => gigabytes(input), true],
  ['GB/s', ({ input, ours }) => (input / 1e9 / ours.seconds).toFixed(2), true],
  ['written', ({ output }) => gigabytes(output), true],
  ['GB/s', ({ output, ours }) => (output / 1e9 / ours.seconds).toFixed(2), true],
  ['CPU', ({ ours }) => seconds(ours.cpuSeconds), true],
  ['peak RSS', ({ ours }) => mebibytes(ours.peakRss), true],
  ['ns/weight', (result) => ((result.ours.seconds * 1e9) / parametersOf(result)).toFixed(2), values.scaling],
  ['CPU ns', (result) => ((result.ours.cpuSeconds * 1e9) / parametersOf(result)).toFixed(2), values.scaling],
  [
    'speed-up',
    ({ ours }, first) => (first.ours.seconds / ours.seconds).toFixed(2),
    values.jobs !== undefined,
  ],
  [
    'files',
    ({ digest }, first) => (digest === first.digest ? 'same' : 'DIFFERENT'),
    values.jobs !== undefined || values.memory !== undefined || runs > 1,
  ],
];

console.log(machine());
console.log(
  `best of ${runs}; limit: plain-io.js reads and writes the same number of bytes, 8 MiB at a time, and fsyncs.
Cold: the checkpoint's pages are dropped from this machine's cache (a host below it may still hold them); warm: read
just before. Dirty pages are synced before every run. Peak RSS: the whole process tree, sampled every 20 ms.`,
);
/** @type {Result[]} */
const results = [];
for (const chosen of cases()) {
  const checkpoint = ensureCheckpoint(values.folder, chosen.size);
  if (chosen.cache === 'warm' && !staysCached(checkpoint)) {
    console.log(
      `${chosen.size} ${chosen.precision} warm: skipped, the cache cannot hold it beside the output`,
    );
    continue;
  }
  const result = await run(chosen);
  results.push(result);
  console.log(`${chosen.size} ${chosen.precision} ${chosen.cache}: ${seconds(result.ours.seconds)}`);
}
/** @param {Result} result */
const group = ({ size, precision, cache }) => `${size} ${precision} ${cache}`;
const shown = columns.filter(([, , asked]) => asked);
const rows = results.map((result) => {
  const first = results.find((other) => group(other) === group(result)) ?? result;
  return shown.map(([, text]) => text(result, first));
});
console.log(`\n${table([shown.map(([title]) => title), ...rows], 3)}`);
