/**
 * What stands around a normalization and belongs to it: the learned scale, the bias, casts from and to a narrower type.
 * The operator was written with a scale of ones (norm.ts) and takes them inside, one rule each.
 */
import type { Node } from '../../graph/node.ts';
import { formatType } from '../../graph/types.ts';
import { dimsOf, dtypeOf, type Value } from '../../graph/value.ts';
import { constantNumbers, constantTensor } from '../../rewrite/constants.ts';
import { any, constant, either, type OpPattern, op, type ValuePattern } from '../../rewrite/pattern.ts';
import { type Rule, rule } from '../../rewrite/rule.ts';
import { noKernel } from '../../targets/target.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { dtypeOfCode } from '../../tensor/dtype.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { ones, type Platform } from './norm.ts';

/**
 * Rules that take inside what stands around an operator with a scale of ones: casts from and to a narrower type,
 * the learned scale, and, for LayerNormalization, the bias.
 */
export function affineRules(operators: readonly string[], platform: Platform): readonly Rule[] {
  const unscaled = op<'x' | 'ones' | 'norm'>(operators, [any('x'), constant('ones', isOnes)], { as: 'norm' });
  // Two norms of the same value with scales of their own, of which only the scales were still two.
  const several = { ...unscaled, shared: true, checks: [...unscaled.checks, onlyMultiplied] };
  const scaled = op<'x' | 'scale' | 'norm'>('LayerNormalization', [any('x'), any('scale')], { as: 'norm' });
  const moved = <N extends string>(pattern: ValuePattern<N>): ValuePattern<N | 'moved'> =>
    either<N | 'moved'>(pattern, op<N | 'moved'>('Transpose', [pattern], { as: 'moved' }));
  const around = (
    opType: string,
    pattern: ValuePattern<'x' | 'ones' | 'scale' | 'norm'>,
    name: string,
  ): Rule =>
    rule({
      name,
      pattern: op<'x' | 'ones' | 'scale' | 'norm' | 'moved' | 'vector'>(opType, [
        moved(pattern),
        any('vector'),
      ]),
      refine: (match) => {
        const norm = match.node('norm');
        const vector = alongAxes(match.value('vector'), norm, match.find('moved')?.producer);
        if (typeof vector === 'string') return vector;
        const inputs = [match.value('x'), ...(opType === 'Mul' ? [] : [match.value('scale')])];
        return { norm, inputs, vector, moved: match.find('moved')?.producer, output: match.root.output };
      },
      rewrite: ({ norm, inputs, vector, moved, output }, rewriter) => {
        const { value, tensor } = vector;
        const last = tensor === undefined ? value : rewriter.constant(value.name, tensor);
        const normed = rewriter.op(norm.op, [...inputs, last], {
          attributes: Object.fromEntries(norm.attributes),
        });
        rewriter.replace(
          output,
          moved === undefined
            ? normed
            : rewriter.op('Transpose', [normed], { attributes: Object.fromEntries(moved.attributes) }),
        );
      },
    });
  return [
    narrowed(unscaled, platform),
    castBack(operators),
    around('Mul', several, 'scale-inside'),
    ...(operators.includes('LayerNormalization') ? [around('Add', scaled, 'bias-inside')] : []),
  ];
}

/** float16 → Cast → norm in float32 → Cast → float16 is what the operator does with float16 (stash_type). */
function narrowed(unscaled: OpPattern<'x' | 'ones' | 'norm'>, { targets, opset }: Platform): Rule {
  const widened: OpPattern<'x' | 'wide' | 'ones' | 'norm'> = {
    ...unscaled,
    inputs: [op<'x' | 'wide'>('Cast', [any('x')], { shared: true }), ...unscaled.inputs.slice(1)],
  };
  return rule({
    name: 'narrow',
    pattern: op('Cast', [widened]),
    refine: (match) => {
      const [x, norm] = [match.value('x'), match.node('norm')];
      const dtype = dtypeOf(x);
      const to = dtypeOfCode(match.root.int('to') ?? 0);
      const wide = match.value('norm').type;
      if (dtype === undefined || dtype !== to) return `${x.name} is ${dtype}, the result ${to}`;
      if (
        (dtype !== 'float16' && dtype !== 'bfloat16') ||
        wide?.kind !== 'tensor' ||
        wide.dtype !== 'float32'
      ) {
        return `it is not computed in float32 for a narrower type`;
      }
      const missing = noKernel(targets, norm.op, { opset, dtype });
      if (missing !== undefined) return missing;
      const sizes = constantTensor(norm.input(1))?.shape ?? [];
      return { x, norm, scale: ones(dtype, sizes), output: match.root.output };
    },
    rewrite: ({ x, norm, scale, output }, rewriter) => {
      const inputs = [x, rewriter.constant(`${output.name}_scale`, scale)];
      rewriter.replace(
        output,
        rewriter.op(norm.op, inputs, { attributes: Object.fromEntries(norm.attributes) }),
      );
    },
  });
}

