/**
 * Layer normalization, however it is spelled out, as LayerNormalization: (x - mean) / sqrt(variance + epsilon) first,
 * then the scale and the bias that follow (Ba, Kiros, Hinton, Layer Normalization). The variance may be the mean of
 * (x - mean)² or mean(x²) - mean²; what is divided, multiplied, inverted or raised to -0.5 is the same product.
 */
import { dtypeOf } from '../../graph/value.ts';
import type { Match } from '../../rewrite/matcher.ts';
import { any, constant, either, number, op, product, type ValuePattern } from '../../rewrite/pattern.ts';
import { type Rule, rule } from '../../rewrite/rule.ts';
import { noKernel } from '../../targets/target.ts';
import { type Kept, mark, meaningRule } from './meaning.ts';
import { inverseDeviations, mean, type Platform, readNorm, square, writeNorm } from './norm.ts';
import { normPass } from './norm-pass.ts';

const operator = 'LayerNormalization';

type Name = 'x' | 'mean' | 'variance' | 'epsilon';

const average = mean(any('x'), 'mean');
const narrow = op('Sub', [any('x'), average]);
/** Exporters of float16 graphs compute the rest in a wider type. */
const centered = either<'x' | 'mean'>(narrow, op<'x' | 'mean'>('Cast', [narrow]));
const difference = op('Sub', [mean(square(any('x')), 'variance'), square(average)]);
const variance: ValuePattern<Name> = either<Name>(
  mean<Name>(square(centered), 'variance'),
  difference,
  // Rounding may take the difference below zero.
  op<Name>('Max', [difference, number(0)]),
  op<Name>('Max', [number(0), difference]),
);

function rules({ targets, opset }: Platform, kept: Kept): readonly Rule[] {
  const refine = (match: Match<Name>) => {
    const norm = readNorm(match, [match.node('mean'), match.node('variance')]);
    if (typeof norm === 'string') return norm;
    const missing = noKernel(targets, operator, { opset, dtype: norm.dtype });
    return { root: match.root, norm, missing };
  };
  return inverseDeviations(variance).flatMap((factor) => [
    meaningRule('layer_norm', kept, {
      name: 'layer-norm',
      pattern: product([centered, factor]),
      refine,
      rewrite: ({ root, norm, missing }, rewriter) => {
        if (missing === undefined) rewriter.replace(norm.output, writeNorm(rewriter, operator, norm));
        else mark(root, 'layer_norm', missing, kept);
      },
    }),
    // x · (scale / deviation) + (bias - mean · (scale / deviation)), as TensorFlow writes it.
    rule({
      name: 'distributed-layer-norm',
      pattern: op('Add', [
        product([any('x'), factor, constant('scale')]),
        op('Sub', [any('bias'), product([average, factor, constant('scale')])]),
      ]),
      refine: (match) => {
        const found = refine(match);
        return typeof found === 'string'
          ? found
          : { ...found, scale: match.value('scale'), bias: match.value('bias') };
      },
      rewrite: ({ root, norm, missing, scale, bias }, rewriter) => {
        if (missing !== undefined) {
          mark(root, 'layer_norm', missing, kept);
          return;
        }
        const scaled = rewriter.op('Mul', [writeNorm(rewriter, operator, norm), scale]);
        rewriter.replace(norm.output, rewriter.op('Add', [scaled, bias]));
      },
    }),
  ]);
}

/** RMS normalization of values whose mean was taken off. */
function rmsOfCentered({ targets, opset }: Platform): Rule {
  return rule({
    name: 'centered-rms-norm',
    pattern: op<Name | 'scale'>(
      ['RMSNormalization', 'SimplifiedLayerNormalization'],
      [centered, any('scale')],
    ),
    refine: (match) => {
      const [{ root }, x, scale] = [match, match.value('x'), match.value('scale')];
      const norm = readNorm(match, [match.node('mean')]);
      if (typeof norm === 'string') return norm;
      const axis = root.int('axis') ?? -1;
      const first = axis < 0 ? axis + norm.rank : axis;
      const last = [...Array(norm.rank).keys()].slice(first);
      if (String(norm.axes) !== String(last))
        return `the mean is over [${norm.axes}], the norm over [${last}]`;
      if (dtypeOf(scale) !== norm.dtype) return `${scale.name} is of another type than ${x.name}`;
      return noKernel(targets, operator, { opset, dtype: norm.dtype }) ?? { root, x, scale };
    },
    rewrite: ({ root, x, scale }, rewriter) => {
      const attributes = { axis: -1, ...Object.fromEntries(root.attributes) };
      rewriter.replace(root.output, rewriter.op(operator, [x, scale], { attributes }));
    },
  });
}

export const fuseLayerNorm = normPass({
  name: 'fuse-layernorm',
  summary: 'runs layer normalization as one operator, however it is spelled',
  title: 'layer normalization',
  one: 'a layer normalization',
  depth: 7,
  operators: [operator],
  rules: (platform, kept) => [...rules(platform, kept), rmsOfCentered(platform)],
});
