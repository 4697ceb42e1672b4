/**
 * The graphs that `bench:graphs` compares: every recorded case of goldens/onnx-import with its recorded inputs, and
 * graphs as large as real ones, which our own architectures write in plain operators from random weights.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureCheckpoint } from './random-checkpoint.js';

const dist = resolve(import.meta.dirname, '../../dist');
const { openSafetensors } = await import(join(dist, 'formats/safetensors/read.js'));
const { fileSource } = await import(join(dist, 'tensor/byte-source.js'));
const { readAll } = await import(join(dist, 'tensor/tensor.js'));
const { floatToHalf } = await import(join(dist, 'kernels/half.js'));
const { openModel } = await import(join(dist, 'formats/onnx/open.js'));
const { convert } = await import(join(dist, 'index.js'));

/** @typedef {import('./pairs.js').Feeds} Feeds */
/** @typedef {{ name: string, path: string, feeds: () => Promise<Feeds> }} GraphCase */

/** @param {readonly string[]} roots @returns {GraphCase[]} each case once */
export function recordedCases(roots) {
  /** @type {Map<string, GraphCase>} */
  const found = new Map();
  for (const root of roots.map((folder) => join(folder, 'onnx-import')).filter(existsSync)) {
    for (const name of readdirSync(root).sort()) {
      const folder = join(root, name);
      if (found.has(name) || !existsSync(join(folder, 'case.json'))) continue;
      for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.onnx'))) {
        const path = join(folder, file);
        const label = file === 'model.onnx' ? name : `${name}/${file}`;
        found.set(label, {
          name: label,
          path,
          feeds: () => recordedFeeds(path, join(folder, 'io.safetensors')),
        });
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @param {string} model @param {string} file @returns {Promise<Feeds>} */
async function recordedFeeds(model, file) {
  const types = await inputTypes(model);
  const source = await fileSource(file, file);
  /** @type {Feeds} */
  const feeds = {};
  const { tensors } = await openSafetensors(source);
  for (const [name, type] of types) {
    const tensor = tensors.get(`in.${name}`);
    if (tensor === undefined) continue;
    const { buffer } = (await readAll(tensor)).slice();
    const data = tensor.dtype === 'int64' ? new BigInt64Array(buffer) : new Float32Array(buffer);
    feeds[name] = { type, dims: tensor.shape, data: converted(data, type) };
  }
  await source.close();
  return feeds;
}

/** @param {BigInt64Array | Float32Array} data @param {string} type */
function converted(data, type) {
  if (type === 'float16') return floatToHalf(data);
  if (type === 'bool') return Uint8Array.from(data, Number);
  if (type === 'int32') return Int32Array.from(data, Number);
  return data;
}

/** @param {string} path @returns {Promise<Map<string, string>>} names and element types of the inputs */
async function inputTypes(path) {
  const opened = await openModel(path);
  /** @type {{ name: string, type?: { dtype: string } }[]} */
  const inputs = opened.model.graph.inputs;
  await opened.close();
  return new Map(inputs.map(({ name, type }) => [name, type?.dtype ?? 'float32']));
}

const large = 'clip-l-7b-slice';

/** @param {string} folder @returns {Promise<GraphCase[]>} */
export async function largeCases(folder) {
  const output = join(folder, `${large}-plain`);
  if (!existsSync(output)) {
    const passes = 'fold,dead-code';
    const checkpoint = ensureCheckpoint(folder, large);
    await convert({
      checkpoint,
      output,
      parity: false,
      passes: { vision: passes, decoder: passes, embed: passes },
    });
  }
  /** @param {string} name */
  const path = (name) => join(output, 'onnx', `${name}.onnx`);
  const sizes = { heads: 32, headDim: 128, hidden: 4096, layers: 2 };
  return [
    {
      name: 'CLIP-L/14-336, 24 layers',
      path: path('vision_encoder'),
      feeds: async () => ({ pixel_values: random([1, 3, 336, 336]) }),
    },
    {
      name: '7B decoder, 2 layers, prefill 128',
      path: path('decoder_model_merged'),
      feeds: async () => decoderFeeds(128, 0, sizes),
    },
    {
      name: '7B decoder, 2 layers, decode at 512',
      path: path('decoder_model_merged'),
      feeds: async () => decoderFeeds(1, 512, sizes),
    },
  ];
}

/**
 * @param {number} tokens @param {number} past
 * @param {{ heads: number, headDim: number, hidden: number, layers: number }} sizes
 */
function decoderFeeds(tokens, past, { heads, headDim, hidden, layers }) {
  const total = tokens + past;
  /** @type {Feeds} */
  const feeds = {
    inputs_embeds: random([1, tokens, hidden]),
    attention_mask: { type: 'int64', dims: [1, total], data: new BigInt64Array(total).fill(1n) },
    rope_length: { type: 'int64', dims: [], data: BigInt64Array.of(BigInt(total)) },
  };
  for (let layer = 0; layer < layers; layer += 1) {
    for (const part of ['key', 'value']) {
      feeds[`past_key_values.${layer}.${part}`] = random([1, heads, past, headDim]);
    }
  }
  return feeds;
}

/** Values in [-1, 1) that repeat nowhere near. @param {readonly number[]} dims */
function random(dims) {
  const count = dims.reduce((product, size) => product * size, 1);
  const data = Float32Array.from({ length: count }, (_, i) => ((i * 0.618034) % 1) * 2 - 1);
  return { type: 'float32', dims, data };
}
