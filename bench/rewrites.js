/**
 * Single rewrites at the sizes of real models: the plain graph beside what one pass makes of it, on the CPU, every round
 * running both. It is what decides whether a pass stands in the default pipeline.
 *
 *   npm run bench:rewrites -- [--only <text>] [--rounds 21] [--threads 0]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { requireBuild } from './lib/files.js';
import { timePair } from './lib/pairs.js';
import { machine, table } from './lib/table.js';

const dist = resolve(import.meta.dirname, '../dist');
requireBuild(join(dist, 'index.js'));
const { GraphBuilder } = await import(join(dist, 'graph/builder.js'));
const { inferNode } = await import(join(dist, 'graph/infer/infer.js'));
const { createModel } = await import(join(dist, 'graph/model.js'));
const { tensorType } = await import(join(dist, 'graph/types.js'));
const { layoutModel } = await import(join(dist, 'formats/onnx/layout.js'));
const { encodeModel } = await import(join(dist, 'formats/onnx/encode.js'));
const { runPipeline } = await import(join(dist, 'pipeline/pass-manager.js'));
const { parsePipeline } = await import(join(dist, 'pipeline/pipeline-text.js'));
const { inlineTensor } = await import(join(dist, 'tensor/tensor.js'));

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '21' },
    threads: { type: 'string', default: '0' },
  },
});

/** @typedef {import('../dist/graph/builder.js').GraphBuilder} Builder */
/** @typedef {import('../dist/graph/value.js').Value} Value */
/** @typedef {{ name: string, passes: string, before?: string, input: readonly number[], make: (b: Builder, x: Value) => readonly Value[] }} Case
 *   `before`: passes that both sides go through */

/** Uniform in [-0.05, 0.05]. @param {number} count */
function numbers(count) {
  let state = 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) / 10;
  });
}

/** @param {Builder} b @param {string} name @param {readonly number[]} shape */
function weight(b, name, ...shape) {
  const { buffer } = numbers(shape.reduce((product, dim) => product * dim, 1));
  return b.weight(name, inlineTensor('float32', shape, new Uint8Array(buffer)));
}

/** Projections of one input. @param {string} name @param {number} rows @param {number} width @param {readonly number[]} sizes @param {string} [before] @returns {Case} */
const projections = (name, rows, width, sizes, before) => ({
  name: `${name}, ${rows} rows${before === undefined ? '' : `, ${before}`}`,
  passes: 'pack-qkv',
  ...(before === undefined ? {} : { before }),
  input: [1, rows, width],
  make: (b, x) => sizes.map((size, at) => b.op('MatMul', [x, weight(b, `w${at}`, width, size)])),
});

/** A grid of patches, as tokens. @param {readonly number[]} input @param {number} patch @param {number} width @returns {Case} */
const grid = (input, patch, width) => ({
  name: `${input.join(' x ')} in patches of ${patch}`,
  passes: 'patch-embed{grids=true}',
  input,
  make: (b, x) => {
    const [, channels = 0, height = 0, across = 0] = input;
    const kernel = weight(b, 'w', width, channels, patch, patch);
    const grid = b.op('Conv', [x, kernel, weight(b, 'bias', width)], {
      attributes: { strides: [patch, patch] },
    });
    const flat = b.op('Reshape', [grid, b.int64([0, width, (height / patch) * Math.floor(across / patch)])]);
    return [b.op('Transpose', [flat], { attributes: { perm: [0, 2, 1] } })];
  },
});

/** @param {number} rows @returns {Case} */
const patchRows = (rows) => ({
  name: `${rows} rows of one patch, 2 x 14 x 14`,
  passes: 'patch-embed',
  input: [rows, 1176],
  make: (b, x) => {
    const patches = b.op('Reshape', [x, b.int64([-1, 3, 2, 14, 14])]);
    const conv = b.op('Conv', [patches, weight(b, 'w', 1280, 3, 2, 14, 14)], {
      attributes: { strides: [2, 14, 14] },
    });
    return [b.op('Reshape', [conv, b.int64([-1, 1280])])];
  },
});

