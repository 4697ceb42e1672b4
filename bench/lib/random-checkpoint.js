/**
 * Writes a layout as a checkpoint: safetensors shards with an index, config and side files. Weights are bf16, normal
 * with standard deviation 0.02, at the speed of the disk: every tensor is pieces of one pool of random values, begun
 * at places that its key and the seed choose.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { layoutOf } from '../layouts/index.js';

/** @typedef {import('../layouts/entries.js').Entry} Entry */
/** @typedef {import('../layouts/entries.js').Layout} Layout */

const poolSize = 1 << 25;
const chunkBytes = 8 * 2 ** 20;

/** @param {Pick<Entry, 'shape'>} entry */
const bytesOf = ({ shape }) => shape.reduce((product, size) => product * size, 2);

/** Whole numbers below 2^32 from a seed (xorshift32). @param {number} seed */
function randomNumbers(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** FNV-1a. @param {string} text */
function hash(text) {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

/**
 * The value below which a share p of the normal distribution lies, to 5e-4 (Abramowitz and Stegun, Handbook of
 * Mathematical Functions, 26.2.23).
 *
 * @param {number} p @returns {number}
 */
function quantile(p) {
  if (p > 0.5) return -quantile(1 - p);
  const t = Math.sqrt(-2 * Math.log(p));
  return (
    (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t
  );
}

/** @param {number} seed @returns {Uint8Array} bf16 values */
function makePool(seed) {
  const word = new Float32Array(1);
  const bits = new Uint32Array(word.buffer);
  const values = Uint16Array.from({ length: 1 << 16 }, (_, index) => {
    word[0] = 0.02 * quantile((index + 0.5) / (1 << 16));
    return (bits[0] ?? 0) >>> 16;
  });
  const pool = new Uint16Array(poolSize);
  const next = randomNumbers(seed);
  for (let i = 0; i < poolSize; i += 2) {
    const draw = next();
    pool[i] = values[draw & 0xffff] ?? 0;
    pool[i + 1] = values[draw >>> 16] ?? 0;
  }
  return new Uint8Array(pool.buffer);
}

/** Shards in the order of modules; tensors of a shard by name, as the official writer has them. @param {Layout} layout */
function shardsOf({ tensors, shardBytes }) {
  /** @type {Entry[][]} */
  const shards = [[]];
  let filled = 0;
  for (const entry of tensors) {
    if (filled > 0 && filled + bytesOf(entry) > shardBytes) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)?.push(entry);
    filled += bytesOf(entry);
  }
  return shards.map((shard) => shard.sort((a, b) => (a.name < b.name ? -1 : 1)));
}

/** @param {number} descriptor @param {Uint8Array} bytes */
function writeAll(descriptor, bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at, bytes.length - at);
}

/** @param {string} path @param {readonly Entry[]} shard @param {Uint8Array} pool @param {number} seed */
function writeShard(path, shard, pool, seed) {
  let offset = 0;
  const entries = shard.map((entry) => {
    const begin = offset;
    offset += bytesOf(entry);
    return [entry.name, { dtype: 'BF16', shape: entry.shape, data_offsets: [begin, offset] }];
  });
  const text = JSON.stringify(Object.fromEntries([['__metadata__', { format: 'pt' }], ...entries]));
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const descriptor = openSync(path, 'w');
  writeAll(descriptor, length);
  writeAll(descriptor, json);
  for (const entry of shard) {
    const next = randomNumbers(hash(entry.key) ^ seed);
    for (let left = bytesOf(entry); left > 0; ) {
      const count = Math.min(left, chunkBytes);
      const from = 2 * (next() % ((pool.length - count) / 2 + 1));
      const ones = entry.fill === 'ones';
      writeAll(
        descriptor,
        ones
          ? new Uint8Array(new Uint16Array(count / 2).fill(0x3f80).buffer)
          : pool.subarray(from, from + count),
      );
      left -= count;
    }
  }
  closeSync(descriptor);
}

/**
 * Writes under another name and renames at the end, so that what stands under `folder` is whole.
 *
 * @param {string} folder @param {Layout} layout @param {number} seed
 */
export function writeCheckpoint(folder, layout, seed) {
  const unfinished = `${folder}.part`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const pool = makePool(seed);
  const shards = shardsOf(layout);
  /** @type {Record<string, string>} */
  const weightMap = {};
  for (const [index, shard] of shards.entries()) {
    const place = [index + 1, shards.length].map((number) => String(number).padStart(5, '0'));
    const name = shards.length === 1 ? 'model.safetensors' : `model-${place.join('-of-')}.safetensors`;
    writeShard(join(unfinished, name), shard, pool, seed);
    for (const entry of shard) weightMap[entry.name] = name;
  }
  if (shards.length > 1) {
    const index = {
      metadata: { total_size: layout.tensors.reduce((sum, entry) => sum + bytesOf(entry), 0) },
      weight_map: weightMap,
    };
    writeFileSync(join(unfinished, 'model.safetensors.index.json'), JSON.stringify(index, null, 2));
  }
  writeFileSync(join(unfinished, 'config.json'), JSON.stringify(layout.config, null, 2));
  for (const path of layout.sideFiles) copyFileSync(path, join(unfinished, basename(path)));
  renameSync(unfinished, folder);
}

/** Path of the checkpoint of this size in a folder of checkpoints, made when it is not there. @param {string} folder @param {string} size */
export function ensureCheckpoint(folder, size) {
  const path = join(folder, size);
  if (!existsSync(path)) {
    console.log(`making ${path}`);
    writeCheckpoint(path, layoutOf(size), 1);
  }
  return path;
}
