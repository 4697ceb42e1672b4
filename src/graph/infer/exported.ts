/**
 * Type rules of operators that few graphs hold, and of com.microsoft's that onnxruntime's own optimizer writes. Images
 * are [N, C, ...] unless the operator says Nhwc. What hangs on values is unknown.
 */
import { dtypeOfCode } from '../../tensor/dtype.ts';
import { type Dim, tensorType } from '../types.ts';
import { type Rule, typed } from './context.ts';
import {
  addDims,
  broadcastShapes,
  divideDims,
  floorDivideDims,
  multiplyDims,
  productOf,
  subtractDims,
} from './dims.ts';
import { matmulShape } from './linear.ts';

const unknown = (rank: number): Dim[] => new Array<Dim>(rank).fill(null);

/** X [N, C, ...], W [C, M / group, ...]; `output_shape` wins over what follows from pads. */
const convTranspose: Rule = (cx) => {
  const { node } = cx;
  const [x, w] = [cx.shape(0), cx.shape(1)];
  if (x === undefined || w === undefined) return [typed(cx.dtype(0), undefined)];
  const axes = x.length - 2;
  const kernel = node.ints('kernel_shape') ?? w.slice(2);
  const [pads, strides] = [node.ints('pads') ?? [], node.ints('strides') ?? []];
  const [dilations, extra] = [node.ints('dilations') ?? [], node.ints('output_padding') ?? []];
  const given = node.ints('output_shape');
  const auto = node.string('auto_pad') ?? 'NOTSET';
  const spatial = Array.from({ length: axes }, (_, axis): Dim => {
    if (given !== undefined) return given.at(axis - axes) ?? null;
    const stride = strides[axis] ?? 1;
    if (auto.startsWith('SAME')) return multiplyDims(x[axis + 2] ?? null, stride);
    const steps = multiplyDims(subtractDims(x[axis + 2] ?? null, 1), stride);
    const reach = addDims(multiplyDims(subtractDims(kernel[axis] ?? null, 1), dilations[axis] ?? 1), 1);
    const cut = auto === 'VALID' ? 0 : (pads[axis] ?? 0) + (pads[axis + axes] ?? 0);
    return subtractDims(addDims(addDims(steps, reach), extra[axis] ?? 0), cut);
  });
  return [typed(cx.dtype(0), [x[0] ?? null, multiplyDims(w[1] ?? null, node.int('group') ?? 1), ...spatial])];
};

/** X [N, C, ...], grid [N, ..., 2 or 3]. */
const gridSample: Rule = (cx) => {
  const [x, grid] = [cx.shape(0), cx.shape(1)];
  if (x === undefined || grid === undefined) return [typed(cx.dtype(0), undefined)];
  return [typed(cx.dtype(0), [x[0] ?? null, x[1] ?? null, ...grid.slice(1, -1)])];
};

/** Theta [N, ...], size [N, C, ...] as values. */
const affineGrid: Rule = (cx) => {
  const size = cx.ints(1);
  if (size === undefined) return [typed(cx.dtype(0), undefined)];
  return [typed(cx.dtype(0), [size[0] ?? null, ...size.slice(2), size.length - 2])];
};

/** X [S, B, D] or, with layout 1, [B, S, D]; gives Y with directions, and the last states. */
const recurrent =
  (states: number): Rule =>
  (cx) => {
    const x = cx.shape(0);
    const dtype = cx.dtype(0);
    if (x === undefined) return [typed(dtype, undefined)];
    cx.checkRank(0, 3);
    const hidden = cx.node.int('hidden_size') ?? cx.shape(2)?.[2] ?? null;
    const directions = (cx.node.string('direction') ?? 'forward') === 'bidirectional' ? 2 : 1;
    const batchFirst = cx.node.int('layout') === 1;
    const [steps = null, batch = null] = batchFirst ? [x[1], x[0]] : x;
    const last = typed(dtype, batchFirst ? [batch, directions, hidden] : [directions, batch, hidden]);
    const all = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden];
    return [typed(dtype, all), ...new Array(states).fill(last)];
  };

const compress: Rule = (cx) => {
  const shape = cx.shape(0);
  const axis = cx.node.int('axis');
  if (axis === undefined) return [typed(cx.dtype(0), [null])];
  return [typed(cx.dtype(0), shape?.with(cx.axis(axis, shape.length), null))];
};

const unique: Rule = (cx) => {
  const shape = cx.shape(0);
  const axis = cx.node.int('axis');
  const values = axis === undefined ? [null] : shape?.with(cx.axis(axis, shape.length), null);
  const places = tensorType('int64', [null]);
  return [typed(cx.dtype(0), values), places, places, places];
};

