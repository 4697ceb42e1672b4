import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../src/formats/onnx/open.ts';
import { sizesToTry } from '../../../src/parity/compare/dimensions.ts';
import { drawValue } from '../../../src/parity/compare/draw-value.ts';
import { indexBounds } from '../../../src/parity/compare/index-bounds.ts';
import type { DType } from '../../../src/tensor/dtype.ts';

const [sizes] = sizesToTry;
if (sizes === undefined) throw new Error('there are sizes to try');

const draw = (name: string, dtype: DType, shape: readonly number[], bound?: number, seed = 1) =>
  drawValue({ name, dtype, shape }, shape, { seed, sizes, bound });
const numbers = (...args: Parameters<typeof draw>) => [...draw(...args).data].map(Number);

describe('drawValue', () => {
  it('opens masks, counts positions, and keeps ids inside their table', () => {
    expect(numbers('attention_mask', 'int64', [1, 4])).toEqual([1, 1, 1, 1]);
    expect(numbers('attention_mask', 'float32', [1, 1, 2, 2])).toEqual([1, 1, 1, 1]);
    expect(numbers('attention_bias', 'float32', [2])).toEqual([0, 0]);
    expect(numbers('position_ids', 'int64', [2, 3])).toEqual([4, 5, 6, 4, 5, 6]);
    expect(numbers('token_type_ids', 'int64', [1, 3])).toEqual([0, 0, 0]);
    expect(numbers('tile_grids', 'int64', [3, 2])).toEqual([1, 1, 1, 1, 1, 1]);
    expect(numbers('rope_length', 'int64', [])).toEqual([8]);
    expect(numbers('total_sequence_length', 'int32', [1])).toEqual([12]);
    expect(numbers('seqlens_k', 'int32', [1])).toEqual([11]);
    expect(numbers('use_cache_branch', 'bool', [1])).toEqual([1]);
    const ids = numbers('input_ids', 'int64', [1, 2000], 37);
    expect(Math.min(...ids)).toBe(0);
    expect(Math.max(...ids)).toBe(36);
    expect(new Set(numbers('input_ids', 'int64', [1, 100]))).toEqual(new Set([0, 1]));
  });

  it('closes the end of the first sequence where padding is asked for', () => {
    const padded = (name: string, dtype: DType, shape: readonly number[]) =>
      [
        ...drawValue({ name, dtype, shape }, shape, { seed: 1, sizes, bound: undefined, padded: true }).data,
      ].map(Number);
    expect(padded('attention_mask', 'int64', [2, 5])).toEqual([1, 1, 1, 1, 0, 1, 1, 1, 1, 1]);
    expect(padded('mask', 'bool', [1, 1, 2, 4])).toEqual([1, 1, 1, 0, 1, 1, 1, 0]);
    expect(padded('mask', 'float32', [2, 4, 1])).toEqual([1, 1, 1, 0, 1, 1, 1, 1]);
    // Nothing is left to see where a sequence is closed whole.
    expect(padded('attention_mask', 'int64', [1, 3])).toEqual([1, 1, 1]);
    expect(padded('position_ids', 'int64', [1, 2])).toEqual([4, 5]);
  });

  it('draws activations of mean 0 and deviation 1, and pictures as a tower sees them', () => {
    const hidden = numbers('inputs_embeds', 'float16', [1, 100, 64]);
    const mean = hidden.reduce((sum, value) => sum + value, 0) / hidden.length;
    const variance = hidden.reduce((sum, value) => sum + (value - mean) ** 2, 0) / hidden.length;
    expect(mean).toBeCloseTo(0, 1);
    expect(variance).toBeCloseTo(1, 1);
    const pixels = draw('pixel_values', 'float32', [2, 3, 32, 48]);
    const [red = 0] = pixels.data as Float32Array;
    // A level of 8 bits, normalised: whole after the way back.
    const level = (red * 0.26862954 + 0.48145466) * 255;
    expect(Math.abs(level - Math.round(level))).toBeLessThan(1e-3);
    const half = pixels.data.length / 2;
    expect(pixels.data.slice(0, half)).not.toEqual(pixels.data.slice(half));
  });

  it('repeats itself by seed and name, and nothing else', () => {
    const one = numbers('x', 'float32', [16]);
    expect(numbers('x', 'float32', [16])).toEqual(one);
    expect(numbers('y', 'float32', [16])).not.toEqual(one);
    expect(numbers('x', 'float32', [16], undefined, 2)).not.toEqual(one);
  });

  it('refuses what it cannot draw', () => {
    expect(() => draw('text', 'string', [1])).toThrow(/VC6108/);
    expect(() => draw('x', 'bfloat16', [1])).toThrow(/VC6108/);
  });
});

describe('indexBounds', () => {
  const boundsOf = async (name: string) => {
    const path = join(import.meta.dirname, '../../../fixtures/onnx-import', name, 'model.onnx');
    const { model, close } = await openModel(path);
    const bounds = Object.fromEntries(indexBounds(model.graph));
    await close();
    return bounds;
  };

  it('finds the length of the table that ids look up', async () => {
    expect(await boundsOf('bert-ts14-eager-mask')).toEqual({ input_ids: 120, token_type_ids: 2 });
    expect(await boundsOf('gpt2-ts14-eager')).toEqual({ input_ids: 160 });
    expect(await boundsOf('resnet-ts14-batch')).toEqual({});
  });
});
