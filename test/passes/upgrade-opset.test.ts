/** Every form that operators had since operator set 7 becomes that of 20, and computes what it computed. */
import { describe, expect, it } from 'vitest';
import { type Attribute, float, floats } from '../../src/graph/attribute.ts';
import type { GraphBuilder, OpOptions } from '../../src/graph/builder.ts';
import { cloneModel } from '../../src/graph/clone.ts';
import { Graph } from '../../src/graph/graph.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { verifyModel } from '../../src/graph/verify.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { buildModel, randomInput, runModel } from '../support/run-model.ts';
import { runPasses } from './run-pass.ts';

type Make = (b: GraphBuilder, x: Value) => Value | readonly Value[];
type Attributes = NonNullable<OpOptions['attributes']>;

const shape = [2, 3, 4, 6];
const feeds = { x: randomInput(shape, 5) };

function build(opset: number, make: Make, dims: readonly (number | string)[] = ['n', 3, 'h', 'w']): Model {
  const model = buildModel((b) => {
    const made = make(b, b.input('x', tensorType('float32', dims)));
    for (const [index, value] of [made].flat().entries()) b.output(`y${index}`, value as Value);
  });
  model.opsetImports.set('', opset);
  return model;
}

const one =
  (op: string, attributes: Attributes = {}): Make =>
  (b, x) =>
    b.op(op, [x], { attributes });

const reductions = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'Sum', 'SumSquare'];
const flattened = ['Softmax', 'LogSoftmax', 'Hardmax'];
const indices = (b: GraphBuilder): Value => b.weight('i', int64([1, 3, 1, 1], [1, 0, 1]));

function int64(dims: readonly number[], values: readonly number[]): ReturnType<typeof inlineTensor> {
  return inlineTensor('int64', dims, new Uint8Array(BigInt64Array.from(values, BigInt).buffer));
}

/** Operator set, what, graph, operators after it. */
type Case = [number, string, Make, (readonly string[])?];

