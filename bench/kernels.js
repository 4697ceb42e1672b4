/**
 * Every SIMD kernel in elements and bytes per second, beside its scalar twin and a plain copy of the same bytes:
 *
 *   npm run bench:kernels [-- --rounds 15] [-- --only quantize]
 *
 * Left out: the kernels for float16 graphs. Each kernel works on a strip of a weight, [256, 4096], as the engine cuts it: what it reads and writes stays in
 * the second-level cache or close to it. Kernel, copy and twin run in turn, so that a machine whose speed drifts
 * drifts for all of them; the best of the rounds counts.
 */
import { parseArgs } from 'node:util';
import { convert } from '../dist/kernels/convert.js';
import { lowRankUpdate } from '../dist/kernels/low-rank.js';
import { loadKernels } from '../dist/kernels/module.js';
import { dequantizeRows, findNonFinite, quantizeRows, quantizeTableRows } from '../dist/kernels/quantize.js';
import { quantizeChannels } from '../dist/kernels/quantize-channels.js';
import { transposeInto } from '../dist/kernels/transpose.js';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, only: { type: 'string', default: '' } },
});

const rows = 256;
const columns = 4096;
const count = rows * columns;
const rank = 16;

const memory = new WebAssembly.Memory({ initial: 512 });
const kernels = loadKernels(memory);

/** @typedef {'f32' | 'bf16' | 'f16'} Type */
/** @type {Record<Type, { name: 'float32' | 'bfloat16' | 'float16', size: number }>} */
const types = {
  f32: { name: 'float32', size: 4 },
  bf16: { name: 'bfloat16', size: 2 },
  f16: { name: 'float16', size: 2 },
};

let next = 1024;
/** @param {number} bytes */
function room(bytes) {
  const pointer = next;
  next += Math.ceil(bytes / 4096) * 4096 + 4096;
  if (next > memory.buffer.byteLength) throw new RangeError('the memory is too small');
  return pointer;
}

// Normal weights of deviation 0.02, by Box and Muller.
const weights = new Float32Array(count);
let state = 1;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state + 1) / 2 ** 32;
};
for (let i = 0; i < count; i++) {
  weights[i] = 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
const floats = new Uint8Array(weights.buffer);
/** @type {Record<Type, Uint8Array>} */
const encoded = {
  f32: floats,
  bf16: convert(floats, 'float32', 'bfloat16'),
  f16: convert(floats, 'float32', 'float16'),
};
const source = { f32: room(count * 4), bf16: room(count * 2), f16: room(count * 2) };
for (const type of /** @type {const} */ (['f32', 'bf16', 'f16'])) {
  new Uint8Array(memory.buffer).set(encoded[type], source[type]);
}
const target = room(count * 4);
const scales = room(count);
const zeroPoints = room(count);
const a = room(rank * columns * 4);
const b = room(rows * rank * 4);
new Uint8Array(memory.buffer).copyWithin(a, source.f32, source.f32 + rank * columns * 4);
new Uint8Array(memory.buffer).copyWithin(b, source.f32, source.f32 + rows * rank * 4);

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {number} read bytes
 * @property {number} written bytes
 * @property {() => unknown} kernel
 * @property {(() => unknown) | undefined} twin
 */
/** @type {Entry[]} */
const entries = [];
const sized = /** @type {Type[]} */ (['f32', 'bf16', 'f16']);

for (const from of sized) {
  for (const to of sized) {
    for (const clamped of [false, true]) {
      if (from === to || (clamped && (to !== 'f16' || from === 'f16'))) continue;
      const [fromSize, toSize] = [types[from].size, types[to].size];
      const name = /** @type {'convert_f32_f16'} */ (`convert_${from}_${to}${clamped ? '_clamped' : ''}`);
      entries.push({
        name,
        read: count * fromSize,
        written: count * toSize,
        kernel: () =>
          kernels[name](source[from], columns * fromSize, target, columns * toSize, rows, columns),
        twin: () => convert(encoded[from], types[from].name, types[to].name, clamped),
      });
    }
  }
}
for (const size of /** @type {const} */ ([1, 2, 4, 8])) {
  const wide = (columns * 4) / size / (size === 8 ? 1 : 4 / size);
  const transposed = new Uint8Array(rows * wide * size);
  entries.push({
    name: `transpose_${size}`,
    read: rows * wide * size,
    written: rows * wide * size,
    kernel: () => kernels[`transpose_${size}`](source.f32, wide * size, target, rows * size, rows, wide),
    twin: () => transposeInto(floats, size, [rows, wide], [0, wide], transposed, rows, 0),
  });
}
entries.push({
  name: 'copy_rows (half of each row)',
  read: count * 2,
  written: count * 2,
  kernel: () => kernels.copy_rows(source.f32, columns * 4, target, columns * 2, rows, columns * 2),
  twin: undefined,
});
entries.push({
  name: `low_rank_accumulate, rank ${rank}`,
  read: count * 4,
  written: count * 4,
  kernel: () =>
    kernels.low_rank_accumulate(target, columns * 4, a, columns * 4, b, rank * 4, rank, 0.5, rows, columns),
  twin: () =>
    lowRankUpdate(weights, columns, [
      { rank, scale: 0.5, a: weights.subarray(0, rank * columns), b: weights.subarray(0, rows * rank) },
    ]),
});
entries.push({
  name: 'add_rows',
  read: count * 8,
  written: count * 4,
  kernel: () =>
    kernels.add_rows(source.f32, columns * 4, target, columns * 4, target, columns * 4, rows, columns),
  twin: undefined,
});
for (const use of /** @type {const} */ (['blocks', 'table'])) {
  for (const type of sized) {
    for (const bits of /** @type {const} */ ([4, 8])) {
      for (const symmetric of [false, true]) {
        for (const block of type === 'bf16' && use === 'blocks' && bits === 4 ? [16, 32, 128] : [32]) {
          const { size } = types[type];
          entries.push({
            name: `quantize_${use}_${type}, ${bits} bits, block ${block}${symmetric ? ', symmetric' : ''}`,
            read: count * size,
            written: (count * bits) / 8 + (count / block) * (symmetric ? 4 : 4 + bits / 8),
            kernel: () =>
              kernels[`quantize_${use}_${type}`](
                source[type],
                columns * size,
                rows,
                columns,
                block,
                bits,
                symmetric ? 1 : 0,
                target,
                scales,
                zeroPoints,
              ),
            twin: () =>
              (use === 'blocks' ? quantizeRows : quantizeTableRows)(weights, columns, {
                bits,
                block,
                symmetric,
              }),
          });
        }
      }
    }
  }
}
for (const type of sized) {
  const { size } = types[type];
  entries.push({
    name: `quantize_channels_${type}`,
    read: count * size,
    written: count + rows * 4,
    kernel: () =>
      kernels[`quantize_channels_${type}`](source[type], columns * size, rows, columns, target, scales),
    twin: () => quantizeChannels(weights, columns),
  });
}
for (const bits of /** @type {const} */ ([4, 8])) {
  const block = 32;
  const quantized = quantizeRows(weights, columns, { bits, block, symmetric: false });
  const values = room(quantized.values.byteLength);
  new Uint8Array(memory.buffer).set(quantized.values, values);
  entries.push({
    name: `dequantize_blocks, ${bits} bits`,
    read: (count * bits) / 8 + (count / block) * (4 + bits / 8),
    written: count * 4,
    kernel: () =>
      kernels.dequantize_blocks(values, scales, zeroPoints, rows, columns, block, bits, target, columns * 4),
    twin: () => dequantizeRows(quantized, columns, { bits, block }),
  });
}
for (const type of sized) {
  entries.push({
    name: `find_nonfinite_${type}`,
    read: count * types[type].size,
    written: 0,
    kernel: () => kernels[`find_nonfinite_${type}`](source[type], count),
    twin: () => findNonFinite(weights),
  });
}

/** @param {() => unknown} work */
function seconds(work) {
  const begin = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - begin) / 1e9;
}

