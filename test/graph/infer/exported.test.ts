/** Rules of rare operators against onnxruntime: each runs once, and gives the shapes that were inferred before. */
import { describe, expect, it } from 'vitest';
import { type AttributeLike, float } from '../../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { codeOfDType } from '../../../src/tensor/dtype.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { buildModel, randomInput, runModel } from '../../support/run-model.ts';

interface Case {
  readonly op: string;
  /** Shape of the first input, x: float32. */
  readonly x: readonly number[];
  readonly inputs?: (b: GraphBuilder, x: Value) => readonly (Value | null)[];
  readonly attributes?: Readonly<Record<string, AttributeLike>>;
  readonly outputs?: number;
  /** Dimensions that hang on values, and are not inferred. */
  readonly open?: number;
}

const filled = (b: GraphBuilder, ...shape: number[]): Value =>
  b.float32(new Float32Array(shape.reduce((product, dim) => product * dim, 1)).fill(0.1), shape);
const scalar = (b: GraphBuilder, value: number): Value =>
  b.graph.addInitializer(
    b.graph.freshName('n'),
    inlineTensor('int64', [], new Uint8Array(new BigInt64Array([BigInt(value)]).buffer)),
  );
const cast = (b: GraphBuilder, value: Value, to: 'bool' | 'uint8' | 'int32'): Value =>
  b.op('Cast', [value], { attributes: { to: codeOfDType(to) } });

/** x as uint8 with its scale and zero point. */
const quantized = (b: GraphBuilder, x: Value): readonly Value[] => [
  cast(b, x, 'uint8'),
  b.scalar(0.5),
  b.graph.addInitializer(b.graph.freshName('zero'), inlineTensor('uint8', [], Uint8Array.of(3))),
];

