/**
 * Forms of operators, each as a tiny model: what a provider runs is found out by running it. A form with a `plain`
 * spelling is compared with that, one without with what the CPU gives.
 */
import { type AttributeLike, float } from '../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Value } from '../../src/graph/value.ts';
import { float32Value, int64Value, type RunTensor } from '../../src/runtime/values.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';

export type Build = (b: GraphBuilder, inputs: Readonly<Record<string, Value>>) => readonly Value[];

export interface Form {
  /** `Gelu`, `com.microsoft::FastGelu`. */
  readonly operator: string;
  /** What is special about it; the plain form of an operator has none. */
  readonly form?: string;
  /** Default 20. */
  readonly opset?: number;
  readonly inputs: Readonly<Record<string, RunTensor>>;
  readonly build: Build;
  readonly plain?: Build;
}

const microsoft = 'com.microsoft';

/** Numbers in [-1, 1) that repeat nowhere near. */
export function ramp(shape: readonly number[], step = 0.618034): RunTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return float32Value(
    shape,
    Float32Array.from({ length: count }, (_, i) => (((i + 1) * step) % 1) * 2 - 1),
  );
}

/** In (0.1, 1.1]. */
function positive(shape: readonly number[]): RunTensor {
  const { data } = ramp(shape);
  return float32Value(
    shape,
    Float32Array.from(data as Float32Array, (x) => (x + 1) / 2 + 0.1),
  );
}

const at = (inputs: Readonly<Record<string, Value>>, ...names: readonly string[]): (Value | null)[] =>
  names.map((name) => inputs[name] ?? null);

/** One operator over its inputs in their order, and constants behind them. */
export function simple(
  operator: string,
  inputs: readonly RunTensor[],
  more: {
    readonly form?: string;
    readonly opset?: number;
    readonly attributes?: Readonly<Record<string, AttributeLike>>;
    readonly constants?: (b: GraphBuilder) => readonly (Value | null)[];
    readonly outputs?: number;
    readonly plain?: Build;
  } = {},
): Form {
  const { attributes = {}, constants = () => [], outputs = 1, form, opset, plain } = more;
  const [domain = '', opType] = operator.includes('::') ? operator.split('::') : ['', operator];
  const names = inputs.map((_, index) => String.fromCharCode(97 + index));
  return {
    operator,
    inputs: Object.fromEntries(names.map((name, index) => [name, inputs[index] as RunTensor])),
    build: (b, values) =>
      b.ops(opType ?? operator, [...at(values, ...names), ...constants(b)], outputs, {
        attributes,
        ...(domain === '' ? {} : { domain }),
      }),
    ...(form === undefined ? {} : { form }),
    ...(opset === undefined ? {} : { opset }),
    ...(plain === undefined ? {} : { plain }),
  };
}

const x = ramp([2, 3, 8]);
const y = ramp([2, 3, 8], 0.414214);
const pixels = ramp([1, 3, 8, 8]);

const unary = [
  ...[
    'Abs',
    'Acos',
    'Asin',
    'Atan',
    'Ceil',
    'Cos',
    'Cosh',
    'Elu',
    'Erf',
    'Exp',
    'Floor',
    'Gelu',
    'HardSigmoid',
  ],
  ...[
    'HardSwish',
    'Identity',
    'LeakyRelu',
    'Mish',
    'Neg',
    'Relu',
    'Round',
    'Selu',
    'Sigmoid',
    'Sign',
    'Sin',
    'Sinh',
  ],
  ...['Softmax', 'LogSoftmax', 'Softplus', 'Softsign', 'Tan', 'Tanh', 'IsNaN'],
].map((operator) => simple(operator, [x]));

const binary = [
  ...[
    'Add',
    'Sub',
    'Mul',
    'Div',
    'Max',
    'Min',
    'Equal',
    'Greater',
    'GreaterOrEqual',
    'Less',
    'LessOrEqual',
    'PRelu',
  ],
].map((operator) => simple(operator, [x, y]));

const reductions = [
  ...[
    'ReduceL1',
    'ReduceL2',
    'ReduceMax',
    'ReduceMean',
    'ReduceMin',
    'ReduceProd',
    'ReduceSum',
    'ReduceSumSquare',
  ],
].map((operator) =>
  simple(operator, [x], { constants: (b) => [b.int64([-1])], attributes: { keepdims: 1 } }),
);

const cast = (to: number) => ({ attributes: { to: to } });
const scales = (b: GraphBuilder) => [null, b.float32([1, 1, 2, 2])];

