import { beforeEach, expect, it } from 'vitest';
import { TensorTable } from '../../../src/formats/checkpoint/tensor-table.ts';
import type { DType } from '../../../src/tensor/dtype.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';

const entry = (dtype: DType, shape: readonly number[], bytes: number) => ({
  tensor: inlineTensor(dtype, shape, new Uint8Array(bytes)),
  file: 'model.safetensors',
});

let table: TensorTable;
beforeEach(() => {
  table = new TensorTable(
    new Map([
      ['model.layers.0.attn.q_proj.weight', entry('bfloat16', [2, 3], 12)],
      ['model.layers.0.attn.k_proj.weight', entry('float32', [2, 3], 24)],
      ['ids', entry('int64', [1], 8)],
      ['scaled', entry('float8e4m3fn', [4], 4)],
    ]),
  );
});

it('gives a weight of the right shape in its stored dtype, and keeps account', () => {
  expect(table.take('model.layers.0.attn.q_proj.weight', [2, 3]).dtype).toBe('bfloat16');
  expect(table.unused()).toEqual(['model.layers.0.attn.k_proj.weight', 'ids', 'scaled']);
  expect(table.has('ids')).toBe(true);
  expect(table.shapeOf('ids')).toEqual([1]);
  expect(table.shapeOf('none')).toBeUndefined();
});

it('refuses another shape, also of the same size or a prefix', () => {
  for (const shape of [[3, 2], [6], [2, 3, 1], [2]]) {
    expect(() => table.take('model.layers.0.attn.q_proj.weight', shape)).toThrow(/VC1222.*\[2, 3\]/s);
  }
  expect(table.unused()).toHaveLength(4);
});

it('refuses integers and floats that need scales', () => {
  expect(() => table.take('ids', [1])).toThrow(/VC1223.*int64/s);
  expect(() => table.take('scaled', [4])).toThrow(/VC1223.*float8e4m3fn/s);
});

it('names the nearest tensors for a missing one', () => {
  expect(() => table.take('model.layers.0.attn.v_proj.weight', [2, 3])).toThrow(
    /VC1221.*nearest: "model.layers.0.attn.q_proj.weight", "model.layers.0.attn.k_proj.weight"\n.*\[2, 3\]/s,
  );
  // The same weight under a prefix that has little in common.
  expect(() => table.take('very.long.language_model.prefix.attn.q_proj.weight', [2, 3])).toThrow(
    'nearest: "model.layers.0.attn.q_proj.weight"\n',
  );
  expect(() => table.take('x', [1])).toThrow('4 tensors, none alike');
});

it('lets optional tensors be absent, but not wrong', () => {
  expect(table.take('bias', [2], { optional: true })).toBeUndefined();
  expect(() => table.take('ids', [2], { optional: true })).toThrow('VC1222');
});
