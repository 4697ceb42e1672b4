/** A table with the rows that are looked up alone gives what the whole table gives. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { inferNode } from '../../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../../src/graph/model.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { withUsedRows } from '../../../src/parity/stream/used-rows.ts';
import { int64Value, toFloat32 } from '../../../src/runtime/values.ts';
import { cast } from '../../../src/tensor/derived/cast.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { placeInMemory } from '../../support/streamed-check.ts';

const [rows, width] = [500, 8];

function embed(finish: (b: GraphBuilder, ids: Value, table: Value, found: Value) => Value): Model {
  const b = new GraphBuilder('embed', inferNode);
  const ids = b.input('input_ids', tensorType('int64', ['batch_size', 'sequence_length']));
  const halves = Uint16Array.from({ length: rows * width }, (_, i) => 0x3c00 + (i % 1024));
  const own = inlineTensor('float16', [rows, width], new Uint8Array(halves.buffer));
  const table = b.weight('table', cast(own, 'float32'));
  b.output('inputs_embeds', finish(b, ids, table, b.op('Gather', [table, ids])));
  return createModel(b.graph, 20);
}

const plain = (): Model => embed((_b, _ids, _table, found) => found);

async function run(model: Model, ids: readonly number[]): Promise<readonly number[]> {
  const placed = await placeInMemory(new Map([['reference', model]]));
  const session = await placed.open('reference', 'cpu', false);
  const outputs = await session.run(new Map([['input_ids', int64Value([1, ids.length], ids)]]));
  await session.release();
  const value = outputs.get('inputs_embeds');
  return value === undefined ? [] : [...toFloat32(value)];
}

describe('used rows', () => {
  it('give the same, from a table of so many rows', async () => {
    const ids = [499, 3, 4, 5, 17, 3, 0, 499];
    const small = withUsedRows(plain(), 'input_ids', new Set(ids));
    expect(small.graph.value('table')?.initializer?.shape).toEqual([6, width]);
    const found = await run(small, ids);
    expect(found).toEqual(await run(plain(), ids));
    expect(new Set(found).size).toBeGreaterThan(5 * width);
  });

  it('are not chosen where that gains little, or the table is read otherwise too', () => {
    const many = new Set(Array.from({ length: rows / 4 }, (_, id) => id));
    const model = plain();
    expect(withUsedRows(model, 'input_ids', many)).toBe(model);
    expect(withUsedRows(model, 'other_ids', new Set([1]))).toBe(model);
    const tied = embed((b, _ids, table, found) => b.op('MatMul', [found, b.op('Transpose', [table])]));
    expect(withUsedRows(tied, 'input_ids', new Set([1]))).toBe(tied);
  });
});
