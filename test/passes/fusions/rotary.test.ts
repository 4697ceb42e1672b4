/** Rotary embeddings in the spellings of exporters and models: one operator each, with the numbers of the plain graph. */
import { describe, expect, it } from 'vitest';
import { rotaryTables, rotate, sectionedRotaryTables } from '../../../src/architectures/blocks/rotary.ts';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import { inferModel } from '../../../src/graph/infer/infer.ts';
import type { Model } from '../../../src/graph/model.ts';
import { printModel } from '../../../src/graph/print.ts';
import { type Dim, tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { census } from '../../../src/passes/census.ts';
import { int64Value } from '../../../src/runtime/values.ts';
import { findTarget, targets } from '../../../src/targets/registry.ts';
import { memorySource } from '../../../src/tensor/byte-source.ts';
import { inlineTensor, sourceTensor } from '../../../src/tensor/tensor.ts';
import { buildModel, randomInput } from '../../support/run-model.ts';
import { countOps, difference, type Feeds, runPasses } from '../run-pass.ts';

const [heads, headDim, half] = [3, 8, 4];
const width = heads * headDim;
const fused = 'com.microsoft::RotaryEmbedding';
const frequencies = [1, 0.3, 0.1, 0.03];

const cut = (b: GraphBuilder, x: Value, begin: number, end: number, step = 1): Value =>
  b.op('Slice', [x, b.int64([begin]), b.int64([end]), b.int64([-1]), b.int64([step])]);
const join = (b: GraphBuilder, ...parts: Value[]): Value =>
  b.op('Concat', parts, { attributes: { axis: -1 } });
const split = (b: GraphBuilder, x: Value, sizes: readonly number[]): Value[] =>
  b.ops('Split', [x, b.int64(sizes)], sizes.length, { attributes: { axis: -1 } });
const sum = (b: GraphBuilder, x: Value, cos: Value, rotated: Value, sin: Value): Value =>
  b.op('Add', [b.op('Mul', [x, cos]), b.op('Mul', [rotated, sin])]);

interface Tables {
  readonly cos: Value;
  readonly sin: Value;
}

/** positions [S] or [N, S] → cos and sin of `widen`ed angles [1 or N, S, n]. */
function tables(b: GraphBuilder, perRow: boolean, widen = (angles: Value): Value => angles): Tables {
  const positions = b.input('positions', tensorType('int64', perRow ? ['batch', 'slots'] : ['slots']));
  const slots = b.op('Cast', [b.op('Unsqueeze', [positions, b.int64(perRow ? [2] : [0, 2])])], {
    attributes: { to: 1 },
  });
  const angles = widen(b.op('Mul', [slots, b.float32(frequencies)]));
  return { cos: b.op('Cos', [angles]), sin: b.op('Sin', [angles]) };
}

const doubled =
  (b: GraphBuilder) =>
  (angles: Value): Value =>
    join(b, angles, angles);

/** [N, S, h · d] → [N, h, S, d] */
function splitHeads(b: GraphBuilder, x: Value): Value {
  const parted = b.op('Reshape', [x, b.int64([0, 0, heads, headDim])]);
  return b.op('Transpose', [parted], { attributes: { perm: [0, 2, 1, 3] } });
}

const overHeads = (b: GraphBuilder, { cos, sin }: Tables): Tables => ({
  cos: b.op('Unsqueeze', [cos, b.int64([1])]),
  sin: b.op('Unsqueeze', [sin, b.int64([1])]),
});

function rotateHalf(b: GraphBuilder, x: Value, channels = headDim): Value {
  return join(b, b.op('Neg', [cut(b, x, channels / 2, 2 ** 40)]), cut(b, x, 0, channels / 2));
}

const joined = (b: GraphBuilder): Value => b.input('x', tensorType('float32', ['batch', 'slots', width]));
const feeds = (perRow: boolean): Feeds => ({
  x: randomInput([2, 5, width], 1),
  positions: perRow ? int64Value([2, 5], [3, 4, 5, 6, 7, 0, 0, 1, 2, 3]) : int64Value([5], [2, 3, 4, 5, 6]),
});

interface Spelling {
  readonly make: (b: GraphBuilder) => Value;
  readonly feeds: Feeds;
  readonly attributes?: Readonly<Record<string, number>>;
}

const spellings: Readonly<Record<string, Spelling>> = {
  'rotate_half by Slice, one table for all rows': {
    make: (b) => {
      const x = splitHeads(b, joined(b));
      const { cos, sin } = overHeads(b, tables(b, false, doubled(b)));
      return sum(b, x, cos, rotateHalf(b, x), sin);
    },
    feeds: feeds(false),
  },
  'rotate_half by Split, factors first, a table per row': {
    make: (b) => {
      const x = splitHeads(b, joined(b));
      const { cos, sin } = overHeads(b, tables(b, true, doubled(b)));
      const [first, second] = split(b, x, [half, half]) as [Value, Value];
      const rotated = join(b, b.op('Neg', [second]), first);
      return b.op('Add', [b.op('Mul', [sin, rotated]), b.op('Mul', [cos, x])]);
    },
    feeds: feeds(true),
  },
  'tables joined after cos and sin, scaled': {
    make: (b) => {
      const x = splitHeads(b, joined(b));
      const plain = tables(b, true);
      const scaled = [plain.cos, plain.sin].map((table) =>
        b.op('Mul', [join(b, table, table), b.scalar(1.1)]),
      );
      const { cos, sin } = overHeads(b, { cos: scaled[0] as Value, sin: scaled[1] as Value });
      return sum(b, x, cos, rotateHalf(b, x), sin);
    },
    feeds: feeds(true),
  },
  'halves turned and joined, [N, S, h, d]': {
    make: (b) => {
      const x = b.op('Reshape', [joined(b), b.int64([0, 0, heads, headDim])]);
      const positions = b.input('positions', tensorType('int64', ['slots']));
      return rotate(b, x, rotaryTables(b, positions, b.float32(frequencies)), {
        rotaryDim: headDim,
        headDim,
      });
    },
    feeds: feeds(false),
  },
  'partial, by rotate_half': {
    make: (b) => {
      const x = splitHeads(b, joined(b));
      const narrow = tables(b, true, (angles) => join(b, cut(b, angles, 0, 2), cut(b, angles, 0, 2)));
      const { cos, sin } = overHeads(b, narrow);
      const [turning, passing] = [cut(b, x, 0, half), cut(b, x, half, 2 ** 40)];
      return join(b, sum(b, turning, cos, rotateHalf(b, turning, half), sin), passing);
    },
    feeds: feeds(true),
    attributes: { rotary_embedding_dim: half },
  },
  'partial, by joined halves': {
    make: (b) => {
      const x = b.op('Reshape', [joined(b), b.int64([0, 0, heads, headDim])]);
      const positions = b.input('positions', tensorType('int64', ['slots']));
      const plain = rotaryTables(b, positions, b.float32(frequencies.slice(0, 2)));
      return rotate(b, x, plain, { rotaryDim: half, headDim });
    },
    feeds: feeds(false),
    attributes: { rotary_embedding_dim: half },
  },
  'interleaved by slices of step 2': {
    make: (b) => {
      const x = splitHeads(b, joined(b));
      const repeat = (angles: Value): Value => {
        const twice = b.op('Expand', [b.op('Unsqueeze', [angles, b.int64([-1])]), b.int64([1, 1, 1, 2])]);
        return b.op('Reshape', [twice, b.int64([0, 0, headDim])]);
      };
      const { cos, sin } = overHeads(b, tables(b, false, repeat));
      const pair = [b.op('Neg', [cut(b, x, 1, 2 ** 40, 2)]), cut(b, x, 0, 2 ** 40, 2)];
      const stacked = join(b, ...pair.map((part) => b.op('Unsqueeze', [part, b.int64([-1])])));
      const rotated = b.op('Reshape', [stacked, b.int64([0, heads, 0, headDim])]);
      return sum(b, x, cos, rotated, sin);
    },
    feeds: feeds(false),
    attributes: { interleaved: 1 },
  },
  'interleaved by pairs': {
    make: (b) => {
      const x = b.op('Reshape', [joined(b), b.int64([0, 0, heads, headDim])]);
      const pairs = b.op('Reshape', [x, b.int64([0, 0, heads, half, 2])]);
      const [even, odd] = [0, 1].map((at) =>
        b.op('Gather', [pairs, b.int64([at], [])], { attributes: { axis: -1 } }),
      ) as [Value, Value];
      const plain = tables(b, true);
      const [cos, sin] = [plain.cos, plain.sin].map((table) => b.op('Unsqueeze', [table, b.int64([2])])) as [
        Value,
        Value,
      ];
      const turned = [
        b.op('Sub', [b.op('Mul', [even, cos]), b.op('Mul', [odd, sin])]),
        b.op('Add', [b.op('Mul', [even, sin]), b.op('Mul', [odd, cos])]),
      ];
      const stacked = join(b, ...turned.map((part) => b.op('Unsqueeze', [part, b.int64([-1])])));
      return b.op('Reshape', [stacked, b.int64([0, 0, heads, headDim])]);
    },
    feeds: feeds(true),
    attributes: { interleaved: 1 },
  },
  'sections of three positions per slot (M-RoPE)': {
    make: (b) => {
      const x = splitHeads(b, joined(b));
      const positions = b.input('positions', tensorType('int64', [3, 'batch', 'slots']));
      const slots = b.op('Cast', [b.op('Unsqueeze', [positions, b.int64([3])])], { attributes: { to: 1 } });
      const angles = b.op('Mul', [slots, b.float32(frequencies)]);
      const wide = join(b, angles, angles);
      const chosen = ['Cos', 'Sin'].map((turn) => {
        const parts = split(b, b.op(turn, [wide]), [2, 1, 1, 2, 1, 1]);
        const own = parts.map((part, index) =>
          b.op('Gather', [part, b.int64([index % 3], [])], { attributes: { axis: 0 } }),
        );
        return b.op('Unsqueeze', [join(b, ...own), b.int64([1])]);
      });
      return sum(b, x, chosen[0] as Value, rotateHalf(b, x), chosen[1] as Value);
    },
    feeds: {
      x: randomInput([2, 5, width], 1),
      positions: int64Value(
        [3, 2, 5],
        Array.from({ length: 30 }, (_, at) => (at * 7) % 11),
      ),
    },
  },
  'sections as the architectures spell them': {
    make: (b) => {
      const x = b.op('Reshape', [joined(b), b.int64([0, 0, heads, headDim])]);
      const positions = b.input('positions', tensorType('int64', [3, 'batch', 'slots']));
      const own = sectionedRotaryTables(b, positions, Float32Array.from(frequencies), [1, 2, 1]);
      return rotate(b, x, own, { rotaryDim: headDim, headDim });
    },
    feeds: {
      x: randomInput([2, 5, width], 1),
      positions: int64Value(
        [3, 2, 5],
        Array.from({ length: 30 }, (_, at) => (at * 5) % 13),
      ),
    },
  },
  'rows and columns of patches, [S, h, d] (a vision tower)': {
    make: (b) => {
      const x = b.op('Reshape', [
        b.input('x', tensorType('float32', ['slots', width])),
        b.int64([-1, heads, headDim]),
      ]);
      const positions = b.input('positions', tensorType('int64', ['slots', 2]));
      const places = b.op('Cast', [b.op('Unsqueeze', [positions, b.int64([2])])], { attributes: { to: 1 } });
      const angles = b.op('Mul', [places, b.float32(frequencies.slice(0, 2))]);
      const wide = ['Cos', 'Sin'].map((turn) => {
        const both = [0, 1].map((at) =>
          b.op('Gather', [b.op(turn, [angles]), b.int64([at], [])], { attributes: { axis: 1 } }),
        );
        const own = join(b, ...both);
        return b.op('Unsqueeze', [join(b, own, own), b.int64([-2])]);
      });
      return sum(b, x, wide[0] as Value, rotateHalf(b, x), wide[1] as Value);
    },
    feeds: {
      x: randomInput([5, width], 1),
      positions: int64Value([5, 2], [0, 0, 0, 1, 1, 0, 1, 1, 2, 0]),
    },
  },
  'one head, [N, S, d]': {
    make: (b) => {
      const x = b.input('x', tensorType('float32', ['batch', 'slots', headDim]));
      const { cos, sin } = tables(b, true, doubled(b));
      return sum(b, x, cos, rotateHalf(b, x), sin);
    },
    feeds: { ...feeds(true), x: randomInput([2, 5, headDim], 1) },
  },
  'heads that come from no swap, [N, h, S, d]': {
    make: (b) => {
      const x = b.input('x', tensorType('float32', ['batch', heads, 'slots', headDim]));
      const { cos, sin } = overHeads(b, tables(b, true, doubled(b)));
      return sum(b, x, cos, rotateHalf(b, x), sin);
    },
    feeds: { ...feeds(true), x: randomInput([2, heads, 5, headDim], 1) },
  },
};

/** cos and sin of twelve positions [12, d], both halves alike. */
function tableNumbers(turn: (angle: number) => number): Float32Array {
  return Float32Array.from({ length: 12 * headDim }, (_, at) =>
    turn(Math.floor(at / headDim) * (frequencies[at % half] ?? 0)),
  );
}

describe('every spelling becomes one operator', () => {
  it.each(Object.entries(spellings))('%s', async (_, { make, feeds, attributes = {} }) => {
    const build = (): Model => buildModel((b) => b.output('y', make(b)));
    const model = build();
    const { record } = await runPasses(model, 'fuse-rotary');
    expect(record.stats).toEqual({ rotary: 1, batches: 0, spelledOut: 0 });
    const node = [...model.graph.nodes()].find(({ op }) => op === fused);
    const found = Object.fromEntries(
      ['interleaved', 'rotary_embedding_dim'].map((name) => [name, node?.int(name) ?? 0]),
    );
    expect(found).toEqual({ interleaved: 0, rotary_embedding_dim: 0, ...attributes });
    // No plain turning is left, and tables are made at the width that is used.
    expect(countOps(model, 'Neg') + countOps(model, 'Sub')).toBe(0);
    expect(model.graph.outputs[0]?.type).toEqual(build().graph.outputs[0]?.type);
    expect(await difference(model, build(), feeds)).toBeLessThan(1e-5);
  });

  it.each([
    ['in memory', (bytes: Uint8Array) => inlineTensor('float32', [12, headDim], bytes)],
    [
      'in a file',
      (bytes: Uint8Array) =>
        sourceTensor({ dtype: 'float32', shape: [12, headDim] }, memorySource('t', bytes), 0, 't'),
    ],
  ])('tables %s, looked up by position', async (_, tensor) => {
    const build = (second = 1): Model =>
      buildModel((b) => {
        const x = splitHeads(b, joined(b));
        const positions = b.input('positions', tensorType('int64', ['batch', 'slots']));
        const [cos, sin] = [Math.cos, Math.sin].map((turn) => {
          const numbers = tableNumbers(turn).map((value, at) =>
            at % headDim < half ? value : second * value,
          );
          const table = b.weight(turn.name, tensor(new Uint8Array(numbers.buffer)));
          return b.op('Unsqueeze', [b.op('Gather', [table, positions]), b.int64([1])]);
        }) as [Value, Value];
        b.output('y', sum(b, x, cos, rotateHalf(b, x), sin));
      });
    const model = build();
    expect((await runPasses(model, 'fuse-rotary')).record.stats.rotary).toBe(1);
    expect(await difference(model, build(), feeds(true))).toBeLessThan(1e-5);
    const other = build(1.5);
    expect((await runPasses(other, 'fuse-rotary')).record.stats).toEqual({
      rotary: 0,
      batches: 0,
      spelledOut: 1,
    });
  });

  it('becomes the operator and its tables', async () => {
    const { make } = spellings['rotate_half by Split, factors first, a table per row'] as Spelling;
    const model = buildModel((b) => b.output('y', make(b)));
    await runPasses(model, 'fuse-rotary');
    await expect(printModel(model)).toMatchFileSnapshot('../golden/fuse-rotary.txt');
  });

  it('queries and keys of two layers share their tables', async () => {
    const build = (): Model =>
      buildModel((b) => {
        const { cos, sin } = overHeads(b, tables(b, true, doubled(b)));
        let x = joined(b);
        for (let layer = 0; layer < 2; layer += 1) {
          const parts = [0.5, 2].map((scale) => splitHeads(b, b.op('Mul', [x, b.scalar(scale)])));
          const turned = parts.map((part) => sum(b, part, cos, rotateHalf(b, part), sin));
          const swapped = b.op('Transpose', [b.op('Add', turned)], { attributes: { perm: [0, 2, 1, 3] } });
          x = b.op('Reshape', [swapped, b.int64([0, 0, width])]);
        }
        b.output('y', x);
      });
    const model = build();
    await runPasses(model, 'fuse-rotary');
    expect(['Cos', 'Sin', 'Range'].map((op) => countOps(model, op))).toEqual([1, 1, 1]);
    expect(countOps(model, fused)).toBe(4);
    expect(await difference(model, build(), feeds(true))).toBeLessThan(1e-5);
    const { metadata } = [...model.graph.nodes()].find(({ op }) => op === fused) ?? {};
    expect(metadata?.get('vlm-convert.from')?.split(' ')).toContain('Neg');
  });
});

describe('what stays spelled out says what it means, and why', () => {
  const left = async (make: (b: GraphBuilder) => Value): Promise<readonly string[]> => {
    const model = buildModel((b) => b.output('y', make(b)));
    const { record } = await runPasses(model, 'fuse-rotary');
    expect(record.stats).toEqual({ rotary: 0, batches: 0, spelledOut: 1 });
    expect(census(model).get('rotary')).toEqual({ found: 1, operators: new Map() });
    expect((await runPasses(model, 'fuse-rotary')).record.changed).toBe(false);
    return record.notes;
  };

  it('tables whose halves differ', async () => {
    const notes = await left((b) => {
      const x = splitHeads(b, joined(b));
      const wide = (angles: Value): Value => join(b, angles, b.op('Mul', [angles, b.scalar(2)]));
      const { cos, sin } = overHeads(b, tables(b, true, wide));
      return sum(b, x, cos, rotateHalf(b, x), sin);
    });
    expect(notes).toEqual([
      'rotary embedding at 1 places, first Add, is not fused: its tables are not proven to repeat their columns',
    ]);
  });

  /** Every input but x with symbols of its own, as exporters name them that do not know what is the same. */
  function unrelated(make: (b: GraphBuilder) => Value): Model {
    const model = buildModel((b) => b.output('y', make(b)));
    const { graph } = model;
    for (const node of graph.nodes()) {
      for (const output of node.outputs) if (output !== null) graph.setType(output, undefined);
    }
    for (const input of graph.inputs.filter(({ name }) => name !== 'x')) {
      if (input.type?.kind !== 'tensor') throw new Error('inputs are tensors');
      const own = input.type.shape?.map((dim) => (typeof dim === 'string' ? `${input.name}_${dim}` : dim));
      graph.setType(input, tensorType(input.type.dtype, own));
    }
    inferModel(model);
    return model;
  }

  it.each(
    Object.entries(spellings).filter(
      ([, { make }]) => buildModel((b) => b.output('y', make(b))).graph.inputs.length > 1,
    ),
  )('positions that may be more than there are rows to turn: %s', async (name, { make, feeds }) => {
    const model = unrelated(make);
    const { record } = await runPasses(model, 'fold,fuse-rotary');
    expect(record.stats).toEqual({ rotary: 0, batches: 0, spelledOut: 1 });
    expect(census(model).get('rotary')).toEqual({ found: 1, operators: new Map() });
    expect(record.notes[0]).toMatch(
      // Passing channels beside them prove that tables have no more rows, but not that they have as many.
      name.startsWith('partial')
        ? /fit no known layout of float32\[batch,/
        : /its tables may have more rows than what they turn/,
    );
    expect(await difference(model, unrelated(make), feeds)).toBeLessThan(1e-6);
  });

  it('not one row that is turned by every position', async () => {
    const make = (b: GraphBuilder): Value => {
      const x = b.input('x', tensorType('float32', [1, heads, 1, headDim]));
      const { cos, sin } = overHeads(b, tables(b, true, doubled(b)));
      return sum(b, x, cos, rotateHalf(b, x), sin);
    };
    const model = buildModel((b) => b.output('y', make(b)));
    expect((await runPasses(model, 'fuse-rotary')).record.changed).toBe(false);
    expect(census(model).get('rotary')?.found).toBe(0);
  });

  it('one angle for all slots, where there may be several', async () => {
    const notes = await left((b) => {
      const x = splitHeads(b, joined(b));
      const angles = b.input('angles', tensorType('float32', [1, 1, 1, half]));
      return sum(
        b,
        x,
        b.op('Cos', [join(b, angles, angles)]),
        rotateHalf(b, x),
        b.op('Sin', [join(b, angles, angles)]),
      );
    });
    expect(notes[0]).toMatch(/tables float32\[1,1,1,8\] fit no known layout of float32\[batch,3,slots,8\]/);
  });

  it('a partial one counts once', async () => {
    await left((b) => {
      const x = splitHeads(b, joined(b));
      const wide = (angles: Value): Value => join(b, cut(b, angles, 0, 2), cut(b, angles, 1, 3));
      const { cos, sin } = overHeads(b, tables(b, true, wide));
      const [turning, passing] = [cut(b, x, 0, half), cut(b, x, half, 2 ** 40)];
      return join(b, sum(b, turning, cos, rotateHalf(b, turning, half), sin), passing);
    });
  });

  it('channels in an order that no operator takes', async () => {
    const reason = /its channels lie in an order that no operator takes/;
    // Pairs become halves, the last channels turn (DeepSeek); passing channels come first.
    const pairs = await left((b) => {
      const x = splitHeads(b, joined(b));
      const { cos, sin } = overHeads(
        b,
        tables(b, true, (angles) => cut(b, angles, 0, 2)),
      );
      const [even, odd] = [half, half + 1].map((start) => cut(b, x, start, 2 ** 40, 2)) as [Value, Value];
      const first = b.op('Sub', [b.op('Mul', [even, cos]), b.op('Mul', [odd, sin])]);
      const second = b.op('Add', [b.op('Mul', [odd, cos]), b.op('Mul', [even, sin])]);
      return join(b, cut(b, x, 0, half), first, second);
    });
    expect(pairs[0]).toMatch(reason);
    const back = await left((b) => {
      const x = splitHeads(b, joined(b));
      const { cos, sin } = overHeads(b, tables(b, true, doubled(b)));
      return b.op('Sub', [b.op('Mul', [x, cos]), b.op('Mul', [rotateHalf(b, x), sin])]);
    });
    expect(back[0]).toMatch(reason);
  });

  it('not a join whose last channels an operator turns', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const x = splitHeads(b, joined(b));
        const { cos, sin } = overHeads(
          b,
          tables(b, true, (angles) => join(b, cut(b, angles, 0, 2), cut(b, angles, 0, 2))),
        );
        const turning = cut(b, x, half, 2 ** 40);
        b.output('y', join(b, cut(b, x, 0, half), sum(b, turning, cos, rotateHalf(b, turning, half), sin)));
      });
    const model = make();
    expect((await runPasses(model, 'fuse-rotary')).record.stats).toEqual({
      rotary: 1,
      batches: 0,
      spelledOut: 0,
    });
    expect(census(model).get('rotary')?.found).toBe(1);
    expect(await difference(model, make(), feeds(true))).toBeLessThan(1e-5);
  });

  it('a target without the operator', async () => {
    const model = buildModel((b) => b.output('y', spellings['one head, [N, S, d]']?.make(b) as Value));
    const bare = { id: 'bare', title: 'Bare', kernels: [], support: {} };
    const { record } = await runPasses(model, 'fuse-rotary', { targets: [...targets, bare] });
    expect(record.stats.spelledOut).toBe(1);
    expect(record.notes[0]).toMatch(/RotaryEmbedding on bare: no kernel/);
    // Each pair is a rotary embedding of two channels; together they are one.
    const pairs = buildModel((b) => b.output('y', spellings['interleaved by pairs']?.make(b) as Value));
    expect((await runPasses(pairs, 'fuse-rotary', { targets: [bare] })).record.stats.spelledOut).toBe(1);
    expect(census(pairs).get('rotary')?.found).toBe(1);
  });

  it('not what only looks like it', async () => {
    const others: readonly ((b: GraphBuilder, x: Value, cos: Value, sin: Value) => Value)[] = [
      // Another x.
      (b, x, cos, sin) => sum(b, b.op('Abs', [x]), cos, rotateHalf(b, x), sin),
      // No sign.
      (b, x, cos, sin) => sum(b, x, cos, join(b, cut(b, x, half, 99), cut(b, x, 0, half)), sin),
      // Thirds of the channels.
      (b, x, cos, sin) => sum(b, x, cos, join(b, b.op('Neg', [cut(b, x, 5, 99)]), cut(b, x, 0, 5)), sin),
    ];
    for (const make of others) {
      const model = buildModel((b) => {
        const x = splitHeads(b, joined(b));
        const { cos, sin } = overHeads(b, tables(b, true, doubled(b)));
        b.output('y', make(b, x, cos, sin));
      });
      const { record } = await runPasses(model, 'fuse-rotary');
      expect(record.changed).toBe(false);
      expect(census(model).get('rotary')?.found).toBe(0);
    }
  });
});