const random: Rule = (cx) => [
  tensorType(dtypeOfCode(cx.node.int('dtype') ?? 1) ?? 'float32', cx.node.ints('shape')),
];

/** As the data unless an attribute says. */
const randomOf: Rule = (cx) => {
  const code = cx.node.int('dtype');
  return [typed(code === undefined ? cx.dtype(0) : dtypeOfCode(code), cx.shape(0))];
};

const multinomial: Rule = (cx) => [
  tensorType(dtypeOfCode(cx.node.int('dtype') ?? 6) ?? 'int32', [
    cx.shape(0)?.[0] ?? null,
    cx.node.int('sample_size') ?? 1,
  ]),
];

/** X [N, C, H, W], regions [R, 4]. */
const roiAlign: Rule = (cx) => [
  typed(cx.dtype(0), [
    cx.shape(1)?.[0] ?? null,
    cx.shape(0)?.[1] ?? null,
    cx.node.int('output_height') ?? 1,
    cx.node.int('output_width') ?? 1,
  ]),
];

const centerCropPad: Rule = (cx) => {
  const shape = cx.shape(0);
  const sizes = cx.ints(1);
  if (shape === undefined) return [typed(cx.dtype(0), undefined)];
  const axes = (cx.node.ints('axes') ?? [...shape.keys()]).map((axis) => cx.axis(axis, shape.length));
  return [
    typed(
      cx.dtype(0),
      shape.map((dim, axis) => (axes.includes(axis) ? (sizes?.[axes.indexOf(axis)] ?? null) : dim)),
    ),
  ];
};

/** Input [N, C * kernel, L] to [N, C, ...image]. */
const col2Im: Rule = (cx) => {
  const x = cx.shape(0);
  const [image, block] = [cx.ints(1), cx.ints(2)];
  if (x === undefined || image === undefined) return [typed(cx.dtype(0), undefined)];
  const channels = divideDims(x[1] ?? null, block === undefined ? null : productOf(block));
  return [typed(cx.dtype(0), [x[0] ?? null, channels, ...image])];
};

const windowOf: Rule = (cx) => [
  tensorType(dtypeOfCode(cx.node.int('output_datatype') ?? 1) ?? 'float32', [cx.ints(0)?.[0] ?? null]),
];

/** Signal [B, L, 1 or 2], length or window of the frame: [B, frames, bins, 2]. */
const stft: Rule = (cx) => {
  const signal = cx.shape(0);
  const step = cx.numbers(1)?.[0];
  const frame = cx.has(3) ? (cx.ints(3)?.[0] ?? null) : (cx.shape(2)?.[0] ?? null);
  if (signal === undefined) return [typed(cx.dtype(0), unknown(4))];
  const span = subtractDims(signal[1] ?? null, frame);
  const frames = step === undefined || step < 1 ? null : addDims(floorDivideDims(span, step), 1);
  const half = frame === null ? null : addDims(floorDivideDims(frame, 2), 1);
  const bins = (cx.node.int('onesided') ?? 1) === 1 ? half : frame;
  return [typed(cx.dtype(0), [signal[0] ?? null, frames, bins, 2])];
};

const globalLpPool: Rule = (cx) => [
  typed(
    cx.dtype(0),
    cx.shape(0)?.map((dim, axis) => (axis < 2 ? dim : 1)),
  ),
];

const det: Rule = (cx) => [typed(cx.dtype(0), cx.shape(0)?.slice(0, -2))];

/** Ids [B, S], tables of words, positions and segments [V, D]: the sum, a mask of lengths [B], the sum before norm. */
const embedLayerNorm: Rule = (cx) => {
  const ids = cx.shape(0);
  const width = cx.shape(2)?.[1] ?? null;
  const sum = typed(cx.dtype(2), ids === undefined ? undefined : [...ids, width]);
  return [sum, tensorType('int32', [ids?.[0] ?? null]), sum];
};

/** MatMul of operands that are turned: `transA`, `transB` the last two axes, `transBatch*` the first one. */
const fusedMatMul: Rule = (cx) => {
  if (cx.node.int('transBatchA') === 1 || cx.node.int('transBatchB') === 1)
    return [typed(cx.dtype(0), undefined)];
  const turned = (index: number, name: string): readonly Dim[] | undefined => {
    const shape = cx.shape(index);
    if (shape === undefined || shape.length < 2 || cx.node.int(name) !== 1) return shape;
    return [...shape.slice(0, -2), shape.at(-1) ?? null, shape.at(-2) ?? null];
  };
  return [typed(cx.dtype(0), matmulShape(cx, turned(0, 'transA'), turned(1, 'transB')))];
};

