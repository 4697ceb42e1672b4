/** What operators say about the dimensions of what they read and make. An operator without a rule is followed no further. */

import {
  CannotFollow,
  constantExtent,
  type Extent,
  number,
  one,
  product,
  quotient,
  resolve,
  sum,
} from './extent.ts';
import type { FlowRule, RuleView } from './flow.ts';
import { rearrangingRules } from './flow-rearranging.ts';

const broadcast: FlowRule = (view) => [
  view.extents.broadcast(view.node.inputs.map((_, index) => view.shape(index))),
];

/** The first input's shape, for every output. */
const like: FlowRule = (view) => view.node.outputs.map(() => view.shape(0));

/** Normalization: scale and bias have the trailing dimensions. */
const normalized: FlowRule = (view) => {
  const shape = view.shape(0);
  for (const index of [1, 2]) {
    if (!view.has(index)) continue;
    const scale = view.shape(index);
    for (const [axis, extent] of scale.entries()) {
      view.extents.unify(extent, shape[shape.length - scale.length + axis] ?? one);
    }
  }
  return [shape];
};

/** com.microsoft: x and what is added to it, scales [hidden] behind. */
const skipNormalized: FlowRule = (view) => [view.extents.broadcast([view.shape(0), view.shape(1)])];

/** Channels stand second. */
const perChannel: FlowRule = (view) => {
  const shape = view.shape(0);
  for (let index = 1; index < view.node.inputs.length; index += 1) {
    const [channels] = view.has(index) ? view.shape(index) : [];
    if (channels !== undefined) view.extents.unify(channels, shape[1] ?? one);
  }
  return [shape];
};

/** Scales and zero points of an axis have its length. */
const quantized: FlowRule = (view) => {
  const shape = view.shape(0);
  const axis = view.node.int('axis') ?? 1;
  for (const index of [1, 2]) {
    const scale = view.has(index) ? view.shape(index) : [];
    const at = axis < 0 ? axis + shape.length : axis;
    if (scale.length === 1 && scale[0] !== undefined && !isOne(scale[0]))
      view.extents.unify(scale[0], shape[at] ?? one);
    if (scale.length > 1) throw new CannotFollow('blocks of a quantized weight');
  }
  return [shape];
};

function isOne(extent: Extent): boolean {
  const at = resolve(extent);
  return at.kind === 'number' && at.value === 1;
}

const turned = (shape: readonly Extent[], turn: boolean): readonly Extent[] => {
  const [rows = one, columns = one] = shape.slice(-2);
  return turn ? [...shape.slice(0, -2), columns, rows] : shape;
};

const matMul: FlowRule = (view) => {
  const fused = view.node.op === 'com.microsoft::FusedMatMul';
  const a = turned(view.shape(0), fused && view.node.int('transA') === 1);
  const b = turned(view.shape(1), fused && view.node.int('transB') === 1);
  const [left, right] = [a.length === 1 ? [one, ...a] : a, b.length === 1 ? [...b, one] : b];
  view.extents.unify(left.at(-1) ?? one, right.at(-2) ?? one);
  const batch = view.extents.broadcast([left.slice(0, -2), right.slice(0, -2)]);
  return [
    [
      ...batch,
      ...(a.length === 1 ? [] : [left.at(-2) ?? one]),
      ...(b.length === 1 ? [] : [right.at(-1) ?? one]),
    ],
  ];
};

const gemm: FlowRule = (view) => {
  const [rows = one, inner = one] = turned(view.shape(0), view.node.int('transA') === 1);
  const [other = one, columns = one] = turned(view.shape(1), view.node.int('transB') === 1);
  view.extents.unify(inner, other);
  const result = [rows, columns];
  return [view.has(2) ? view.extents.broadcast([result, view.shape(2)]) : result];
};

/** com.microsoft::MatMulNBits: the weight's form is in attributes. */
const packedMatMul: FlowRule = (view) => {
  const shape = view.shape(0);
  const [inner, outer] = [view.node.int('K') ?? 0, view.node.int('N') ?? 0];
  view.extents.unify(shape.at(-1) ?? one, number(inner));
  return [[...shape.slice(0, -1), number(outer)]];
};

/** Kernel, stride, dilation and pads of one spatial axis. */
interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pads: number;
}

function windows(view: RuleView, kernels: readonly number[]): Window[] {
  const { node } = view;
  const auto = node.string('auto_pad') ?? 'NOTSET';
  if (auto.startsWith('SAME')) throw new CannotFollow(`auto_pad ${auto}`);
  const pads = node.ints('pads');
  return kernels.map((kernel, axis) => ({
    kernel,
    stride: node.ints('strides')?.[axis] ?? 1,
    dilation: node.ints('dilations')?.[axis] ?? 1,
    pads: (pads?.[axis] ?? 0) + (pads?.[axis + kernels.length] ?? 0),
  }));
}

