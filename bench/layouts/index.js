/** The checkpoints that can be made, by name. */
import { clipAndSlice, llamaLlava, llamaText } from './llama.js';
import { qwenVl } from './qwen-vl.js';
import { qwen2Vl } from './qwen2-vl.js';

/** Qwen-VL's own sizes; those of the smaller ones keep its head sizes, vocabulary and layout. */
const released = { hidden: 4096, layers: 32, mlp: 11008, width: 1664, blocks: 48, adapters: 0 };

/** @type {Readonly<Record<string, () => import('./entries.js').Layout>>} */
const layouts = {
  '0.2b': () => qwenVl({ hidden: 512, layers: 8, mlp: 1376, width: 416, blocks: 8, adapters: 0 }),
  '2b': () => qwenVl({ hidden: 2048, layers: 22, mlp: 5504, width: 832, blocks: 24, adapters: 0 }),
  '7b': () => qwenVl(released),
  monkey: () => qwenVl({ ...released, adapters: 4 }),
  /** Two layers and two blocks of its widths: what a check takes of memory, without the wait. */
  'monkey-2': () => qwenVl({ ...released, layers: 2, blocks: 2, adapters: 4 }),
  llama: llamaText,
  llava: llamaLlava,
  'clip-l-7b-slice': clipAndSlice,
  'qwen2-vl': qwen2Vl,
};

/** @param {string} size */
export function layoutOf(size) {
  const layout = layouts[size];
  if (layout === undefined) throw new Error(`${size} is none of ${Object.keys(layouts).join(', ')}`);
  return layout();
}
