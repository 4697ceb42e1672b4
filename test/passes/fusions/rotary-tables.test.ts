/** Columns taken of tables: the numbers that the whole table has there, whatever makes it. */
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import { inferNode } from '../../../src/graph/infer/infer.ts';
import type { Model } from '../../../src/graph/model.ts';
import type { Node } from '../../../src/graph/node.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { ColumnTables } from '../../../src/passes/fusions/rotary-tables.ts';
import { removeDeadCode } from '../../../src/rewrite/dead-code.ts';
import { Rewriter } from '../../../src/rewrite/rewriter.ts';
import { buildModel, randomInput, randomWeight, runModel } from '../../support/run-model.ts';

const slots = 3;
const join = (b: GraphBuilder, ...parts: Value[]): Value =>
  b.op('Concat', parts, { attributes: { axis: -1 } });

/** Tables [3, 8] of f [3, 4], and whether the whole table is needed to have its first 4 columns. */
const tables: Readonly<
  Record<string, readonly [make: (b: GraphBuilder, f: Value) => Value, whole: boolean]>
> = {
  'joined angles': [(b, f) => b.op('Cos', [join(b, f, f)]), false],
  'joined cosines': [(b, f) => join(b, b.op('Cos', [f]), b.op('Sin', [f])), false],
  'other columns first': [
    (b, f) => join(b, b.op('Gather', [f, b.int64([1, 0, 3, 2])], { attributes: { axis: 1 } }), f),
    false,
  ],
  'columns in another order': [
    (b, f) => b.op('Gather', [f, b.int64([1, 0, 3, 2, 0, 1, 2, 3])], { attributes: { axis: 1 } }),
    true,
  ],
  'a constant': [
    (b, f) => b.op('Add', [b.weight('w', randomWeight('w', [slots, 8], 2)), b.op('ReduceSum', [f])]),
    false,
  ],
  'a constant, looked up': [
    (b) => b.op('Gather', [b.weight('w', randomWeight('w', [5, 8], 2)), b.int64([4, 0, 2])]),
    false,
  ],
  'a wide constant times a column': [
    (b, f) =>
      b.op('Sin', [
        b.op('Mul', [
          b.op('Slice', [f, b.int64([0]), b.int64([1]), b.int64([1])]),
          b.weight('w', randomWeight('w', [8], 3)),
        ]),
      ]),
    false,
  ],
  'row axes that come and go': [
    (b, f) => {
      const wide = b.op('Unsqueeze', [join(b, f, f), b.int64([0])]);
      const swapped = b.op('Transpose', [wide], { attributes: { perm: [1, 0, 2] } });
      return b.op('Squeeze', [swapped, b.int64([1])]);
    },
    false,
  ],
};

function take(make: (b: GraphBuilder, f: Value) => Value, start: number, step: number, count: number): Model {
  const model = buildModel((b) => {
    b.output('whole', b.op('Identity', [make(b, b.input('f', tensorType('float32', [slots, 4])))]));
  });
  const end = model.graph.outputs[0]?.producer as Node;
  const rewriter = new Rewriter(end, [end], inferNode);
  const value = end.input(0) as Value;
  const part = new ColumnTables().take(rewriter, { value, start, step, count });
  model.graph.setOutputs([...model.graph.outputs, rewriter.op('Identity', [part])]);
  return model;
}

describe.each(Object.entries(tables))('%s', (_, [make, needed]) => {
  it.each([
    [0, 1, 4],
    [4, 1, 4],
    [0, 2, 4],
    [1, 3, 2],
  ])('from %i in steps of %i: %i columns', async (start, step, count) => {
    const model = take(make, start, step, count);
    const [whole, part] = [...(await runModel(model, { f: randomInput([slots, 4], 1) })).values()];
    expect(part?.shape).toEqual([slots, count]);
    const wanted = Array.from({ length: slots * count }, (_, at) => {
      const row = Math.floor(at / count);
      return whole?.data[row * 8 + start + (at % count) * step];
    });
    expect(part?.data).toEqual(Float32Array.from(wanted, Number));
  });

  it('is cut where it has to be only', () => {
    const model = take(make, 0, 1, 4);
    model.graph.setOutputs(model.graph.outputs.slice(1));
    removeDeadCode(model.graph);
    const wide = [...model.graph.nodes()].filter(
      ({ output: { type } }) => type?.kind === 'tensor' && type.shape?.at(-1) === 8,
    );
    expect(wide.length > 0).toBe(needed);
  });
});