/** How often a window fits, as a whole part of the dimension and a constant. */
function slid(view: RuleView, extent: Extent, { kernel, stride, dilation, pads }: Window): Extent {
  const reach = dilation * (kernel - 1) + 1;
  // stride · m + pads - reach, divided and rounded down, is m + this for all m.
  const more = Math.floor((pads - reach) / stride) + 1;
  if (view.node.int('ceil_mode') === 1 && (pads - reach) % stride !== 0) throw new CannotFollow('ceil_mode');
  return sum([quotient(extent, stride), number(more)]);
}

const conv: FlowRule = (view) => {
  const [batch = one, channels = one, ...spatial] = view.shape(0);
  const [outputs = one, inputs = one, ...kernel] = view.shape(1);
  const group = view.node.int('group') ?? 1;
  if (group === 1) view.extents.unify(channels, inputs);
  if (view.node.op === 'Conv' && view.has(2)) view.extents.unify(view.shape(2)[0] ?? one, outputs);
  const sizes = kernel.map((extent) => {
    const size = view.extents.old(extent) ?? 0;
    view.extents.unify(extent, number(size));
    return size;
  });
  return [
    [batch, outputs, ...windows(view, sizes).map((window, axis) => slid(view, spatial[axis] ?? one, window))],
  ];
};

const deconv: FlowRule = (view) => {
  const [batch = one, , ...spatial] = view.shape(0);
  const [, outputs = one, ...kernel] = view.shape(1);
  if (view.node.ints('output_shape') !== undefined) throw new CannotFollow('output_shape');
  const more = view.node.ints('output_padding') ?? [];
  const sizes = kernel.map((extent) => view.extents.old(extent) ?? 0);
  const grown = windows(view, sizes).map(({ kernel: size, stride, dilation, pads }, axis) =>
    sum([
      product([spatial[axis] ?? one, number(stride)]),
      number(dilation * (size - 1) + 1 - pads + (more[axis] ?? 0) - stride),
    ]),
  );
  return [[batch, product([number(view.node.int('group') ?? 1), outputs]), ...grown]];
};

const pool: FlowRule = (view) => {
  const [batch = one, channels = one, ...spatial] = view.shape(0);
  const kernel = view.node.ints('kernel_shape') ?? [];
  const whole = spatial.map((extent, axis) => view.extents.old(extent) === kernel[axis]);
  if (whole.some((each) => each)) {
    view.check(
      () => !spatial.some((extent, axis) => whole[axis] && view.extents.moves(extent)),
      `a window of [${kernel}] is as large as the grid`,
    );
  }
  const shape = [
    batch,
    channels,
    ...windows(view, kernel).map((window, axis) => slid(view, spatial[axis] ?? one, window)),
  ];
  return view.node.outputs.map(() => shape);
};

const globalPool: FlowRule = (view) => [view.shape(0).map((extent, axis) => (axis < 2 ? extent : one))];

const reduce: FlowRule = (view) => {
  const shape = view.shape(0);
  const given = view.node.ints('axes') ?? (view.has(1) ? view.fixed(1) : undefined);
  if (given === undefined && view.has(1)) throw new CannotFollow('the axes are not known');
  if (given === undefined && view.node.int('noop_with_empty_axes') === 1) return [shape];
  const axes = (given === undefined || given.length === 0 ? [...shape.keys()] : given).map((axis) =>
    axis < 0 ? axis + shape.length : axis,
  );
  return [reduced(shape, axes, view.node.int('keepdims') ?? 1)];
};

function reduced(shape: readonly Extent[], axes: readonly number[], keep: number): Extent[] {
  return shape.flatMap((extent, axis) => (axes.includes(axis) ? (keep === 1 ? [one] : []) : [extent]));
}

const argReduce: FlowRule = (view) => {
  const shape = view.shape(0);
  const axis = view.node.int('axis') ?? 0;
  return [reduced(shape, [axis < 0 ? axis + shape.length : axis], view.node.int('keepdims') ?? 1)];
};

const einsum: FlowRule = (view) => {
  const [left = '', right] = (view.node.string('equation') ?? '').replaceAll(' ', '').split('->');
  if (right === undefined || left.includes('.')) throw new CannotFollow('the equation');
  const letters = new Map<string, Extent>();
  for (const [index, term] of left.split(',').entries()) {
    for (const [axis, extent] of view.shape(index).entries()) {
      const letter = term[axis] ?? '';
      const known = letters.get(letter);
      if (known === undefined || isOne(known)) letters.set(letter, extent);
      else if (!isOne(extent)) view.extents.unify(known, extent);
    }
  }
  return [[...right].map((letter) => letters.get(letter) ?? one)];
};

/** Attention of opset 23: [B, heads, S, d] or [B, S, heads · d]; no cache. */
const attention: FlowRule = (view) => {
  if (view.has(4) || view.node.outputs.length > 1) throw new CannotFollow('a cache');
  const [q, k, v] = [view.shape(0), view.shape(1), view.shape(2)];
  view.extents.unify(k.at(-2) ?? one, v.at(-2) ?? one);
  if (view.has(3)) {
    view.extents.broadcast([view.shape(3).slice(-2), [q.at(-2) ?? one, k.at(-2) ?? one]]);
  }
  if (q.length === 4) {
    view.extents.unify(q[3] ?? one, k[3] ?? one);
    return [[...q.slice(0, 3), v[3] ?? one]];
  }
  const [heads, kvHeads] = [view.node.int('q_num_heads') ?? 1, view.node.int('kv_num_heads') ?? 1];
  const width = quotient(v[2] ?? one, kvHeads);
  return [[q[0] ?? one, q[1] ?? one, heads === kvHeads ? (v[2] ?? one) : product([number(heads), width])]];
};