const shapes: readonly Form[] = [
  simple('Cast', [x], { form: 'float32 to int32', ...cast(6) }),
  simple('Cast', [int64Value([4], [1, 2, 3, 4])], { form: 'int64 to float32', ...cast(1) }),
  simple('Clip', [x], { constants: (b) => [b.scalar(-0.5), b.scalar(0.5)] }),
  simple('Concat', [x, y], { attributes: { axis: 1 } }),
  simple('CumSum', [x], { constants: (b) => [b.int64([2], [])] }),
  simple('Expand', [ramp([1, 3, 8])], { constants: (b) => [b.int64([4, 3, 8])] }),
  simple('Flatten', [x]),
  simple('Gather', [x, int64Value([2], [2, 0])], { attributes: { axis: 1 } }),
  simple(
    'GatherElements',
    [
      x,
      int64Value(
        [2, 1, 8],
        Array.from({ length: 16 }, (_, i) => i % 3),
      ),
    ],
    {
      attributes: { axis: 1 },
    },
  ),
  simple('GatherND', [x, int64Value([2, 2], [0, 1, 1, 2])]),
  simple('OneHot', [int64Value([4], [0, 2, 1, 3])], {
    constants: (b) => [b.int64([4], []), b.float32([0, 1])],
  }),
  simple('Pad', [x], { constants: (b) => [b.int64([0, 0, 1, 0, 0, 2])] }),
  simple('Pow', [positive([2, 3, 8])], { constants: (b) => [b.scalar(2)] }),
  simple('Range', [], { constants: (b) => [b.scalar(0), b.scalar(8), b.scalar(1)] }),
  simple('Reciprocal', [positive([2, 8])]),
  simple('Reshape', [x], { constants: (b) => [b.int64([6, 8])] }),
  simple('ScatterElements', [x, int64Value([1, 1, 2], [1, 0]), ramp([1, 1, 2])]),
  simple('ScatterND', [x, int64Value([2, 1], [0, 1]), y]),
  simple('Slice', [x], { constants: (b) => [b.int64([1]), b.int64([7]), b.int64([2]), b.int64([2])] }),
  simple('Split', [x], { outputs: 2, attributes: { axis: 2, num_outputs: 2 } }),
  simple('Squeeze', [ramp([2, 1, 8])], { constants: (b) => [b.int64([1])] }),
  simple('Sqrt', [positive([2, 8])]),
  simple('Log', [positive([2, 8])]),
  simple('Sum', [x, y]),
  simple('Mean', [x, y]),
  simple('Mod', [x, positive([2, 3, 8])], { attributes: { fmod: 1 } }),
  simple('Tile', [x], { constants: (b) => [b.int64([1, 2, 1])] }),
  simple('TopK', [x], { constants: (b) => [b.int64([2])], outputs: 2 }),
  simple('Transpose', [x], { attributes: { perm: [1, 0, 2] } }),
  simple('Trilu', [ramp([4, 4])]),
  simple('Unsqueeze', [x], { constants: (b) => [b.int64([0])] }),
  {
    operator: 'Where',
    inputs: { a: x, b: y },
    build: (b, v) => [b.op('Where', [b.op('Greater', at(v, 'a', 'b')), ...at(v, 'a', 'b')])],
  },
  {
    operator: 'Not',
    inputs: { a: x, b: y },
    build: (b, v) => [b.op('Not', [b.op('Greater', at(v, 'a', 'b'))])],
  },
  ...['And', 'Or', 'Xor'].map(
    (operator): Form => ({
      operator,
      inputs: { a: x, b: y },
      build: (b, v) => [
        b.op(operator, [b.op('Greater', at(v, 'a', 'b')), b.op('Less', [v.a ?? null, b.scalar(0)])]),
      ],
    }),
  ),
];

const layers: readonly Form[] = [
  simple('MatMul', [x, ramp([8, 4])]),
  simple('Gemm', [ramp([4, 8]), ramp([6, 8]), ramp([6])], { attributes: { transB: 1 } }),
  simple('Einsum', [x, ramp([8, 4])], { attributes: { equation: 'bij,jk->bik' } }),
  simple('Conv', [pixels, ramp([4, 3, 2, 2])], { attributes: { strides: [2, 2] } }),
  simple('ConvTranspose', [pixels, ramp([3, 4, 2, 2])], { attributes: { strides: [2, 2] } }),
  simple('AveragePool', [pixels], { attributes: { kernel_shape: [2, 2] } }),
  simple('MaxPool', [pixels], { attributes: { kernel_shape: [2, 2] } }),
  simple('GlobalAveragePool', [pixels]),
  simple('BatchNormalization', [pixels, ramp([3]), ramp([3]), ramp([3], 0.3), positive([3])]),
  simple('InstanceNormalization', [pixels, ramp([3]), ramp([3])]),
  simple('GroupNormalization', [ramp([1, 4, 8, 8]), ramp([2]), ramp([2])], {
    attributes: { num_groups: 2 },
  }),
  simple('LayerNormalization', [x, ramp([8]), ramp([8])]),
  simple('RMSNormalization', [x, ramp([8])], { opset: 23 }),
  simple('SimplifiedLayerNormalization', [x, ramp([8])], { attributes: { epsilon: float(1e-5) } }),
  simple('Gelu', [x], { form: 'approximate=tanh', attributes: { approximate: 'tanh' } }),
  simple('Resize', [pixels], { form: 'nearest', constants: scales }),
  simple('Resize', [pixels], { form: 'linear', constants: scales, attributes: { mode: 'linear' } }),
  simple('Resize', [pixels], { form: 'cubic', constants: scales, attributes: { mode: 'cubic' } }),
  simple('DepthToSpace', [ramp([1, 8, 2, 2])], { attributes: { blocksize: 2 } }),
];

