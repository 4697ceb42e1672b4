/**
 * RMS normalization, however it is spelled out: x / sqrt(mean(x²) + epsilon), then the scale that follows (Zhang and
 * Sennrich, Root Mean Square Layer Normalization). It becomes RMSNormalization where the model's operator set and
 * the targets have it, else onnxruntime's SimplifiedLayerNormalization.
 */
import { dtypeOf, type Value } from '../../graph/value.ts';
import { beforeRounding } from '../../rewrite/constants.ts';
import { any, product } from '../../rewrite/pattern.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import { noKernel } from '../../targets/target.ts';
import { codeOfDType } from '../../tensor/dtype.ts';
import { type Kept, mark, meaningRule } from './meaning.ts';
import { inverseDeviations, mean, type Platform, readNorm, square, writeNorm } from './norm.ts';
import { wider } from './norm-affine.ts';
import { normPass } from './norm-pass.ts';

const standard = 'RMSNormalization';
const simplified = 'SimplifiedLayerNormalization';

function spelled(platform: Platform, kept: Kept): readonly Rule[] {
  return inverseDeviations(mean(square(any('x')), 'mean')).map((factor) =>
    meaningRule('rms_norm', kept, {
      name: 'rms-norm',
      pattern: product([any('x'), factor]),
      refine: (match) => {
        const norm = readNorm(match, [match.node('mean')]);
        if (typeof norm === 'string') return norm;
        if (isCentered(norm.x)) return `${norm.x.name} has its mean taken off: a layer normalization`;
        return { root: match.root, norm, operator: operatorFor(platform, norm.dtype) };
      },
      rewrite: ({ root, norm, operator }, rewriter) => {
        if ('missing' in operator) mark(root, 'rms_norm', operator.missing, kept);
        else rewriter.replace(norm.output, writeNorm(rewriter, operator.name, norm));
      },
    }),
  );
}

/** x narrower than the scale, which no kernel takes: x in the scale's type. */
const oneType = nodeRule({
  name: 'one-type',
  roots: [standard, simplified],
  inspect: (node) => {
    const [x, scale] = [node.input(0), node.input(1)];
    const to = scale === undefined ? undefined : dtypeOf(scale);
    if (x === undefined || scale === undefined || to === undefined) return 'the types are not known';
    if (wider[dtypeOf(x) ?? '']?.includes(to) !== true) return 'x is not narrower than the scale';
    if (node.outputs.length > 1) return 'its statistics are read';
    return { node, x, scale, to };
  },
  rewrite: ({ node, x, scale, to }, rewriter) => {
    const widened = rewriter.op('Cast', [x], { attributes: { to: codeOfDType(to) } });
    const attributes = Object.fromEntries(node.attributes);
    rewriter.replace(node.output, rewriter.op(node.op, [widened, scale], { attributes }));
  },
});

/** The operator that every target runs; else why there is none. */
function operatorFor(
  { targets, opset }: Platform,
  dtype: string,
): { readonly name: string } | { readonly missing: string } {
  const missing = (name: string) => noKernel(targets, name, { opset, dtype });
  if (missing(standard) === undefined) return { name: standard };
  const reason = missing(simplified);
  return reason === undefined ? { name: simplified } : { missing: reason };
}

/** x - mean(x) */
function isCentered(x: Value): boolean {
  const [minuend, subtrahend] = x.producer?.op === 'Sub' ? x.producer.inputs : [];
  if (minuend == null || subtrahend == null) return false;
  const average = beforeRounding(subtrahend).producer;
  const averaged = average?.op === 'ReduceMean' ? average.input(0) : undefined;
  return averaged !== undefined && beforeRounding(averaged) === beforeRounding(minuend);
}

export const fuseRmsNorm = normPass({
  name: 'fuse-rmsnorm',
  summary: 'runs RMS normalization as one operator, however it is spelled',
  title: 'RMS normalization',
  one: 'an RMS normalization',
  depth: 4,
  operators: [standard, simplified],
  rules: (platform, kept) => [...spelled(platform, kept), oneType],
});
