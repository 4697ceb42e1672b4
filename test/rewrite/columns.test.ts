/** Columns followed back through operators that move them: what the runtime computes has to agree, number by number. */
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { ColumnIdentity } from '../../src/rewrite/column-identity.ts';
import { type Element, lastAxis, originOf } from '../../src/rewrite/columns.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { buildModel, randomInput, randomWeight, runModel } from '../support/run-model.ts';

const rows = 6;
const width = 8;

/** Each makes [2, 3, n] of x [2, 3, 8]. */
const moves: Readonly<Record<string, (b: GraphBuilder, x: Value) => Value>> = {
  slice: (b, x) => b.op('Slice', [x, b.int64([2]), b.int64([2 ** 40]), b.int64([-1]), b.int64([3])]),
  'slice from the end': (b, x) => b.op('Slice', [x, b.int64([-3]), b.int64([8]), b.int64([2])]),
  split: (b, x) => b.ops('Split', [x, b.int64([3, 4, 1])], 3, { attributes: { axis: -1 } })[1] as Value,
  concat: (b, x) => {
    const [first, second] = b.ops('Split', [x, b.int64([5, 3])], 2, { attributes: { axis: 2 } });
    return b.op('Concat', [second as Value, x, first as Value], { attributes: { axis: -1 } });
  },
  gather: (b, x) => b.op('Gather', [x, b.int64([7, 0, -2, 0])], { attributes: { axis: -1 } }),
  'pairs apart and together': (b, x) => {
    const pairs = b.op('Reshape', [x, b.int64([0, 0, 4, 2])]);
    const [a, c] = [1, 0].map((index) =>
      b.op('Gather', [pairs, b.int64([index], [])], { attributes: { axis: 3 } }),
    );
    const stacked = [a, c].map((part) => b.op('Unsqueeze', [part as Value, b.int64([-1])]));
    return b.op('Reshape', [b.op('Concat', stacked, { attributes: { axis: -1 } }), b.int64([2, 3, 8])]);
  },
  'halves to pairs': (b, x) => {
    const halves = b.op('Reshape', [x, b.int64([2, 3, 2, 4])]);
    const turned = b.op('Transpose', [halves], { attributes: { perm: [0, 1, 3, 2] } });
    return b.op('Reshape', [turned, b.int64([0, 0, -1])]);
  },
  'three axes in a circle': (b, x) => {
    const cube = b.op('Reshape', [x, b.int64([2, 3, 2, 2, 2])]);
    const turned = b.op('Transpose', [cube], { attributes: { perm: [0, 1, 3, 4, 2] } });
    return b.op('Reshape', [turned, b.int64([0, 0, -1])]);
  },
  'each twice': (b, x) => {
    const twice = b.op('Expand', [b.op('Unsqueeze', [x, b.int64([3])]), b.int64([2, 3, 8, 2])]);
    return b.op('Reshape', [twice, b.int64([2, 3, 16])]);
  },
  tile: (b, x) => b.op('Tile', [x, b.int64([1, 1, 2])]),
  'a row axis between': (b, x) => {
    const swapped = b.op('Transpose', [b.op('Unsqueeze', [x, b.int64([0])])], {
      attributes: { perm: [1, 2, 0, 3] },
    });
    return b.op('Squeeze', [swapped, b.int64([2])]);
  },
};

/** The column of `x` that an element holds, by steps that leave rows alone. */
function behind(element: Element | undefined, x: Value): number | undefined {
  if (element === undefined || element.value === x) return element?.column;
  const origin = originOf(element);
  return origin.kind === 'same' || origin.kind === 'rows' ? behind(origin.of, x) : undefined;
}