/** A norm of a type that is cast to a wider one and back. */
function castBack(operators: readonly string[]): Rule {
  const wide = op<'norm'>('Cast', [op<'norm'>(operators, [any(), any()], { as: 'norm', rest: true })]);
  return rule({
    name: 'cast-back',
    pattern: op<'norm'>('Cast', [wide]),
    refine: (match) => {
      const [norm, { output }] = [match.value('norm'), match.root];
      const [from, between] = [dtypeOf(norm), dtypeOf(match.nodes[1]?.output ?? norm)];
      const exact = from !== undefined && between !== undefined && wider[from]?.includes(between) === true;
      return exact && dtypeOf(output) === from ? { norm, output } : `it is not cast to a wider type and back`;
    },
    rewrite: ({ norm, output }, rewriter) => rewriter.replace(output, norm),
  });
}

/** Types that hold every number of a type. */
export const wider: Readonly<Record<string, readonly string[]>> = {
  float16: ['float32', 'float64'],
  bfloat16: ['float32', 'float64'],
  float32: ['float64'],
};

/**
 * A factor or summand of a norm's output as the operator takes it: one number per element of the normalized axes, a
 * value as it is or a constant to be reshaped.
 */
function alongAxes(
  value: Value,
  norm: Node,
  moved: Node | undefined,
): { readonly value: Value; readonly tensor?: Tensor } | string {
  const shape = dimsOf(norm.output);
  const own = dimsOf(value);
  if (shape === undefined || own === undefined) return `${value.name} is of unknown rank`;
  if (dtypeOf(value) !== dtypeOf(norm.output)) return `${value.name} is of another type than the norm`;
  const axis = norm.int('axis') ?? -1;
  const from = axis < 0 ? axis + shape.length : axis;
  const sizes = shape.slice(from);
  const perm = moved === undefined ? [...shape.keys()] : moved.ints('perm');
  const swaps = moved !== undefined && sizes.length > 1;
  if (perm === undefined || own.length > shape.length || swaps) return `${value.name} is not along the axes`;
  // Axes of the norm's output that the value's dimensions stand for, missing ones in front being 1.
  const covered = new Map(own.map((dim, index) => [perm[shape.length - own.length + index] ?? -1, dim]));
  const fits = [...shape.keys()].every((index) => {
    const dim = covered.get(index) ?? 1;
    return index < from ? dim === 1 : typeof dim === 'number' && dim === shape[index];
  });
  if (!fits) return `${value.name} is ${formatType(value.type)}, not one number per [${sizes}]`;
  if (own.length === sizes.length && moved === undefined) return { value };
  const tensor = constantTensor(value);
  const wanted = sizes.filter((size) => typeof size === 'number');
  return tensor === undefined
    ? `${value.name} is ${formatType(value.type)} and no constant`
    : { value, tensor: reshape(tensor, wanted) };
}

function onlyMultiplied(norm: Node): string | undefined {
  const other = norm.output.isOutput || norm.output.consumers().some((node) => node.op !== 'Mul');
  const alone = norm.output.uses.size === 1 && !norm.output.isOutput;
  return alone || !other ? undefined : `${norm.output.name} is also read as it is`;
}

function isOnes(value: Value): string | undefined {
  return constantNumbers(value)?.every((number) => number === 1) === true
    ? undefined
    : `${value.name} is a learned scale`;
}
