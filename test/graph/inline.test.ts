/** Graphs in the place of calls: what they compute there, and what they leave to the graph around them. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { Graph } from '../../src/graph/graph.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { inlineModel } from '../../src/graph/inline.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { problemsOf } from '../../src/graph/verify.ts';
import { float32Value, int64Value, toFloat32 } from '../../src/runtime/values.ts';
import { buildModel, randomWeight, runModel } from '../support/run-model.ts';

const weight = randomWeight('w', [2, 2], 3);

/** y = x · w + c */
const affine = (): Model =>
  buildModel((b) => {
    const x = b.input('x', tensorType('float32', [1, 2]));
    const product = b.op('MatMul', [x, b.weight('w', weight)], { name: 'product' });
    b.output('y', b.op('Add', [product, b.input('c', tensorType('float32', [1, 2]))]));
  });

function made(outputs: ReadonlyMap<string, Value>, name: string): Value {
  const value = outputs.get(name);
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
}

const given = {
  x: float32Value([1, 2], Float32Array.of(1, 2)),
  c: float32Value([1, 2], Float32Array.of(3, 4)),
};

async function once(x: Float32Array): Promise<Float32Array> {
  const found = await runModel(affine(), { ...given, x: float32Value([1, 2], x) });
  return toFloat32(found.get('y') ?? float32Value([0], new Float32Array(0)));
}

describe('inlineModel', () => {
  it('runs a model twice in a row: names are kept where they are free, and what is not given is an input', async () => {
    const b = new GraphBuilder('outer', inferNode);
    const x = b.input('x', tensorType('float32', [1, 2]));
    const first = made(inlineModel(affine(), b.graph, new Map([['x', x]])), 'y');
    expect(b.graph.inputs.map(({ name }) => name)).toEqual(['x', 'c']);
    expect(first.name).toBe('y');
    const c = b.graph.value('c');
    if (c === undefined) throw new Error('no c');
    const again = inlineModel(
      affine(),
      b.graph,
      new Map([
        ['x', first],
        ['c', c],
      ]),
    );
    b.output('twice', made(again, 'y'));
    const model = createModel(b.graph, 20);
    expect(problemsOf(model)).toEqual([]);
    // One tensor, whatever names it has.
    expect(new Set([...b.graph.initializers()].map(({ initializer }) => initializer))).toEqual(
      new Set([weight]),
    );
    const found = await runModel(model, given);
    const expected = await once(await once(Float32Array.of(1, 2)));
    for (const [i, value] of toFloat32(found.get('twice') ?? given.x).entries()) {
      expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 5);
    }
  });

  it('stands in a branch, with its weights in the graph around it', async () => {
    const b = new GraphBuilder('outer', inferNode);
    const which = b.input('which', tensorType('int64', []));
    const [x, c] = ['x', 'c'].map((name) => b.input(name, tensorType('float32', [1, 2])));
    if (x === undefined || c === undefined) throw new Error('no inputs');
    const branch = (name: string, body: (inner: GraphBuilder) => Value): Graph => {
      const inner = new GraphBuilder(new Graph(name, b.graph), inferNode);
      inner.output(`${name}_out`, body(inner));
      return inner.graph;
    };
    const yes = branch('yes', (inner) =>
      made(
        inlineModel(
          affine(),
          inner.graph,
          new Map([
            ['x', x],
            ['c', c],
          ]),
          b.graph,
        ),
        'y',
      ),
    );
    const no = branch('no', (inner) => inner.op('Neg', [x]));
    const chosen = b.op('If', [b.op('Greater', [which, b.int64([0], [])])], {
      attributes: { then_branch: { kind: 'graph', value: yes }, else_branch: { kind: 'graph', value: no } },
    });
    b.output('chosen', chosen);
    const model = createModel(b.graph, 20);
    expect(problemsOf(model)).toEqual([]);
    expect([...yes.initializers()]).toEqual([]);
    const run = async (flag: number): Promise<number[]> => {
      const found = await runModel(model, { ...given, which: int64Value([], [flag]) });
      return Array.from(toFloat32(found.get('chosen') ?? given.x));
    };
    expect(await run(0)).toEqual([-1, -2]);
    const expected = await once(Float32Array.of(1, 2));
    for (const [i, value] of (await run(1)).entries())
      expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 6);
  });

  it('takes no local functions along', () => {
    const model = affine();
    const body = new Graph('f');
    model.functions.push({
      name: 'f',
      domain: 'local',
      overload: '',
      opsetImports: new Map(),
      attributes: [],
      attributeDefaults: new Map(),
      body,
    });
    expect(() => inlineModel(model, new Graph('outer'), new Map())).toThrow(RangeError);
  });
});
