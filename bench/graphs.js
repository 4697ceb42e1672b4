/**
 * Graphs that the default pipeline made for the CPU, beside what onnxruntime itself makes of the original file: both
 * sessions optimise at level `all`, as users run them, and every round runs both.
 *
 *   npm run bench:graphs -- [options]
 *
 *   --only <text>      cases whose names hold it
 *   --goldens <path>   a folder with onnx-import/, besides fixtures/ and VLM_GOLDENS
 *   --no-large         without CLIP-L/14-336 and the slice of a 7B decoder (1.5 GB of weights, written once)
 *   --passes <text>    instead of the default pipeline
 *   --rounds 15  --loads 5  --threads 0 (of one run; 0: one per core)
 *   --folder <path>    for the large graphs, which stay there
 *   --json             one object per case
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { requireBuild } from './lib/files.js';
import { median, timePair } from './lib/pairs.js';
import { machine, table } from './lib/table.js';

const dist = resolve(import.meta.dirname, '../dist');
requireBuild(join(dist, 'index.js'));
const { largeCases, recordedCases } = await import('./lib/graph-cases.js');
const { optimize } = await import(join(dist, 'pipeline/optimize.js'));
const { optimizePasses } = await import(join(dist, 'pipeline/optimize-passes.js'));

const { values } = parseArgs({
  allowNegative: true,
  options: {
    only: { type: 'string', default: '' },
    goldens: { type: 'string', multiple: true, default: [] },
    large: { type: 'boolean', default: true },
    passes: { type: 'string', default: optimizePasses },
    rounds: { type: 'string', default: '15' },
    loads: { type: 'string', default: '5' },
    threads: { type: 'string', default: '0' },
    folder: { type: 'string', default: join(tmpdir(), 'vlm-convert-bench') },
    json: { type: 'boolean', default: false },
  },
});
const fixtures = resolve(import.meta.dirname, '../fixtures');
const recorded = process.env.VLM_GOLDENS === undefined ? [] : [process.env.VLM_GOLDENS];
const cases = [
  ...recordedCases([fixtures, ...recorded, ...values.goldens]),
  ...(values.large ? await largeCases(values.folder) : []),
].filter(({ name }) => name.includes(values.only));
const options = {
  rounds: Number(values.rounds),
  loads: Number(values.loads),
  threads: Number(values.threads),
};

/** @param {number} value */
const ms = (value) => `${value.toPrecision(3)} ms`;
/** @param {number} value */
const times = (value) => `${value.toFixed(2)} ×`;
const rows = [['', 'onnxruntime', 'ours', 'ratio', 'CPU', 'load', 'ours', 'ratio', 'difference / std']];
const ratios = [];
for (const { name, path, feeds } of cases) {
  const folder = mkdtempSync(join(tmpdir(), 'vlm-bench-graphs-'));
  try {
    const ours = join(folder, 'model.onnx');
    await optimize({ model: path, output: ours, passes: values.passes, target: ['cpu'] });
    const pair = await timePair([path, ours], await feeds(), options);
    ratios.push(pair.ratio);
    const { ms: run, load } = pair;
    rows.push([
      name,
      ms(run[0]),
      ms(run[1]),
      times(pair.ratio),
      times(pair.cpuRatio),
      ms(load[0]),
      ms(load[1]),
      times(pair.loadRatio),
      pair.difference.toExponential(1),
    ]);
    if (values.json) console.log(JSON.stringify({ name, ...pair }));
  } catch (error) {
    rows.push([name, String(error instanceof Error ? error.message : error).slice(0, 90)]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
if (!values.json) {
  console.log(table(rows));
  console.log('CPU: the ratio of the time that all threads were at work');
  console.log(
    `${ratios.length} cases, median ratio ${median(ratios).toFixed(2)}, ${ratios.filter((one) => one <= 1).length} at most 1.00`,
  );
  console.log(machine());
}