/** rotate_half over all heads. @param {number} rows @param {number} heads @param {number} dim @returns {Case} */
const rotary = (rows, heads, dim) => ({
  name: `${heads} heads of ${dim}, ${rows} rows`,
  passes: 'fuse-rotary',
  input: [1, rows, heads * dim],
  make: (b, x) => {
    const parted = b.op('Reshape', [x, b.int64([0, 0, heads, dim])]);
    const q = b.op('Transpose', [parted], { attributes: { perm: [0, 2, 1, 3] } });
    const angles = weight(b, 'angles', 1, 1, rows, dim / 2);
    const wide = b.op('Concat', [angles, angles], { attributes: { axis: -1 } });
    const [first, second] = b.ops('Split', [q, b.int64([dim / 2, dim / 2])], 2, { attributes: { axis: -1 } });
    if (first === undefined || second === undefined) throw new RangeError('Split made no two outputs');
    const turned = b.op('Concat', [b.op('Neg', [second]), first], { attributes: { axis: -1 } });
    const sum = b.op('Add', [
      b.op('Mul', [q, b.op('Cos', [wide])]),
      b.op('Mul', [turned, b.op('Sin', [wide])]),
    ]);
    const swapped = b.op('Transpose', [sum], { attributes: { perm: [0, 2, 1, 3] } });
    return [b.op('Reshape', [swapped, b.int64([0, 0, heads * dim])])];
  },
});

/** @type {readonly Case[]} */
const cases = [
  projections('q, k, v of CLIP-L', 577, 1024, [1024, 1024, 1024]),
  ...[1, 128].flatMap((rows) => [
    projections('q, k, v of a 7B decoder', rows, 4096, [4096, 4096, 4096]),
    projections('gate, up of a 7B decoder', rows, 4096, [11008, 11008]),
    projections('q, k, v of a 7B decoder', rows, 4096, [4096, 4096, 4096], 'int4'),
    projections('gate, up of a 7B decoder', rows, 4096, [11008, 11008], 'int4'),
  ]),
  grid([1, 3, 224, 224], 16, 768),
  grid([1, 3, 336, 336], 14, 1024),
  grid([1, 3, 896, 1344], 14, 1664),
  patchRows(256),
  patchRows(1024),
  rotary(1, 32, 128),
  rotary(128, 32, 128),
  rotary(1024, 32, 128),
  rotary(1024, 16, 80),
];

/** @param {Case} example @param {string} passes @param {string} path */
async function write({ input, make }, passes, path) {
  const b = new GraphBuilder('rewrite', inferNode);
  const x = b.input('x', tensorType('float32', input));
  for (const [index, value] of make(b, x).entries()) b.output(`y${index}`, value);
  const model = createModel(b.graph, 20);
  if (passes !== '') await runPipeline(model, parsePipeline(passes));
  const layout = layoutModel(model, { fileName: 'rewrite', inlineLimit: Number.MAX_SAFE_INTEGER });
  writeFileSync(path, await encodeModel(model, layout));
}

const rows = [['pass', '', 'plain', 'rewritten', 'ratio', 'CPU', 'difference / std']];
const folder = mkdtempSync(join(tmpdir(), 'vlm-rewrites-'));
try {
  for (const example of cases.filter(({ name, passes }) => `${passes} ${name}`.includes(values.only))) {
    const { name, passes, before, input } = example;
    const paths = /** @type {const} */ ([join(folder, 'plain.onnx'), join(folder, 'rewritten.onnx')]);
    await write(example, before ?? '', paths[0]);
    await write(example, before === undefined ? passes : `${before},${passes}`, paths[1]);
    const data = numbers(input.reduce((product, dim) => product * dim, 1)).map((value) => value * 20);
    const pair = await timePair(
      paths,
      { x: { type: 'float32', dims: input, data } },
      { rounds: Number(values.rounds), loads: 1, threads: Number(values.threads) },
    );
    const [plain, ours] = pair.ms.map((ms) => `${ms.toPrecision(3)} ms`);
    rows.push([
      passes,
      name,
      plain ?? '',
      ours ?? '',
      `${pair.ratio.toFixed(2)} ×`,
      `${pair.cpuRatio.toFixed(2)} ×`,
      pair.difference.toExponential(1),
    ]);
    process.stderr.write(`${rows.at(-1)?.join('  ')}\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(`${machine()}\n\n${table(rows)}`);