/** com.microsoft::MultiHeadAttention with q, k and v [B, S, D]; no cache. */
const multiHeadAttention: FlowRule = (view) => {
  const [q, k, v] = [view.shape(0), view.shape(1), view.shape(2)];
  if (q.length !== 3 || k.length !== 3 || v.length !== 3 || view.has(6))
    throw new CannotFollow('packed or cached');
  view.extents.unify(k[1] ?? one, v[1] ?? one);
  if (view.has(5)) view.extents.broadcast([view.shape(5).slice(-2), [q[1] ?? one, k[1] ?? one]]);
  return [[q[0] ?? one, q[1] ?? one, v[2] ?? one]];
};

/** com.microsoft::Attention: x [B, S, D], one weight [D, 3 D]. */
const packedAttention: FlowRule = (view) => {
  const [batch = one, length = one, inner = one] = view.shape(0);
  const [rows = one, columns] = view.shape(1);
  view.extents.unify(inner, rows);
  const sizes = view.node.ints('qkv_hidden_sizes');
  const width = sizes?.[2] ?? (view.extents.old(columns ?? one) ?? 0) / 3;
  if (view.has(4)) throw new CannotFollow('a cache');
  if (view.has(5)) view.extents.broadcast([view.shape(5).slice(-2), [length, length]]);
  return [[batch, length, constantExtent(width)]];
};

/** Opset 23: without position ids, cos and sin are rows of the sequence. */
const rotary: FlowRule = (view) => {
  const shape = view.shape(0);
  if (!view.has(3))
    for (const index of [1, 2]) view.extents.unify(view.shape(index)[1] ?? one, shape.at(-2) ?? one);
  return [shape];
};

const unary = [
  'Abs', 'BitwiseNot', 'Cast', 'CastLike', 'Ceil', 'Celu', 'Clip', 'Cos', 'CumSum', 'Dropout', 'Elu', 'Erf', 'Exp',
  'Floor', 'Gelu', 'HardSigmoid', 'HardSwish', 'Hardmax', 'Identity', 'IsInf', 'IsNaN', 'LeakyRelu', 'Log',
  'LogSoftmax', 'LpNormalization', 'Mish', 'Neg', 'Not', 'Reciprocal', 'Relu', 'Round', 'Selu', 'Sigmoid', 'Sign',
  'Sin', 'Softmax', 'Softplus', 'Softsign', 'Sqrt', 'Swish', 'Tanh', 'ThresholdedRelu', 'Trilu',
  'com.microsoft::QuickGelu', 'com.microsoft::Gelu',
]; // biome-ignore format: a list
const manyInputs = [
  'Add',
  'And',
  'BitShift',
  'Div',
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'Max',
  'Mean',
  'Min',
  'Mod',
  'Mul',
  'Or',
  'PRelu',
  'Pow',
  'Sub',
  'Sum',
  'Where',
  'Xor',
  'com.microsoft::BiasGelu',
  'com.microsoft::FastGelu',
];
const reductions = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'Sum', 'SumSquare'];

export const flowRules: ReadonlyMap<string, FlowRule> = new Map<string, FlowRule>([
  ...unary.map((op) => [op, like] as const),
  ...manyInputs.map((op) => [op, broadcast] as const),
  ...reductions.map((op) => [`Reduce${op}`, reduce] as const),
  ['ArgMax', argReduce],
  ['ArgMin', argReduce],
  ['LayerNormalization', normalized],
  ['RMSNormalization', normalized],
  ['com.microsoft::SkipLayerNormalization', skipNormalized],
  ['BatchNormalization', perChannel],
  ['InstanceNormalization', perChannel],
  ['GroupNormalization', perChannel],
  ['QuantizeLinear', quantized],
  ['DequantizeLinear', quantized],
  ['DynamicQuantizeLinear', (view) => [view.shape(0), [], []]],
  ['MatMul', matMul],
  ['MatMulInteger', matMul],
  ['com.microsoft::FusedMatMul', matMul],
  ['com.microsoft::MatMulNBits', packedMatMul],
  ['Gemm', gemm],
  ['Conv', conv],
  ['ConvInteger', conv],
  ['ConvTranspose', deconv],
  ['AveragePool', pool],
  ['MaxPool', pool],
  ['GlobalAveragePool', globalPool],
  ['GlobalMaxPool', globalPool],
  ['Einsum', einsum],
  ['Attention', attention],
  ['com.microsoft::MultiHeadAttention', multiHeadAttention],
  ['com.microsoft::Attention', packedAttention],
  ['RotaryEmbedding', rotary],
  ...rearrangingRules,
]);
