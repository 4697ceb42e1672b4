/**
 * Writes a Monkey checkpoint of the release's widths with random weights, to measure on:
 *
 *   node bench/make-monkey.js <folder> [language layers = 2] [vision layers = 2]
 *
 * 32 and 48 layers are the release's 9.8 billion parameters (19.6 GB in bf16). Names and side files are those of
 * the tiny fixture; shards hold 2 GB.
 */
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';

const tiny = resolve(import.meta.dirname, '../fixtures/monkey/tiny-896/checkpoint');
const [folder, languageLayers = '2', visionLayers = '2'] = process.argv.slice(2);
if (folder === undefined)
  throw new Error('usage: node bench/make-monkey.js <folder> [layers] [vision layers]');
const layers = { language: Number(languageLayers), vision: Number(visionLayers) };

const hidden = 4096;
const width = 1664;
const shardBytes = 2e9;

/** Sizes of the tiny fixture that stand for those of the release. */
const visionSizes = new Map([
  [32, width],
  [96, 3 * width],
  [157, Math.trunc(width * 4.9231)],
]);
const textSizes = new Map([
  [128, hidden],
  [384, 3 * hidden],
  [504, 151936],
]);

/** @param {string} name @param {number[]} shape @returns {number[]} */
function released(name, shape) {
  if (name.endsWith('lora_a.weight')) return [shape[0] ?? 0, width];
  if (name.endsWith('lora_b.weight')) return [visionSizes.get(shape[0] ?? 0) ?? 0, shape[1] ?? 0];
  if (name.endsWith('lora_scale')) return shape;
  if (name.endsWith('conv1.weight')) return [width, 3, 14, 14];
  if (name.endsWith('positional_embedding')) return [256, width];
  if (name.endsWith('kv_proj.weight')) return [hidden, width];
  if (/attn_pool\.(pos_embed|query)$/.test(name)) return [256, hidden];
  if (/^transformer\.h\.\d+\.mlp\.w\d/.test(name)) return [11008, hidden];
  if (/^transformer\.h\.\d+\.mlp\.c_proj/.test(name)) return [hidden, 11008];
  const sizes = /resblocks|visual\.ln_pre/.test(name) ? visionSizes : textSizes;
  return shape.map((size) => sizes.get(size) ?? size);
}

/** @type {Map<string, number[]>} */
const tensors = new Map();
const file = readFileSync(join(tiny, 'model.safetensors'));
const header = JSON.parse(file.toString('utf8', 8, 8 + Number(file.readBigUInt64LE(0))));
for (const [name, info] of Object.entries(header)) {
  if (name === '__metadata__') continue;
  const [, kind, index] = /^transformer\.(h|visual\.transformer\.resblocks)\.(\d+)\./.exec(name) ?? [];
  if (index !== undefined && index !== '0') continue;
  const count = index === undefined ? 1 : kind === 'h' ? layers.language : layers.vision;
  for (let layer = 0; layer < count; layer++) {
    const own = index === undefined ? name : name.replace(`${kind}.0.`, `${kind}.${layer}.`);
    tensors.set(own, released(name, info.shape));
  }
}

// Sums of four uniform numbers, near enough to normal ones of standard deviation 0.02, as bf16. Every tensor
// starts elsewhere in the pool.
const pool = new Uint16Array(1 << 25);
let state = 1;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32 - 0.5;
};
const word = new Float32Array(1);
const bits = new Uint32Array(word.buffer);
for (let i = 0; i < pool.length; i++) {
  word[0] = (uniform() + uniform() + uniform() + uniform()) * 0.035;
  pool[i] = (bits[0] ?? 0) >>> 16;
}
const ones = new Uint8Array(new Uint16Array(hidden).fill(0x3f80).buffer);

/** @param {number} descriptor @param {string} name @param {number} bytes */
function writeTensor(descriptor, name, bytes) {
  if (/(ln_\w+|ln_pre|ln_post)\.weight$|lora_scale$/.test(name)) {
    writeSync(descriptor, ones, 0, bytes);
    return;
  }
  const source = new Uint8Array(pool.buffer);
  for (let left = bytes; left > 0; ) {
    const from = Math.trunc((uniform() + 0.5) * (pool.length / 2)) * 2;
    const count = Math.min(left, source.length - from);
    writeSync(descriptor, source, from, count);
    left -= count;
  }
}

/** @type {string[][]} */
const shards = [[]];
let filled = 0;
/** @param {readonly number[]} shape */
const bytesOf = (shape) => 2 * shape.reduce((product, size) => product * size, 1);
for (const [name, shape] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
  if (filled > 0 && filled + bytesOf(shape) > shardBytes) {
    shards.push([]);
    filled = 0;
  }
  shards.at(-1)?.push(name);
  filled += bytesOf(shape);
}

mkdirSync(folder, { recursive: true });
/** @type {Record<string, string>} */
const weightMap = {};
const number = (/** @type {number} */ value) => String(value).padStart(5, '0');
for (const [index, names] of shards.entries()) {
  const shard = `model-${number(index + 1)}-of-${number(shards.length)}.safetensors`;
  let offset = 0;
  const entries = names.map((name) => {
    const shape = tensors.get(name) ?? [];
    const begin = offset;
    offset += bytesOf(shape);
    weightMap[name] = shard;
    return [name, { dtype: 'BF16', shape, data_offsets: [begin, offset] }];
  });
  const text = JSON.stringify(Object.fromEntries(entries));
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const descriptor = openSync(join(folder, shard), 'w');
  writeSync(descriptor, length);
  writeSync(descriptor, json);
  for (const name of names) writeTensor(descriptor, name, bytesOf(tensors.get(name) ?? []));
  closeSync(descriptor);
}
writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));

const config = JSON.parse(readFileSync(join(tiny, 'config.json'), 'utf8'));
Object.assign(config, {
  hidden_size: hidden,
  kv_channels: 128,
  num_attention_heads: 32,
  intermediate_size: 22016,
  vocab_size: 151936,
  num_hidden_layers: layers.language,
});
Object.assign(config.visual, {
  width,
  heads: 16,
  layers: layers.vision,
  output_dim: hidden,
  n_queries: 256,
  image_start_id: 151857,
});
writeFileSync(join(folder, 'config.json'), JSON.stringify(config, null, 2));
for (const name of ['generation_config.json', 'qwen.tiktoken', 'tokenizer_config.json']) {
  copyFileSync(join(tiny, name), join(folder, name));
}
console.log(`${tensors.size} tensors in ${shards.length} shards`);
