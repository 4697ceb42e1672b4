import { describe, expect, test } from 'vitest';
import { float } from '../../src/graph/attribute.ts';
import { Graph } from '../../src/graph/graph.ts';
import { createModel, type Model, type ModelFunction } from '../../src/graph/model.ts';
import type { Node } from '../../src/graph/node.ts';
import { opSchema } from '../../src/graph/op-schema.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Use } from '../../src/graph/value.ts';
import { problemsOf, verifyModel } from '../../src/graph/verify.ts';

const f32 = (...shape: (number | string)[]) => tensorType('float32', shape);
const codes = (model: Model) => problemsOf(model).map(({ code }) => code);

function modelOf(build: (graph: Graph) => void, opset = 20): Model {
  const graph = new Graph('g');
  build(graph);
  return createModel(graph, opset);
}

/** x -> op -> output. */
function single(spec: Partial<Parameters<Graph['addNode']>[0]> & { op: string }, opset = 20): Model {
  return modelOf((graph) => {
    const x = graph.addInput('x', f32(2, 4));
    graph.setOutputs([graph.addNode({ inputs: [x], ...spec }).output]);
  }, opset);
}

describe('what passes may break', () => {
  test('order', () => {
    const model = modelOf((graph) => {
      const x = graph.addInput('x', f32(2));
      const a = graph.addNode({ op: 'Relu', inputs: [x] });
      const b = graph.addNode({ op: 'Neg', inputs: [a.output] });
      graph.setOutputs([b.output]);
      graph.moveBefore(b, a);
    });
    expect(codes(model)).toEqual(['VC3002']);
    expect(() => verifyModel(model)).toThrow(/node Neg \(Neg\)[\s\S]*Relu_out0, made by Relu/);
  });

  test('use lists, in both directions', () => {
    const lost = single({ op: 'Relu' });
    (lost.graph.value('x')?.uses as Set<Use> | undefined)?.clear();
    expect(codes(lost)).toEqual(['VC3003']);
    const stray = single({ op: 'Relu' });
    const node = [...stray.graph.nodes()][0] as Node;
    (node.output.uses as Set<Use>).add({ node, index: 0 });
    expect(codes(stray)).toEqual(['VC3003']);
    const wrong = single({ op: 'Relu' });
    const uses = wrong.graph.value('x')?.uses as Set<Use>;
    const [use] = uses;
    uses.clear();
    uses.add({ node: use?.node ?? node, index: 1 });
    expect(codes(wrong)).toEqual(['VC3003']);
  });

  test('a name that a body has comes into being around it', () => {
    const model = modelOf((graph) => {
      const c = graph.addInput('c', tensorType('bool', []));
      const x = graph.addInput('x', f32(2));
      const before = graph.addNode({ op: 'Relu', inputs: [x], outputs: [{ name: 'h' }] });
      const branch = () => {
        const body = new Graph('body', graph);
        const node = body.addNode({ op: 'Relu', inputs: [x], outputs: [{ name: 'inner' }] });
        body.setOutputs([node.output]);
        return { kind: 'graph', value: body } as const;
      };
      const attributes = { then_branch: branch(), else_branch: branch() };
      const node = graph.addNode({ op: 'If', inputs: [c], attributes });
      graph.setOutputs([node.output]);
      graph.renameValue(before.output, 'inner');
    });
    expect(codes(model)).toEqual(['VC3001', 'VC3001']);
  });

  test('an internal node that was not lowered', () => {
    expect(codes(single({ op: 'Sdpa', domain: 'vlm-convert' }))).toEqual(['VC3007']);
  });
});

describe('operators', () => {
  test.each([
    ['withdrawn', { op: 'Upsample', attributes: { mode: 'nearest' } }, 20, 'VC3005'],
    ['newer than imported', { op: 'Gelu' }, 19, 'VC3010'],
    ['unknown', { op: 'Geluu' }, 20, 'VC3005'],
    ['too many outputs', { op: 'Relu', outputs: 2 }, 20, 'VC3004'],
    ['a required attribute left out', { op: 'Cast' }, 20, 'VC3006'],
    ['an attribute of another kind', { op: 'Elu', attributes: { alpha: 1 } }, 20, 'VC3006'],
  ] as const)('%s', (_, spec, opset, code) => {
    expect(codes(single(spec, opset))).toEqual([code]);
  });

  test('inputs of an open list are all there, outputs need not be', () => {
    const concat = modelOf((graph) => {
      const x = graph.addInput('x', f32(2));
      const node = graph.addNode({ op: 'Concat', inputs: [null, x], attributes: { axis: 0 } });
      graph.setOutputs([node.output]);
    });
    expect(codes(concat)).toEqual(['VC3004']);
    const split = modelOf((graph) => {
      const x = graph.addInput('x', f32(2));
      const attributes = { num_outputs: 2 };
      const node = graph.addNode({ op: 'Split', inputs: [x], outputs: [null, {}], attributes });
      graph.setOutputs(node.outputs.slice(1).flatMap((output) => output ?? []));
    });
    expect(codes(split)).toEqual([]);
  });

  test('what is right passes', () => {
    expect(codes(single({ op: 'Gelu' }))).toEqual([]);
    expect(codes(single({ op: 'Elu', attributes: { alpha: float(1) } }))).toEqual([]);
    expect(
      codes(
        single(
          { op: 'Upsample', attributes: { mode: 'nearest', scales: { kind: 'floats', value: [1, 1] } } },
          7,
        ),
      ),
    ).toEqual([]);
  });

  test('operators of com.microsoft are known, those of other domains are let be', () => {
    const model = single({ op: 'QuickGelu', domain: 'com.microsoft' });
    expect(codes(model)).toEqual(['VC3007']);
    model.opsetImports.set('com.microsoft', 1);
    expect(codes(model)).toEqual([]);
    const wrong = single({ op: 'MatMulNBits', domain: 'com.microsoft' });
    wrong.opsetImports.set('com.microsoft', 1);
    expect(codes(wrong)).toEqual(['VC3004', 'VC3006', 'VC3006', 'VC3006']);
    const other = single({ op: 'Anything', domain: 'my.domain', attributes: { odd: 1 } });
    other.opsetImports.set('my.domain', 3);
    expect(codes(other)).toEqual([]);
  });

  test('one element type per type variable, outputs included', () => {
    const model = modelOf((graph) => {
      const x = graph.addInput('x', f32(2));
      const k = graph.addInput('k', tensorType('int64', [1]));
      const node = graph.addNode({
        op: 'CDist',
        domain: 'com.microsoft',
        inputs: [x, x],
        attributes: { metric: 'euclidean' },
        outputs: [{ type: tensorType('float64', [null]) }],
      });
      graph.addNode({ op: 'Slice', inputs: [x, k, graph.addInput('e', tensorType('int32', [1]))] });
      graph.setOutputs([node.output]);
    });
    model.opsetImports.set('com.microsoft', 1);
    expect(codes(model)).toEqual(['VC3103', 'VC3103']);
  });
});