const cases: readonly Case[] = [
  ...reductions.flatMap((name): Case[] => {
    const op = `Reduce${name}`;
    const positive: Make = (b, x) =>
      b.op(op, [b.op('Abs', [x])], { attributes: { axes: [1, 3], keepdims: 0 } });
    return [
      [8, `${op} with axes`, positive, ['Abs', op]],
      [
        11,
        `${op} with negative axes`,
        (b, x) => b.op(op, [b.op('Abs', [x])], { attributes: { axes: [-1] } }),
      ],
      [12, `${op} of everything`, (b, x) => b.op(op, [b.op('Abs', [x])], { attributes: { keepdims: 0 } })],
    ];
  }),
  ...flattened.flatMap((op): Case[] => [
    [8, `${op} of a matrix in four dimensions`, one(op), ['Flatten', op, 'Shape', 'Reshape']],
    [11, `${op} from the last axis but one`, one(op, { axis: -2 }), ['Flatten', op, 'Shape', 'Reshape']],
    [11, `${op} of the last axis`, one(op, { axis: 3 }), [op]],
    [12, `${op} of everything`, one(op, { axis: 0 })],
    [13, `${op} along an axis`, one(op, { axis: 1 }), [op]],
  ]),
  [8, 'Slice', one('Slice', { starts: [1, -3], ends: [2n ** 63n - 1n, -1], axes: [0, 3] }), ['Slice']],
  [9, 'Slice without axes', one('Slice', { starts: [0, 1], ends: [1, 3] })],
  [8, 'Pad', one('Pad', { pads: [0, 0, 1, 2, 0, 0, 0, -1], value: float(0.25) }), ['Pad']],
  [10, 'Pad by reflection', one('Pad', { mode: 'reflect', pads: [0, 0, 1, 2, 0, 0, 1, 0] })],
  [8, 'Clip', one('Clip', { min: float(-0.5), max: float(0.25) }), ['Clip']],
  [8, 'Clip from above', one('Clip', { max: float(0.25) })],
  [10, 'Clip from nowhere', one('Clip')],
  [
    8,
    'TopK',
    (b, x) =>
      b.ops('TopK', [x], 2, { attributes: { k: 2, axis: 2 } }).map((v, i) => (i === 0 ? v : wide(b, v))),
    ['TopK', 'Cast'],
  ],
  [8, 'Squeeze and Unsqueeze', (b, x) => squeezed(b, x, [0, 2], [-3, 0])],
  [
    12,
    'Squeeze of all',
    (b, x) => b.op('Squeeze', [b.op('Unsqueeze', [x], { attributes: { axes: [0, 5] } })]),
  ],
  [
    8,
    'Split in parts',
    (b, x) => b.ops('Split', [x], 2, { attributes: { axis: 3, split: [2, 4] } }),
    ['Split'],
  ],
  [12, 'Split in equal parts', (b, x) => b.ops('Split', [x], 3, { attributes: { axis: 1 } })],
  [13, 'Split in equal parts', (b, x) => b.ops('Split', [x], 2, { attributes: { axis: -1 } })],
  [8, 'Dropout', (b, x) => b.op('Neg', [b.op('Dropout', [x], { attributes: { ratio: float(0.7) } })])],
  [10, 'Dropout with a mask that nobody reads', (b, x) => b.ops('Dropout', [x], 2).slice(0, 1)],
  [8, 'BatchNormalization', batchNorm({ spatial: 1, epsilon: float(0.01) }, 1), ['BatchNormalization']],
  [9, 'BatchNormalization with its momentum', batchNorm({ momentum: float(0.8) }, 1)],
  [
    8,
    'Upsample of neighbours',
    one('Upsample', { mode: 'nearest', scales: floats([1, 1, 2, 3]) }),
    ['Resize'],
  ],
  [7, 'Upsample between neighbours', one('Upsample', { mode: 'linear', scales: floats([1, 1, 2, 1.5]) })],
  [9, 'Upsample with an input', (b, x) => b.op('Upsample', [x, b.float32([1, 1, 1.5, 2])])],
  [10, 'Resize to more', (b, x) => b.op('Resize', [x, b.float32([1, 1, 2.5, 1.3])])],
  [10, 'Resize to less', (b, x) => b.op('Resize', [x, b.float32([1, 1, 0.5, 0.7])])],
  [
    10,
    'Resize between neighbours',
    (b, x) => b.op('Resize', [x, b.float32([1, 1, 1.5, 0.5])], { attributes: { mode: 'linear' } }),
  ],
  [
    11,
    'Resize with empty inputs',
    (b, x) =>
      b.op('Resize', [x, b.float32([]), b.float32([]), b.int64([2, 3, 7, 5])], {
        attributes: {
          mode: 'cubic',
          cubic_coeff_a: float(-0.6),
          coordinate_transformation_mode: 'align_corners',
        },
      }),
    ['Resize'],
  ],
  [
    11,
    'Resize of a region',
    (b, x) =>
      b.op('Resize', [x, b.float32([0, 0, 0.2, 0.1, 1, 1, 0.9, 0.7]), b.float32([1, 1, 2, 2])], {
        attributes: { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize' },
      }),
  ],
  [
    17,
    'Resize',
    (b, x) =>
      b.op('Resize', [x, null, b.float32([1, 1, 1.5, 2])], {
        attributes: { mode: 'linear', coordinate_transformation_mode: 'pytorch_half_pixel' },
      }),
  ],
  ...['bilinear', 'bicubic', 'nearest'].map(
    (mode) =>
      [
        16,
        `GridSample ${mode}`,
        (b: GraphBuilder, x: Value) => b.op('GridSample', [x, grid(b)], { attributes: { mode } }),
        ['GridSample'],
      ] satisfies Case,
  ),
  [16, 'GridSample by default', (b, x) => b.op('GridSample', [x, grid(b)])],
  [
    10,
    'RoiAlign',
    (b, x) =>
      b.op('RoiAlign', [x, b.float32([0.3, 0.4, 3.2, 2.9], [1, 4]), b.int64([1])], {
        attributes: { output_height: 2, output_width: 2, sampling_ratio: 2 },
      }),
  ],
  [
    10,
    'Scatter',
    (b, x) =>
      b.op('Scatter', [x, indices(b), b.float32([7, 8, 9], [1, 3, 1, 1])], { attributes: { axis: 2 } }),
    ['ScatterElements'],
  ],
  [
    17,
    'DFT',
    (b, x) => b.op('DFT', [b.op('Unsqueeze', [x, b.int64([4])])], { attributes: { axis: 2, onesided: 1 } }),
  ],
  [17, 'DFT by default', (b, x) => b.op('DFT', [b.op('Unsqueeze', [x, b.int64([4])])])],
  ...[0, 1].map(
    (include) =>
      [
        10,
        `AveragePool, ${include}`,
        one('AveragePool', {
          kernel_shape: [3, 3],
          strides: [2, 2],
          pads: [1, 1, 1, 1],
          count_include_pad: include,
          ceil_mode: 1,
        }),
      ] satisfies Case,
  ),
  [8, 'MaxPool', one('MaxPool', { kernel_shape: [2, 2], strides: [2, 2] })],
  [11, 'LpPool', one('LpPool', { kernel_shape: [2, 2], p: 2 })],
  [8, 'Flatten', one('Flatten', { axis: 2 })],
  [8, 'Gather', (b, x) => b.op('Gather', [x, b.int64([2, 0])], { attributes: { axis: 1 } })],
  [
    10,
    'DepthToSpace',
    (b, x) =>
      b.op('DepthToSpace', [b.op('Concat', [x, x, x, x], { attributes: { axis: 1 } })], {
        attributes: { blocksize: 2 },
      }),
  ],
  [8, 'in a body', inBody],
];

function wide(b: GraphBuilder, value: Value): Value {
  return b.op('Cast', [value], { attributes: { to: 1 } });
}

function squeezed(b: GraphBuilder, x: Value, wrap: readonly number[], unwrap: readonly number[]): Value {
  const more = b.op('Unsqueeze', [x], { attributes: { axes: wrap } });
  const sum = b.op('ReduceSum', [more], { attributes: { axes: [3], keepdims: 1 } });
  return b.op('Squeeze', [b.op('Transpose', [sum], { attributes: { perm: [0, 2, 1, 3, 4, 5] } })], {
    attributes: { axes: unwrap.map((axis) => (axis + 6) % 6) },
  });
}

function batchNorm(attributes: Attributes, outputs: number): Make {
  return (b, x) => {
    const [scale, bias, mean, variance] = [
      [1, 2, 3],
      [0.5, -1, 0],
      [0.1, 0.2, -0.3],
      [1, 0.5, 2],
    ].map((values) => b.float32(values));
    const inputs = [x, scale ?? null, bias ?? null, mean ?? null, variance ?? null];
    return b.ops('BatchNormalization', inputs, outputs, { attributes }).slice(0, 1);
  };
}

function grid(b: GraphBuilder): Value {
  const points = Array.from({ length: 2 * 2 * 3 * 2 }, (_, i) => Math.sin(i * 1.7) * 1.1);
  return b.float32(points, [2, 2, 3, 2]);
}

/** Both branches reduce with axes as an attribute. */
function inBody(b: GraphBuilder, x: Value): Value {
  const branch = (name: string, op: string): Graph => {
    const body = new Graph(name, b.graph);
    const node = body.addNode({
      op,
      inputs: [x],
      attributes: { axes: [1] },
      outputs: [{ name: `${name}_o` }],
    });
    inferNode(body, node);
    body.setOutputs([node.output]);
    return body;
  };
  const truth = b.weight('c', inlineTensor('bool', [], Uint8Array.of(0)));
  return b.op('If', [truth], {
    attributes: {
      then_branch: { kind: 'graph', value: branch('t', 'ReduceMean') },
      else_branch: { kind: 'graph', value: branch('e', 'ReduceMax') },
    },
  });
}

describe('upgrade-opset', () => {
  it.each(cases)('from %i: %s', async (...[opset, , make, operators]) => {
    const model = build(opset, make);
    verifyModel(model);
    const before = cloneModel(model);
    const { record } = await runPasses(model, 'upgrade-opset');
    expect(record.notes).toEqual([]);
    expect(model.opsetImports.get('')).toBe(20);
    if (operators !== undefined) expect([...model.graph.nodes()].map((node) => node.op)).toEqual(operators);
    const [expected, found] = [await runModel(before, feeds), await runModel(model, feeds)];
    expect([...found.keys()].length).toBeGreaterThan(0);
    expect([...found.keys()]).toEqual([...expected.keys()]);
    for (const [name, value] of expected) {
      const output = found.get(name);
      expect(output?.shape).toEqual(value.shape);
      // Kernels of pooling differ between operator sets, in the last bit.
      const off = toFloat32(value).map((x, i) =>
        Math.abs(x - (output ? (toFloat32(output)[i] ?? Number.NaN) : Number.NaN)),
      );
      expect(Math.max(...off), name).toBeLessThan(1e-6);
    }
  });

  it('makes inputs of attributes, and matrices of what was one in four dimensions', async () => {
    const model = build(8, (b, x) => {
      const cut = b.op('Slice', [x], { attributes: { starts: [1], ends: [3], axes: [1] } });
      const mean = b.op('ReduceMean', [cut], { attributes: { axes: [3], keepdims: 1 } });
      return b.op('Softmax', [b.op('Clip', [mean], { attributes: { max: float(0.25) } })]);
    });
    await runPasses(model, 'upgrade-opset');
    await expect(printModel(model)).toMatchFileSnapshot('golden/upgrade-opset.txt');
  });

  it('leaves out inputs of Resize that say nothing: from 13 on scales and sizes exclude each other', async () => {
    const empty: Make = (b, x) => b.op('Resize', [x, b.float32([]), b.float32([]), b.int64([2, 3, 7, 5])]);
    const model = build(11, empty);
    await runPasses(model, 'upgrade-opset');
    const [node] = model.graph.nodes();
    expect(node?.inputs.map((input) => input !== null)).toEqual([true, false, false, true]);
  });

  it('does nothing from 20 on, or below 7', async () => {
    for (const opset of [6, 20, 23]) {
      const model = build(opset, one('Relu'));
      const { record } = await runPasses(model, 'upgrade-opset');
      expect(record.changed).toBe(false);
      expect(model.opsetImports.get('')).toBe(opset);
      expect(record.notes.length).toBe(opset < 7 ? 1 : 0);
    }
  });

  /** [operator set, what, graph, the set that all reach, why] */
  const refused: readonly (readonly [number, string, Make, number, RegExp])[] = [
    [
      8,
      'statistics of every place',
      batchNorm({ spatial: 0 }, 1),
      8,
      /BatchNormalization.* 9: .*every place/,
    ],
    [9, 'training', batchNorm({}, 5), 13, /BatchNormalization .* 14: it is in training/],
    [8, 'a mask that is read', (b, x) => b.ops('Dropout', [x], 2), 9, /Dropout.* 10: its output .* is read/],
    [
      10,
      'a Resize that rounds both ways',
      (b, x) => b.op('Resize', [x, b.float32([1, 1, 0.5, 2])]),
      10,
      /Resize .* 11: it rounds/,
    ],
    [
      10,
      'a Resize by scales that are computed',
      (b, x) => b.op('Resize', [x, b.op('Neg', [b.float32([-1, -1, -2, -2])])]),
      10,
      /Resize .* 11: its scales are not constant/,
    ],
    [
      11,
      'coordinates that are gone',
      (b, x) =>
        b.op('Resize', [x, b.float32([]), b.float32([1, 1, 2, 2])], {
          attributes: { coordinate_transformation_mode: 'tf_half_pixel_for_nn' },
        }),
      12,
      /Resize .* 13: its coordinates/,
    ],
    [
      9,
      'types that are gone',
      (b, x) =>
        b.op('Cast', [b.op('Erf', [b.op('Cast', [x], { attributes: { to: 6 } })])], {
          attributes: { to: 1 },
        }),
      12,
      /Erf .* 13: input .* may not be int32/,
    ],
  ];

  it.each(refused)('from %i stops before %s', async (opset, _, make, reached, reason) => {
    const model = build(opset, (b, x) => [
      ...[make(b, x)].flat(),
      b.op('ReduceMean', [x], { attributes: { axes: [1] } }),
    ]);
    const { record } = await runPasses(model, 'upgrade-opset');
    expect(record.notes).toEqual([expect.stringMatching(reason)]);
    expect(record.notes[0]).toContain(`stays at operator set ${reached}`);
    expect(model.opsetImports.get('')).toBe(reached);
    verifyModel(model);
  });

  it('raises functions with the model, or neither', async () => {
    const withFunction = (attribute: Attribute): Model => {
      const model = build(11, (b, x) => b.op('Sum2', [x], { domain: 'mine', attributes: { over: [1] } }));
      model.opsetImports.set('mine', 1);
      const body = new Graph('Sum2');
      const [x] = [body.addInput('x', undefined)];
      const node = body.addNode({ op: 'ReduceSum', inputs: [x], attributes: { axes: attribute } });
      body.setOutputs([node.output]);
      model.functions.push({
        name: 'Sum2',
        domain: 'mine',
        overload: '',
        opsetImports: new Map([['', 11]]),
        attributes: ['over'],
        attributeDefaults: new Map(),
        body,
      });
      return model;
    };
    const plain = withFunction({ kind: 'ints', value: [1] });
    const before = await runModel(plain, feeds);
    await runPasses(plain, 'upgrade-opset');
    expect([plain.opsetImports, plain.functions[0]?.opsetImports].map((each) => each?.get(''))).toEqual([
      20, 20,
    ]);
    expect(await runModel(plain, feeds)).toEqual(before);
    const referring = withFunction({ kind: 'ref', ref: 'over', of: 'ints' });
    const { record } = await runPasses(referring, 'upgrade-opset');
    expect(record.notes.join()).toMatch(/attribute axes is one of the function/);
    expect(
      [referring.opsetImports, referring.functions[0]?.opsetImports].map((each) => each?.get('')),
    ).toEqual([12, 12]);
  });
});