describe('a graph made to take long', () => {
  const repeated = (b: GraphBuilder, times: number, value: Value, op: string): Value => {
    let last = value;
    for (let at = 0; at < times; at += 1) last = b.op(op, op === 'Neg' ? [last] : [last, last]);
    return last;
  };

  it.each([
    ['sums of sums of channels', 'Add', 45, false],
    ['a long chain of channels', 'Neg', 4000, false],
    ['sums of sums of angles', 'Add', 45, true],
    ['a long chain of angles', 'Neg', 4000, true],
  ] as const)('%s', async (_, op, times, angles) => {
    const model = buildModel((b) => {
      const x = splitHeads(b, joined(b));
      const wide = (value: Value): Value => repeated(b, angles ? times : 0, join(b, value, value), op);
      const { cos, sin } = overHeads(b, tables(b, true, wide));
      b.output('y', sum(b, x, cos, repeated(b, angles ? 0 : times, rotateHalf(b, x), op), sin));
    });
    const { record } = await runPasses(model, 'fuse-rotary');
    // A chain of an even number of signs is none, where it is followed to its end.
    expect((record.stats.rotary ?? 0) + (record.stats.spelledOut ?? 0)).toBe(angles ? 1 : 0);
  });
});

describe('the operator of ai.onnx 23', () => {
  const standard = (batch: Dim, make: (b: GraphBuilder) => Value): Model => {
    const model = buildModel((b) => b.output('y', make(b)));
    model.opsetImports.set('', 23);
    expect(model.graph.outputs[0]?.type).toMatchObject({ shape: [batch, heads, 'slots', headDim] });
    return model;
  };

  it('stands where a target has no other, its tables once per row of the batch', async () => {
    const generic = findTarget('generic');
    if (generic === undefined) throw new Error('no target is called generic');
    const { make } = spellings['rotate_half by Slice, one table for all rows'] as Spelling;
    const model = standard('batch', make);
    expect((await runPasses(model, 'fuse-rotary', { targets: [generic] })).record.stats.rotary).toBe(1);
    expect([countOps(model, 'RotaryEmbedding'), countOps(model, 'Expand')]).toEqual([1, 2]);
    expect(await difference(model, standard('batch', make), feeds(false))).toBeLessThan(1e-5);
  });

  it('takes the batch that exporters forget', async () => {
    const make = (b: GraphBuilder): Value => {
      const { cos, sin } = tables(b, false);
      return b.op('RotaryEmbedding', [splitHeads(b, joined(b)), cos, sin]);
    };
    const model = standard('batch', make);
    await expect(difference(model, model, feeds(false))).rejects.toThrow(/cos_cache/);
    const { record } = await runPasses(model, 'fuse-rotary');
    expect(record.stats).toEqual({ rotary: 0, batches: 1, spelledOut: 0 });
    const plain = spellings['rotate_half by Slice, one table for all rows'] as Spelling;
    expect(await difference(model, standard('batch', plain.make), feeds(false))).toBeLessThan(1e-5);
    expect((await runPasses(model, 'fuse-rotary')).record.changed).toBe(false);
  });
});