/** [..., K] by a packed [N, K] to [..., N]. */
const packedMatMul: Rule = (cx) => [typed(cx.dtype(0), cx.shape(0)?.with(-1, cx.node.int('N') ?? null))];

const biasSplitGelu: Rule = (cx) => {
  const shape = cx.shape(0);
  return [typed(cx.dtype(0), shape?.with(-1, divideDims(shape.at(-1) ?? null, 2)))];
};

/** The first input may be broadcast to by the others. */
const broadcastOf =
  (...indices: readonly number[]): Rule =>
  (cx) => {
    const shapes = indices.flatMap((index) => [cx.shape(index)]);
    const known = shapes.filter((shape) => shape !== undefined);
    return [typed(cx.dtype(0), known.length === shapes.length ? broadcastShapes(known) : undefined)];
  };

const asFirst: Rule = (cx) => [cx.type(0)];

/** Input, its scale and zero point, ...: the shape of the input. */
const quantizedUnary: Rule = (cx) => [typed(cx.dtype(0), cx.shape(0))];

/** Y's scale and zero point, then three inputs for each part. */
const quantizedConcat: Rule = (cx) => {
  const parts = cx.node.inputs.flatMap((_, index) =>
    index >= 2 && (index - 2) % 3 === 0 ? [cx.shape(index)] : [],
  );
  const [first] = parts;
  if (first === undefined) return [typed(cx.dtype(1), undefined)];
  const axis = cx.axis(cx.node.int('axis') ?? 0, first.length);
  const total = parts.reduce<Dim>((sum, part) => addDims(sum, part?.[axis] ?? null), 0);
  return [typed(cx.dtype(1), first.with(axis, total))];
};

const isAllFinite: Rule = () => [tensorType('bool', [])];

/** The type inside of an optional, and back. */
const optional: Rule = (cx) => {
  const element = cx.type(0);
  return [element && { kind: 'optional', element }];
};

const optionalElement: Rule = (cx) => {
  const type = cx.type(0);
  return [type?.kind === 'optional' ? type.element : type];
};

const sequenceEmpty: Rule = (cx) => [
  { kind: 'sequence', element: tensorType(dtypeOfCode(cx.node.int('dtype') ?? 1) ?? 'float32') },
];

const all = (names: string, rule: Rule): [string, Rule][] => names.split(' ').map((name) => [name, rule]);
const microsoft = (names: string, rule: Rule): [string, Rule][] =>
  names.split(' ').map((name) => [`com.microsoft::${name}`, rule]);

export const exportedRules: readonly (readonly [string, Rule])[] = [
  ['ConvTranspose', convTranspose],
  ['GridSample', gridSample],
  ['AffineGrid', affineGrid],
  ['LSTM', recurrent(2)],
  ['GRU', recurrent(1)],
  ['RNN', recurrent(1)],
  ['Compress', compress],
  ['Unique', unique],
  ['NonMaxSuppression', () => [tensorType('int64', [null, 3])]],
  ...all('RandomNormal RandomUniform', random),
  ['Bernoulli', randomOf],
  ['Multinomial', multinomial],
  ['RoiAlign', roiAlign],
  ['CenterCropPad', centerCropPad],
  ['Col2Im', col2Im],
  ...all('HannWindow HammingWindow BlackmanWindow', windowOf),
  ['STFT', stft],
  ['GlobalLpPool', globalLpPool],
  ['Det', det],
  ['Optional', optional],
  ['OptionalGetElement', optionalElement],
  ['OptionalHasElement', () => [tensorType('bool', [])]],
  ['SequenceEmpty', sequenceEmpty],
  ...microsoft('EmbedLayerNormalization', embedLayerNorm),
  ...microsoft('FusedMatMul TransposeMatMul', fusedMatMul),
  ...microsoft('GemmFastGelu', (cx) => [typed(cx.dtype(0), matmulShape(cx, cx.shape(0), cx.shape(1)))]),
  ...microsoft('MatMulBnb4 MatMulFpQ4', packedMatMul),
  ...microsoft('BiasSplitGelu', biasSplitGelu),
  ...microsoft('BiasAdd BiasSoftmax BiasDropout GroupNorm ScaledSiLU Inverse', asFirst),
  ...microsoft('SkipGroupNorm', (cx) => [cx.type(0), cx.type(0)]),
  ...microsoft('QLinearSigmoid QLinearLeakyRelu QLinearSoftmax', quantizedUnary),
  ...microsoft('QLinearAdd QLinearMul', broadcastOf(0, 3)),
  ...microsoft('QLinearConcat', quantizedConcat),
  ...microsoft('IsAllFinite', isAllFinite),
];
