/**
 * RMS normalization, however it is spelled out: x / sqrt(mean(x²) + epsilon), then the scale that follows (Zhang and
 * Sennrich, Root Mean Square Layer Normalization). It becomes RMSNormalization where the model's operator set and
 * the targets have it, else onnxruntime's SimplifiedLayerNormalization.
 */
import { z } from 'zod';
import { inferNode } from '../../graph/infer/infer.ts';
import type { Value } from '../../graph/value.ts';
import { removeDeadCode } from '../../rewrite/dead-code.ts';
import { applyRules } from '../../rewrite/driver.ts';
import { any, product } from '../../rewrite/pattern.ts';
import { nodeRule, type Rule, rule } from '../../rewrite/rule.ts';
import { noKernel } from '../../targets/target.ts';
import type { Pass } from '../pass.ts';
import { targetOption, targetsFor } from '../target-option.ts';
import {
  dtypeOf,
  inverseDeviations,
  mean,
  opsetOf,
  type Platform,
  readNorm,
  square,
  writeNorm,
} from './norm.ts';
import { affineRules } from './norm-affine.ts';
import { fusionResult, noteMisses } from './notes.ts';

const standard = 'RMSNormalization';
const simplified = 'SimplifiedLayerNormalization';

const options = z.strictObject(targetOption);

export const fuseRmsNorm: Pass<z.infer<typeof options>> = {
  name: 'fuse-rmsnorm',
  summary: 'runs RMS normalization as one operator, however it is spelled',
  options,
  run: (model, given, cx) => {
    const platform = { targets: targetsFor(given, cx), opset: opsetOf(model) };
    const report = applyRules(
      model.graph,
      [...spelled(platform), simplify(platform), ...affineRules([standard, simplified], platform)],
      inferNode,
    );
    if (report.changed) removeDeadCode(model.graph);
    noteMisses(report, cx, 'an RMS normalization', 4);
    return fusionResult(report);
  },
};

function spelled(platform: Platform): readonly Rule[] {
  return inverseDeviations(mean(square(any('x')), 'mean')).map((factor) =>
    rule({
      name: 'rms-norm',
      pattern: product([any('x'), factor]),
      refine: (match) => {
        const norm = readNorm(match, [match.node('mean')]);
        if (typeof norm === 'string') return norm;
        if (isCentered(norm.x)) return `${norm.x.name} has its mean taken off: a layer normalization`;
        const operator = operatorFor(platform, norm.dtype);
        return 'missing' in operator ? operator.missing : { norm, operator: operator.name };
      },
      rewrite: ({ norm, operator }, rewriter) =>
        rewriter.replace(norm.output, writeNorm(rewriter, operator, norm)),
    }),
  );
}

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
  const average = subtrahend?.producer;
  return minuend != null && average?.op === 'ReduceMean' && average.input(0) === minuend;
}

/** RMSNormalization that a target has no kernel for, where all have the other one. */
function simplify({ targets, opset }: Platform): Rule {
  return nodeRule({
    name: 'simplify',
    roots: [standard],
    inspect: (node) => {
      const [x, scale] = [node.input(0), node.input(1)];
      const dtype = x === undefined ? undefined : dtypeOf(x);
      if (x === undefined || scale === undefined || dtype === undefined) return 'the type is not known';
      if (noKernel(targets, standard, { opset, dtype }) === undefined) return 'the targets run it';
      return noKernel(targets, simplified, { opset, dtype }) ?? { node, x, scale };
    },
    rewrite: ({ node, x, scale }, rewriter) => {
      const attributes = { axis: -1, ...Object.fromEntries(node.attributes) };
      rewriter.replace(node.output, rewriter.op(simplified, [x, scale], { attributes }));
    },
  });
}