describe('a column comes from the column that the runtime takes', () => {
  it.each(Object.keys(moves))('%s', async (name) => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [2, 3, width]));
      b.output('y', moves[name]?.(b, x) as Value);
    });
    const [x, y] = [model.graph.inputs[0], model.graph.outputs[0]] as [Value, Value];
    const input = randomInput([2, 3, width], 3);
    const output = (await runModel(model, { x: input })).get('y');
    const columns = output?.shape[2] ?? 0;
    expect(columns).toBeGreaterThan(0);
    for (let column = 0; column < columns; column += 1) {
      const from = behind(lastAxis(y, column), x) ?? Number.NaN;
      for (let row = 0; row < rows; row += 1) {
        expect(output?.data[row * columns + column]).toBe(input.data[row * width + from]);
      }
    }
  });

  it('rows of unknown sizes stay rows where nothing touches their axes', () => {
    const kinds = (move: (b: GraphBuilder, x: Value) => Value, columns = width): string => {
      let found = '';
      buildModel((b) => {
        const x = b.input('x', tensorType('float32', [null, 3, null, columns]));
        const y = move(b, x);
        b.output('y', y);
        for (let element = lastAxis(y, columns - 1); element !== undefined && element.value !== x; ) {
          const origin = originOf(element);
          found += `${origin.kind} `;
          element = origin.kind === 'same' || origin.kind === 'rows' ? origin.of : undefined;
        }
      });
      return found.trim();
    };
    const reshape =
      (...shape: number[]) =>
      (b: GraphBuilder, x: Value): Value =>
        b.op('Reshape', [x, b.int64(shape)]);
    expect(kinds((b, x) => reshape(0, 3, 0, width)(b, reshape(0, 3, 0, 4, 2)(b, x)))).toBe('same same');
    expect(kinds((b, x) => b.op('Squeeze', [b.op('Unsqueeze', [x, b.int64([-1])]), b.int64([4])]))).toBe(
      'same same',
    );
    expect(kinds(reshape(0, -1, 3, width))).toBe('rows');
    // The only column is no sign: the axis in front moves the others.
    expect(kinds((b, x) => b.op('Unsqueeze', [x, b.int64([0])]), 1)).toBe('rows');
  });

  it('a step that depends on numbers only the runtime knows ends the way', () => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [2, 3, width]));
      const at = b.input('at', tensorType('int64', [1]));
      b.output('y', b.op('Slice', [x, at, b.int64([8]), b.int64([2])]));
      b.output('z', b.op('Gather', [x, at], { attributes: { axis: 2 } }));
    });
    for (const output of model.graph.outputs) {
      expect(behind(lastAxis(output, 0), model.graph.inputs[0] as Value)).toBeUndefined();
    }
  });
});

describe('columns with the same key', () => {
  const keys = (make: (b: GraphBuilder, f: Value) => Value, identity = new ColumnIdentity()): number[] => {
    const model = buildModel((b) => {
      b.output('y', make(b, b.input('f', tensorType('float32', ['slots', 4]))));
    });
    const y = model.graph.outputs[0] as Value;
    const count = y.type?.kind === 'tensor' ? Number(y.type.shape?.at(-1)) : 0;
    return Array.from({ length: count }, (_, column) => identity.keyOf(lastAxis(y, column) as Element));
  };
  const same = (numbers: readonly number[]): number[] => numbers.map((key) => numbers.indexOf(key));

  it('are those computed alike from the same columns', () => {
    const twice = (b: GraphBuilder, f: Value): Value => b.op('Concat', [f, f], { attributes: { axis: -1 } });
    expect(same(keys((b, f) => b.op('Cos', [twice(b, f)])))).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    const mixed = (b: GraphBuilder, f: Value): Value =>
      b.op('Concat', [b.op('Cos', [f]), b.op('Sin', [f]), b.op('Cos', [f])], { attributes: { axis: -1 } });
    expect(same(keys(mixed))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]);
  });

  it('are not those of rows that moved otherwise', () => {
    const chosen =
      (index: number) =>
      (b: GraphBuilder, f: Value): Value => {
        const halves = [0, index].map((row) =>
          b.op('Gather', [f, b.int64([row])], { attributes: { axis: 0 } }),
        );
        return b.op('Concat', halves, { attributes: { axis: -1 } });
      };
    expect(same(keys(chosen(0)))).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    const parts = (b: GraphBuilder, f: Value): Value => {
      const pair = b.ops('Split', [b.op('Concat', [f, f], { attributes: { axis: 0 } })], 2, {
        attributes: { axis: 0, num_outputs: 2 },
      });
      return b.op('Concat', pair, { attributes: { axis: -1 } });
    };
    expect(same(keys(parts))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(same(keys(chosen(1)))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('are those of constants with the same numbers', () => {
    const table = new Float32Array([1, 2, 1, 3, 5, 6, 5, 6]);
    const inline = inlineTensor('float32', [2, 4], new Uint8Array(table.buffer));
    expect(same(keys((b) => b.op('Sin', [b.weight('t', inline)])))).toEqual([0, 1, 0, 3]);
  });

  it('ask for the bytes of constants that are not in memory', () => {
    const tensor = randomWeight('t', [2, 4], 1);
    const identity = new ColumnIdentity();
    expect(same(keys((b) => b.op('Sin', [b.weight('t', tensor)]), identity))).toEqual([0, 1, 2, 3]);
    expect([...identity.wanted]).toEqual([tensor]);
    const bytes = new Uint8Array(new Float32Array([1, 1, 2, 2, 3, 3, 4, 5]).buffer);
    const informed = new ColumnIdentity(new Map([[tensor, bytes]]));
    expect(same(keys((b) => b.op('Sin', [b.weight('t', tensor)]), informed))).toEqual([0, 0, 2, 3]);
  });
});