const rounds = Number(options.rounds);
const warmUpMs = 200;
console.log(`[${rows}, ${columns}], best of ${rounds} rounds; GB/s: bytes read and written`);
console.log(
  `${'kernel'.padEnd(52)} ${'G el/s'.padStart(7)} ${'GB/s'.padStart(6)}  ${'memcpy'.padStart(6)}  ${'twin, M el/s'.padStart(12)}  speed-up`,
);
for (const { name, read, written, kernel, twin } of entries) {
  if (!name.includes(options.only)) continue;
  // A copy that reads and writes as many bytes in all.
  const half = Math.ceil((read + written) / 2);
  const copy = () => kernels.copy_rows(source.f32, half, target, half, 1, half);
  // Until the optimizing compiler is done with it in its own thread.
  for (const begin = Date.now(); Date.now() - begin < warmUpMs; ) kernel();
  const best = { kernel: Infinity, copy: Infinity, twin: Infinity };
  for (let round = 0; round < rounds; round++) {
    best.kernel = Math.min(best.kernel, seconds(kernel));
    best.copy = Math.min(best.copy, seconds(copy));
    // Twins are slow, and are compiled after a few runs.
    if (twin !== undefined && round < 4) best.twin = Math.min(best.twin, seconds(twin));
  }
  const elements = name.startsWith('transpose_8') ? count / 2 : count;
  const rate = elements / best.kernel;
  console.log(
    [
      name.padEnd(52),
      (rate / 1e9).toFixed(2).padStart(7),
      ((read + written) / best.kernel / 1e9).toFixed(1).padStart(6),
      '',
      ((read + written) / best.copy / 1e9).toFixed(1).padStart(6),
      '',
      (twin === undefined ? '–' : (elements / best.twin / 1e6).toFixed(0)).padStart(12),
      '',
      (twin === undefined ? '–' : `${(best.twin / best.kernel).toFixed(0)}x`).padStart(8),
    ].join(' '),
  );
}
