/** Type rules of reductions, normalizations and constants. */
import { dtypeOfCode } from '../../tensor/dtype.ts';
import { type Dim, tensorType } from '../types.ts';
import { type Rule, type RuleContext, typed } from './context.ts';

function reducedShape(
  cx: RuleContext,
  axes: readonly number[] | undefined,
  keep: boolean,
): Dim[] | undefined {
  const shape = cx.shape(0);
  if (shape === undefined) return undefined;
  if (axes === undefined) return keep ? shape.map(() => null) : undefined;
  const reduced = new Set(axes.map((axis) => cx.axis(axis, shape.length)));
  return shape.flatMap((dim, index): Dim[] => (reduced.has(index) ? (keep ? [1] : []) : [dim]));
}

const reduce: Rule = (cx) => {
  const keep = (cx.node.int('keepdims') ?? 1) === 1;
  const given = cx.list('axes', 1);
  if ((given === undefined ? !cx.has(1) : given.length === 0) && cx.node.int('noop_with_empty_axes') === 1) {
    return [cx.type(0)];
  }
  const everything = cx.shape(0)?.map((_, axis) => axis);
  const axes =
    given === undefined ? (cx.has(1) ? undefined : everything) : given.length === 0 ? everything : given;
  return [typed(cx.dtype(0), reducedShape(cx, axes, keep))];
};

const arg: Rule = (cx) => {
  const keep = (cx.node.int('keepdims') ?? 1) === 1;
  return [tensorType('int64', reducedShape(cx, [cx.node.int('axis') ?? 0], keep))];
};

/** Mean and inverse deviation are 1 from `axis` on; their type is `stash_type`, float32 unless said. */
const layerNormalization: Rule = (cx) => {
  const shape = cx.shape(0);
  const axis = shape === undefined ? 0 : cx.axis(cx.node.int('axis') ?? -1, shape.length);
  checkScale(cx, 1, axis);
  const statistics = tensorType(
    dtypeOfCode(cx.node.int('stash_type') ?? 1) ?? 'float32',
    shape?.map((dim, index) => (index < axis ? dim : 1)),
  );
  return [cx.type(0), statistics, statistics];
};

/** The output has the scale's type: x may be narrower. */
const rmsNormalization: Rule = (cx) => {
  const [type, ...statistics] = layerNormalization(cx);
  const scaled = type?.kind === 'tensor' && cx.dtype(1) !== undefined;
  return [scaled ? typed(cx.dtype(1), type.shape) : type, ...statistics];
};

/** The scale must broadcast to the axes that are normalized. */
function checkScale(cx: RuleContext, index: number, axis: number): void {
  const [shape, scale] = [cx.shape(0), cx.shape(index)];
  if (shape === undefined || scale === undefined) return;
  const normalized = shape.slice(axis);
  const fits = scale.every((dim, at) => {
    const over = shape[shape.length - scale.length + at];
    return typeof dim !== 'number' || typeof over !== 'number' || dim === 1 || dim === over;
  });
  if (!fits || scale.length > shape.length) {
    throw cx.fail('VC3101', cx.describe(index), `a scale over [${normalized.map((dim) => dim ?? '?')}]`);
  }
}

/** Output 3 is the sum of input, skip and bias. */
const skipNormalization: Rule = (cx) => {
  const shape = cx.shape(0);
  if (shape !== undefined && shape.length > 0) checkScale(cx, 2, shape.length - 1);
  const statistics = tensorType('float32', shape?.with(-1, 1));
  return [cx.type(0), statistics, statistics, cx.type(0)];
};

const constant: Rule = ({ node }) => {
  for (const [name, attribute] of node.attributes) {
    if (attribute.kind === 'tensor') return [tensorType(attribute.value.dtype, attribute.value.shape)];
    if (attribute.kind === 'sparse-tensor') {
      return [{ kind: 'tensor', dtype: attribute.value.values.dtype, shape: attribute.value.shape }];
    }
    if (name === 'value_float') return [tensorType('float32', [])];
    if (name === 'value_int') return [tensorType('int64', [])];
    if (name === 'value_string') return [tensorType('string', [])];
    if (attribute.kind === 'floats') return [tensorType('float32', [attribute.value.length])];
    if (attribute.kind === 'ints') return [tensorType('int64', [attribute.value.length])];
    if (attribute.kind === 'strings') return [tensorType('string', [attribute.value.length])];
  }
  return [undefined];
};

const constantOfShape: Rule = (cx) => {
  const value = cx.node.attributes.get('value');
  const [length] = cx.shape(0) ?? [];
  const rank = typeof length === 'number' && length <= 64 ? length : undefined;
  const shape = cx.ints(0) ?? (rank === undefined ? undefined : new Array<Dim>(rank).fill(null));
  return [tensorType(value?.kind === 'tensor' ? value.value.dtype : 'float32', shape)];
};

const oneHot: Rule = (cx) => {
  const indices = cx.shape(0);
  if (indices === undefined) return [typed(cx.dtype(2), undefined)];
  const axis = cx.axis(cx.node.int('axis') ?? -1, indices.length + 1);
  return [typed(cx.dtype(2), indices.toSpliced(axis, 0, cx.ints(1)?.[0] ?? null))];
};

const eyeLike: Rule = (cx) => {
  const code = cx.node.int('dtype');
  return [typed(code === undefined ? cx.dtype(0) : dtypeOfCode(code), cx.shape(0))];
};

const randomLike: Rule = eyeLike;

export const reduceRules: readonly (readonly [string, Rule])[] = [
  ...['Mean', 'Sum', 'Max', 'Min', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map(
    (kind): [string, Rule] => [`Reduce${kind}`, reduce],
  ),
  ['ArgMax', arg],
  ['ArgMin', arg],
  ['LayerNormalization', layerNormalization],
  ['RMSNormalization', rmsNormalization],
  ['SimplifiedLayerNormalization', rmsNormalization],
  ['com.microsoft::SkipLayerNormalization', skipNormalization],
  ['com.microsoft::SkipSimplifiedLayerNormalization', skipNormalization],
  ['Constant', constant],
  ['ConstantOfShape', constantOfShape],
  ['OneHot', oneHot],
  ['EyeLike', eyeLike],
  ['RandomNormalLike', randomLike],
  ['RandomUniformLike', randomLike],
];