const sqrtHalf = Math.SQRT1_2;
const gelu = (b: GraphBuilder, value: Value): Value =>
  b.op('Mul', [
    b.op('Mul', [value, b.scalar(0.5)]),
    b.op('Add', [b.op('Erf', [b.op('Mul', [value, b.scalar(sqrtHalf)])]), b.scalar(1)]),
  ]);
const tanhGelu = (b: GraphBuilder, value: Value): Value =>
  b.op('Gelu', [value], { attributes: { approximate: 'tanh' } });
const norm = (b: GraphBuilder, value: Value, gamma: Value | null, beta: Value | null): Value =>
  b.op('LayerNormalization', [value, gamma, beta], { attributes: { epsilon: float(1e-5) } });
const rms = (b: GraphBuilder, value: Value, gamma: Value | null): Value => {
  const mean = b.op('ReduceMean', [b.op('Mul', [value, value]), b.int64([-1])]);
  return b.op('Mul', [b.op('Div', [value, b.op('Sqrt', [b.op('Add', [mean, b.scalar(1e-5)])])]), gamma]);
};
const value = (values: Readonly<Record<string, Value>>, name: string): Value => {
  const found = values[name];
  if (found === undefined) throw new RangeError(`no input ${name}`);
  return found;
};
const epsilon = { epsilon: float(1e-5) };

const fused: readonly Form[] = [
  simple(`${microsoft}::Gelu`, [x], { plain: (b, v) => [gelu(b, value(v, 'a'))] }),
  simple(`${microsoft}::BiasGelu`, [x, ramp([8])], {
    plain: (b, v) => [gelu(b, b.op('Add', at(v, 'a', 'b')))],
  }),
  simple(`${microsoft}::FastGelu`, [x], { plain: (b, v) => [tanhGelu(b, value(v, 'a'))] }),
  simple(`${microsoft}::FastGelu`, [x, ramp([8])], {
    form: 'bias',
    plain: (b, v) => [tanhGelu(b, b.op('Add', at(v, 'a', 'b')))],
  }),
  ...[1, 1.702].map((alpha) =>
    simple(`${microsoft}::QuickGelu`, [x], {
      ...(alpha === 1 ? { form: 'alpha=1, SiLU' } : {}),
      attributes: { alpha: float(alpha) },
      plain: (b, v) => [
        b.op('Mul', [value(v, 'a'), b.op('Sigmoid', [b.op('Mul', [value(v, 'a'), b.scalar(alpha)])])]),
      ],
    }),
  ),
  simple(`${microsoft}::BiasAdd`, [ramp([1, 4, 320]), ramp([320]), ramp([1, 4, 320], 0.3)], {
    plain: (b, v) => [b.op('Add', [b.op('Add', at(v, 'a', 'b')), value(v, 'c')])],
  }),
  simple(`${microsoft}::SkipLayerNormalization`, [x, y, ramp([8]), ramp([8], 0.3)], {
    attributes: epsilon,
    plain: (b, v) => [norm(b, b.op('Add', at(v, 'a', 'b')), value(v, 'c'), value(v, 'd'))],
  }),
  {
    operator: `${microsoft}::SkipLayerNormalization`,
    form: 'bias, and the sum as output',
    inputs: { a: x, b: y, c: ramp([8]), d: ramp([8], 0.3), e: ramp([8], 0.2) },
    build: (b, v) => {
      const made = b.graph.addNode({
        op: 'SkipLayerNormalization',
        domain: microsoft,
        inputs: at(v, 'a', 'b', 'c', 'd', 'e'),
        name: 'skip',
        outputs: [{ name: 'out' }, null, null, { name: 'sum' }],
        attributes: epsilon,
      });
      return made.outputs.flatMap((output) => (output === null ? [] : [output]));
    },
    plain: (b, v) => {
      const sum = b.op('Add', [b.op('Add', at(v, 'a', 'b')), value(v, 'e')]);
      return [norm(b, sum, value(v, 'c'), value(v, 'd')), sum];
    },
  },
  simple(`${microsoft}::SkipSimplifiedLayerNormalization`, [x, y, ramp([8])], {
    attributes: epsilon,
    plain: (b, v) => [rms(b, b.op('Add', at(v, 'a', 'b')), value(v, 'c'))],
  }),
  simple(`${microsoft}::FusedMatMul`, [x, ramp([2, 4, 8])], {
    attributes: { transB: 1, alpha: float(0.5) },
    plain: (b, v) => [
      b.op('Mul', [
        b.op('MatMul', [value(v, 'a'), b.op('Transpose', at(v, 'b'), { attributes: { perm: [0, 2, 1] } })]),
        b.scalar(0.5),
      ]),
    ],
  }),
  ...[4, 8, 2].map((bits) => quantizedProduct(bits)),
  quantizedRows(),
];

