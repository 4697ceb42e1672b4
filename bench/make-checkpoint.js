/**
 * Makes a checkpoint with random weights in the layout of a release, to measure on:
 *
 *   node bench/make-checkpoint.js <folder> [--size 0.2b|2b|7b|monkey|llama|llava|qwen2-vl] [--seed 1]
 *
 * 7b is Qwen-VL (9.6 billion parameters), monkey is Monkey (9.8 billion, 19.6 GB), 2b (the default) and 0.2b are
 * smaller Qwen-VL ones; llama is a text-only Llama-3.2-1B, llava the same decoder behind a small CLIP tower;
 * qwen2-vl is Qwen2-VL-2B, for converters that do not take Qwen-VL.
 */
import { parseArgs } from 'node:util';
import { parameters } from './layouts/entries.js';
import { layoutOf } from './layouts/index.js';
import { writeCheckpoint } from './lib/random-checkpoint.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { size: { type: 'string', default: '2b' }, seed: { type: 'string', default: '1' } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('usage: make-checkpoint.js <folder> [--size 2b] [--seed 1]');
const layout = layoutOf(values.size);
writeCheckpoint(folder, layout, Number(values.seed));
const { tensors } = layout;
console.log(
  `${folder}: ${tensors.length} tensors, ${(parameters(tensors) / 1e9).toFixed(3)} billion parameters`,
);