const cases: readonly Case[] = [
  {
    op: 'ConvTranspose',
    x: [2, 4, 5, 6],
    inputs: (b, x) => [x, filled(b, 4, 3, 3, 3)],
    attributes: { strides: [2, 3], pads: [1, 0, 1, 1], output_padding: [1, 0], group: 2 },
  },
  {
    op: 'ConvTranspose',
    x: [2, 4, 5],
    inputs: (b, x) => [x, filled(b, 4, 3, 4)],
    attributes: { strides: [2], dilations: [3] },
  },
  { op: 'GridSample', x: [2, 3, 5, 6], inputs: (b, x) => [x, filled(b, 2, 7, 8, 2)] },
  { op: 'AffineGrid', x: [2, 2, 3], inputs: (b, x) => [x, b.int64([2, 3, 5, 6])] },
  {
    op: 'LSTM',
    x: [3, 2, 4],
    inputs: (b, x) => [x, filled(b, 2, 20, 4), filled(b, 2, 20, 5)],
    attributes: { hidden_size: 5, direction: 'bidirectional' },
    outputs: 3,
  },
  {
    op: 'GRU',
    x: [3, 2, 4],
    inputs: (b, x) => [x, filled(b, 1, 15, 4), filled(b, 1, 15, 5)],
    attributes: { hidden_size: 5 },
    outputs: 2,
  },
  {
    op: 'Compress',
    x: [2, 3],
    inputs: (b, x) => [x, cast(b, b.int64([1, 0, 1]), 'bool')],
    attributes: { axis: 1 },
    open: 1,
  },
  { op: 'Unique', x: [2, 3], attributes: { axis: 1 }, outputs: 4, open: 4 },
  { op: 'Det', x: [2, 3, 3] },
  {
    op: 'RoiAlign',
    x: [2, 3, 5, 6],
    inputs: (b, x) => [x, b.float32([0, 0, 1, 1, 0, 0, 2, 2], [2, 4]), b.int64([0, 1])],
    attributes: { output_height: 3, output_width: 4 },
  },
  {
    op: 'CenterCropPad',
    x: [2, 6, 5],
    inputs: (b, x) => [x, b.int64([4, 9])],
    attributes: { axes: [1, -1] },
  },
  { op: 'Col2Im', x: [1, 10, 5], inputs: (b, x) => [x, b.int64([5, 5]), b.int64([1, 5])] },
  { op: 'STFT', x: [2, 30, 1], inputs: (b, x) => [x, scalar(b, 4), filled(b, 8)] },
  {
    op: 'STFT',
    x: [2, 31, 1],
    inputs: (b, x) => [x, scalar(b, 4), null, scalar(b, 9)],
    attributes: { onesided: 0 },
  },
  { op: 'HannWindow', x: [1], inputs: (b) => [scalar(b, 7)] },
  { op: 'RandomUniform', x: [1], inputs: () => [], attributes: { shape: [2, 5] } },
  { op: 'Multinomial', x: [2, 5], attributes: { sample_size: 3 } },
  { op: 'Bernoulli', x: [2, 5], attributes: { dtype: 9 } },
  {
    op: 'NonMaxSuppression',
    x: [1, 4, 4],
    inputs: (b, x) => [x, filled(b, 1, 2, 4), scalar(b, 3)],
    open: 1,
  },
  {
    op: 'com.microsoft::FusedMatMul',
    x: [2, 3, 4],
    inputs: (b, x) => [x, filled(b, 5, 3)],
    attributes: { transA: 1, transB: 1 },
  },
  {
    op: 'com.microsoft::EmbedLayerNormalization',
    x: [2, 3],
    inputs: (b, x) => [
      cast(b, b.op('Abs', [x]), 'int32'),
      null,
      filled(b, 9, 8),
      filled(b, 5, 8),
      null,
      filled(b, 8),
      filled(b, 8),
      null,
    ],
    attributes: { epsilon: float(1e-6) },
    outputs: 2,
  },
  {
    op: 'com.microsoft::QLinearAdd',
    x: [2, 3],
    inputs: (b, x) => [
      ...quantized(b, x),
      ...quantized(b, b.op('Unsqueeze', [x, b.int64([1])])),
      ...quantized(b, x).slice(1),
    ],
  },
  {
    op: 'com.microsoft::QLinearConcat',
    x: [2, 3],
    inputs: (b, x) => [...quantized(b, x).slice(1), ...quantized(b, x), ...quantized(b, x)],
    attributes: { axis: 1 },
  },
  {
    op: 'com.microsoft::QLinearSigmoid',
    x: [2, 3],
    inputs: (b, x) => [...quantized(b, x), ...quantized(b, x).slice(1)],
  },
  { op: 'com.microsoft::BiasGelu', x: [2, 3], inputs: (b, x) => [x, filled(b, 3)] },
];

describe('shapes as onnxruntime gives them', () => {
  it.each(cases)('$op $x', async ({ op, x, inputs, attributes = {}, outputs = 1, open = 0 }) => {
    const [name = '', domain = ''] = op.split('::').reverse();
    const inferred = new Map<string, readonly (number | string | null)[] | undefined>();
    const model = buildModel((b) => {
      const value = b.input('x', tensorType('float32', x));
      const made = b.ops(name, inputs?.(b, value) ?? [value], outputs, { domain, attributes });
      for (const [index, output] of made.entries()) {
        inferred.set(`y${index}`, output.type?.kind === 'tensor' ? output.type.shape : undefined);
        // The builder may have nothing else that reads x.
        b.output(`y${index}`, output);
      }
    });
    if (domain !== '') model.opsetImports.set(domain, 1);
    const results = await runModel(model, { x: randomInput(x, 3) });
    let unknown = 0;
    for (const [output, { shape }] of results) {
      const dims = inferred.get(output);
      unknown += dims?.filter((dim) => dim === null).length ?? 100;
      expect(
        dims?.map((dim, axis) => dim ?? shape[axis]),
        output,
      ).toEqual(shape);
    }
    expect(unknown).toBe(open);
  });
});