/** MatMulNBits over [3, 32] with codes that are a ramp, blocks of 16, zero points. */
function quantizedProduct(bits: number): Form {
  const [rows, depth, block] = [8, 32, 16];
  const perByte = 8 / bits;
  const most = 2 ** bits - 1;
  const code = (n: number, k: number): number => (n * 7 + k * 3) % (most + 1);
  const zero = (n: number, block: number): number => (n + block) % (most + 1);
  const blocks = depth / block;
  const packed = new Uint8Array((rows * depth) / perByte);
  const zeroBytes = Math.ceil(blocks / perByte);
  const zeros = new Uint8Array(rows * zeroBytes);
  const dense = new Float32Array(depth * rows);
  for (let n = 0; n < rows; n += 1) {
    for (let k = 0; k < depth; k += 1) {
      const byte = Math.floor((n * depth + k) / perByte);
      packed[byte] = (packed[byte] ?? 0) | (code(n, k) << ((k % perByte) * bits));
      dense[k * rows + n] = (code(n, k) - zero(n, Math.floor(k / block))) * 0.1;
    }
    for (let at = 0; at < blocks; at += 1) {
      const byte = n * zeroBytes + Math.floor(at / perByte);
      zeros[byte] = (zeros[byte] ?? 0) | (zero(n, at) << ((at % perByte) * bits));
    }
  }
  return {
    operator: `${microsoft}::MatMulNBits`,
    form: `${bits} bits, zero points`,
    inputs: { a: ramp([3, depth]) },
    build: (b, v) => [
      b.op(
        'MatMulNBits',
        [
          value(v, 'a'),
          b.weight('codes', inlineTensor('uint8', [rows, blocks, (block * bits) / 8], packed)),
          b.float32(new Float32Array(rows * blocks).fill(0.1), [rows, blocks]),
          b.weight('zeros', inlineTensor('uint8', [rows, zeroBytes], zeros)),
        ],
        {
          domain: microsoft,
          attributes: { K: depth, N: rows, block_size: block, bits: bits },
        },
      ),
    ],
    plain: (b, v) => [b.op('MatMul', [value(v, 'a'), b.float32(dense, [depth, rows])])],
  };
}

/** GatherBlockQuantized over a table [8, 32] of 4-bit codes that are a ramp, blocks of 16, zero points. */
function quantizedRows(): Form {
  const [rows, depth, block] = [8, 32, 16];
  const code = (v: number, d: number): number => (v * 7 + d * 3) % 16;
  const zero = (v: number, at: number): number => (v + at) % 16;
  const pairs = (count: number, at: (index: number) => number): Uint8Array =>
    Uint8Array.from({ length: count / 2 }, (_, i) => at(2 * i) | (at(2 * i + 1) << 4));
  const codes = pairs(rows * depth, (i) => code(Math.floor(i / depth), i % depth));
  const zeros = pairs(rows * 2, (i) => zero(Math.floor(i / 2), i % 2));
  const dense = Float32Array.from({ length: rows * depth }, (_, i) => {
    const [v, d] = [Math.floor(i / depth), i % depth];
    return (code(v, d) - zero(v, Math.floor(d / block))) * 0.1;
  });
  return {
    operator: `${microsoft}::GatherBlockQuantized`,
    inputs: { at: int64Value([3], [5, 0, 7]) },
    build: (b, v) => [
      b.op(
        'GatherBlockQuantized',
        [
          b.weight('codes', inlineTensor('uint8', [rows, depth / 2], codes)),
          value(v, 'at'),
          b.float32(new Float32Array(rows * 2).fill(0.1), [rows, 2]),
          b.weight('zeros', inlineTensor('uint8', [rows, 1], zeros)),
        ],
        {
          domain: microsoft,
          attributes: { bits: 4, block_size: block, gather_axis: 0, quantize_axis: 1 },
        },
      ),
    ],
    plain: (b, v) => [b.op('Gather', [b.float32(dense, [rows, depth]), value(v, 'at')])],
  };
}

export const elementForms: readonly Form[] = [
  ...unary,
  ...binary,
  ...reductions,
  ...shapes,
  ...layers,
  ...fused,
];
