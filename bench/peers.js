/**
 * The converters that one would otherwise take, on the same decoder: Llama-3.2-1B's layout (1.24 billion parameters,
 * bf16, 2.5 GB) with random weights. Every step is a process of its own; a round runs all of them one after another.
 *
 *   npm run bench:peers -- --python <with onnxruntime-genai, onnxruntime, mobius-onnx, torch, gguf>
 *     --llama-cpp <its sources> --llama-quantize <its binary> [--slow] [--rounds 1] [--folder <path>]
 *     [--only <part of a name>]
 *
 * Tools that are not installed are skipped, saying so; --slow adds those that take minutes. vlm-convert has no
 * text-only family: it converts the same decoder, value for value, behind a small CLIP tower (0.5 % more weights)
 * as a LLaVA checkpoint. Its output holds the embedding apart from the head, both quantized; genai's shares them.
 * The last steps compare vision-language models of about two billion parameters: Qwen-VL's layout for vlm-convert,
 * Qwen2-VL-2B for mobius, since neither takes the other's.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bytesBelow, filesBelow, requireBuild, settle, syncFiles, warm, weightFiles } from './lib/files.js';
import { measure } from './lib/measure.js';
import { steps, versions } from './lib/peers.js';
import { ensureCheckpoint } from './lib/random-checkpoint.js';
import { gigabytes, machine, mebibytes, seconds, table } from './lib/table.js';

/** @typedef {import('./lib/peers.js').Step} Step */
/** @typedef {import('./lib/measure.js').Measurement & { syncSeconds: number, bytes: number }} Result */

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    'llama-cpp': { type: 'string' },
    'llama-quantize': { type: 'string' },
    slow: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '1' },
    folder: { type: 'string', default: join(tmpdir(), 'vlm-convert-bench') },
    only: { type: 'string', default: '' },
  },
});
requireBuild(resolve(import.meta.dirname, '../dist/cli/main.js'));
const tools = {
  python: values.python,
  llamaCpp: values['llama-cpp'],
  llamaQuantize: values['llama-quantize'],
  cli: resolve(import.meta.dirname, '../bin/vlm-convert.js'),
};
const installed = versions(tools);
const outputs = join(values.folder, 'peers');
/** @param {string} name */
const targetOf = (name) => join(outputs, name.replaceAll(/[^\w]+/g, '-'));
const environment = { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1' };

/** The step whose output this one reads, if it reads one. @param {Step} step */
const source = (step) => steps.find(({ name }) => name === step.input);
/** @param {Step} step @returns {string | undefined} why it cannot run */
function obstacle(step) {
  if (installed[step.tool] === undefined) return `${step.tool} is not installed`;
  if (step.slow && !values.slow) return 'takes minutes: --slow runs it';
  const before = source(step);
  return before === undefined ? undefined : obstacle(before);
}
/** Steps asked for, and those whose output they read. */
const chosen = steps.filter(
  (step) =>
    step.name.includes(values.only) ||
    steps.some((other) => other.name.includes(values.only) && source(other) === step && !obstacle(other)),
);

/** @param {Step} step @returns {Promise<Result>} */
async function run(step) {
  const target = targetOf(step.name);
  rmSync(target, { recursive: true, force: true });
  const from = source(step);
  const input = from === undefined ? ensureCheckpoint(values.folder, step.input) : targetOf(from.name);
  warm(from === undefined ? weightFiles(input) : filesBelow(input));
  const [command = '', ...args] = step.command(tools, input, target);
  const measured = await measure(command, args, { env: environment });
  const begin = process.hrtime.bigint();
  syncFiles(filesBelow(target));
  const syncSeconds = Number(process.hrtime.bigint() - begin) / 1e9;
  return { ...measured, syncSeconds, bytes: bytesBelow(target) };
}

/** The faster of two rounds, with the larger of their peaks. @param {Result} one @param {Result | undefined} other */
function best(one, other) {
  if (other === undefined) return one;
  const total = (/** @type {Result} */ result) => result.seconds + result.syncSeconds;
  return { ...(total(one) <= total(other) ? one : other), peakRss: Math.max(one.peakRss, other.peakRss) };
}

/** @type {Map<Step, Result>} */
const results = new Map();
/** @type {Map<Step, string>} */
const failures = new Map();
for (let round = 0; round < Number(values.rounds); round++) {
  mkdirSync(outputs, { recursive: true });
  for (const [index, step] of chosen.entries()) {
    if (obstacle(step) !== undefined || failures.has(step)) continue;
    const from = source(step);
    if (from !== undefined && failures.has(from)) continue;
    try {
      results.set(step, best(await run(step), results.get(step)));
    } catch (error) {
      failures.set(step, error instanceof Error ? error.message : String(error));
    }
    console.log(`round ${round + 1}: ${step.name}${failures.has(step) ? ' failed' : ''}`);
    const later = chosen.slice(index + 1);
    for (const done of chosen.slice(0, index + 1)) {
      if (later.some((other) => source(other) === done && obstacle(other) === undefined)) continue;
      rmSync(targetOf(done.name), { recursive: true, force: true });
    }
    settle();
  }
  rmSync(outputs, { recursive: true, force: true });
}

console.log(`\n${machine()}`);
console.log(
  `${Object.entries(installed)
    .filter(([, version]) => version !== undefined)
    .map(([tool, version]) => `${tool} ${version}`)
    .join(', ')}`,
);
console.log(
  `Fastest of ${values.rounds} interleaved rounds, inputs in the page cache. "sync": what it takes afterwards until the
output is on the disk (vlm-convert has synced its files itself). "+" reads the output of an earlier step. Peak RSS:
the whole process tree; pages of mapped files count.\n`,
);
const rows = [...results].map(([step, result]) => [
  step.name,
  seconds(result.seconds),
  seconds(result.syncSeconds),
  seconds(result.cpuSeconds),
  mebibytes(result.peakRss),
  gigabytes(result.bytes),
]);
console.log(table([['step', 'time', 'sync', 'CPU', 'peak RSS', 'written'], ...rows]));
for (const step of chosen) {
  const reason = failures.get(step)?.slice(-2000) ?? obstacle(step);
  if (reason !== undefined) console.log(`not run: ${step.name}: ${reason}`);
}
