/**
 * The bias of a linear layer inside the activation that follows it: BiasGelu for the exact GELU, FastGelu for the one
 * with tanh. A bias without an activation stays an Add, of which runtimes make a Gemm.
 */

import { z } from 'zod';
import { inferNode } from '../../graph/infer/infer.ts';
import { importDomain, opsetOf } from '../../graph/model.ts';
import { staticShape } from '../../graph/types.ts';
import { dimsOf, dtypeOf } from '../../graph/value.ts';
import { removeDeadCode } from '../../rewrite/dead-code.ts';
import { applyRules } from '../../rewrite/driver.ts';
import { any, constant, op } from '../../rewrite/pattern.ts';
import { type Rule, rule } from '../../rewrite/rule.ts';
import { noKernel } from '../../targets/target.ts';
import type { Pass } from '../pass.ts';
import { targetOption, targetsFor } from '../target-option.ts';
import type { Platform } from './norm.ts';
import { fusionResult, noteMisses } from './notes.ts';

const domain = 'com.microsoft';
const options = z.strictObject(targetOption);

export const fuseBias: Pass<z.infer<typeof options>> = {
  name: 'fuse-bias',
  summary: 'takes the bias of a linear layer into the GELU that follows it',
  options,
  run: (model, given, cx) => {
    const platform = { targets: targetsFor(given, cx), opset: opsetOf(model) };
    const report = applyRules(model.graph, [biasInside(platform)], inferNode);
    if (report.changed) {
      removeDeadCode(model.graph);
      importDomain(model, domain);
    }
    noteMisses(report, cx, 'a bias before GELU', 2);
    return fusionResult(report);
  },
};

function biasInside({ targets, opset }: Platform): Rule {
  return rule({
    name: 'bias-gelu',
    pattern: op(
      ['Gelu', 'com.microsoft::Gelu', 'com.microsoft::FastGelu'],
      [op('Add', [any('x'), constant('bias')])],
    ),
    refine: (match) => {
      const [x, bias, { root }] = [match.value('x'), match.value('bias'), match];
      const tanh = root.opType === 'FastGelu' || root.string('approximate') === 'tanh';
      const operator = tanh ? 'FastGelu' : 'BiasGelu';
      const width = dimsOf(x)?.at(-1);
      const dtype = dtypeOf(x);
      if (dtype === undefined || typeof width !== 'number') return `the width of ${x.name} is not known`;
      if (String(staticShape(bias.type)) !== String([width])) return `${bias.name} is no bias of [${width}]`;
      const missing = noKernel(targets, `${domain}::${operator}`, { opset, dtype });
      return missing ?? { x, bias, operator, output: root.output };
    },
    rewrite: ({ x, bias, operator, output }, rewriter) =>
      rewriter.replace(output, rewriter.op(operator, [x, bias], { domain })),
  });
}