test('an element type that an operator does not take', () => {
  const model = modelOf((graph) => {
    const x = graph.addInput('x', tensorType('int64', [2]));
    graph.setOutputs([graph.addNode({ op: 'Size', inputs: [x] }).output]);
    graph.addNode({ op: 'Exp', inputs: [x], outputs: [{ name: 'y' }] });
  });
  expect(codes(model)).toEqual(['VC3011', 'VC3011']);
  expect(() => verifyModel(model)).toThrow(/input input = x: int64\[2\][\s\S]*float16/);
});

describe('signatures', () => {
  test('change with the operator set', () => {
    expect(opSchema('', 'Squeeze', 12)?.attributes.has('axes')).toBe(true);
    expect(opSchema('', 'Squeeze', 13)?.attributes.has('axes')).toBe(false);
    expect(opSchema('', 'Squeeze', 13)?.inputArity).toEqual({ min: 1, max: 2 });
    expect(opSchema('', 'Relu', 13)?.inputs[0]?.types.has('int64')).toBe(false);
    expect(opSchema('', 'Relu', 14)?.inputs[0]?.types.has('int64')).toBe(true);
    expect(opSchema('', 'Gelu', 19)).toBe(undefined);
    expect(opSchema('', 'Concat', 20)?.inputArity).toEqual({ min: 1, max: Number.POSITIVE_INFINITY });
    expect(opSchema('', 'If', 20)?.attributes.get('then_branch')).toEqual({ kind: 'graph', required: true });
    expect(opSchema('', 'SimplifiedLayerNormalization', 20)?.inputs[0]?.types.has('float16')).toBe(true);
    // The runtime's optimizer writes it into graphs of sets that have none.
    expect([14, 17, 23].map((version) => opSchema('', 'LayerNormalization', version)?.since)).toEqual([
      1, 17, 17,
    ]);
  });
});

describe('functions', () => {
  function functionOf(
    name: string,
    op: string,
    domain: string,
    attributes: readonly string[] = [],
  ): ModelFunction {
    const body = new Graph(name);
    const x = body.addInput('x', undefined);
    body.setOutputs([body.addNode({ op, domain, inputs: [x] }).output]);
    return {
      name,
      domain: 'f',
      overload: '',
      opsetImports: new Map([
        ['', 20],
        ['f', 1],
      ]),
      attributes,
      attributeDefaults: new Map(),
      body,
    };
  }

  test('calls are checked against what the function takes', () => {
    const model = single({ op: 'A', domain: 'f' });
    model.functions.push(functionOf('A', 'Relu', ''));
    expect(codes(model)).toEqual([]);
    const wants = single({ op: 'A', domain: 'f' });
    wants.functions.push(functionOf('A', 'Relu', '', ['alpha']));
    expect(codes(wants)).toEqual(['VC3006']);
    const outputs = single({ op: 'A', domain: 'f', outputs: 2 });
    outputs.functions.push(functionOf('A', 'Relu', ''));
    expect(codes(outputs)).toEqual(['VC3004']);
  });

  test('bodies are checked, and recursion over any length is found', () => {
    const broken = single({ op: 'A', domain: 'f' });
    broken.functions.push(functionOf('A', 'Reluu', ''));
    expect(codes(broken)).toEqual(['VC3005']);
    const count = 20_000;
    const chain = (last: string, domain: string) => {
      const model = single({ op: 'A0', domain: 'f' });
      for (let step = 0; step < count; step += 1) {
        const end = step === count - 1;
        model.functions.push(functionOf(`A${step}`, end ? last : `A${step + 1}`, end ? domain : 'f'));
      }
      return model;
    };
    expect(codes(chain('Relu', ''))).toEqual([]);
    expect(codes(chain('A7', 'f'))).toEqual(['VC3009']);
  });
});
