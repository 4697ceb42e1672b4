/**
 * Rules that turn an activation's spelling into one operator, or, where a target has no kernel for any operator of
 * that meaning, mark its last node with what it means.
 */
import type { Attribute } from '../../graph/attribute.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { importDomain, type Model, opsetOf } from '../../graph/model.ts';
import { formatType } from '../../graph/types.ts';
import { dimsOf, dtypeOf } from '../../graph/value.ts';
import { removeDeadCode } from '../../rewrite/dead-code.ts';
import { applyRules } from '../../rewrite/driver.ts';
import type { OpPattern, ProductPattern } from '../../rewrite/pattern.ts';
import type { Rule } from '../../rewrite/rule.ts';
import { noKernel } from '../../targets/target.ts';
import { codeOfDType } from '../../tensor/dtype.ts';
import type { Meaning } from '../census.ts';
import type { PassContext, PassResult } from '../pass.ts';
import { type Kept, mark, meaningRule, noteKept } from './meaning.ts';
import type { Platform } from './norm.ts';
import { fusionResult, noteMisses } from './notes.ts';

export interface Spelling {
  readonly pattern: OpPattern<'x'> | ProductPattern<'x'>;
  readonly meaning: Meaning;
  /** Operators with one input that compute it, the best first. */
  readonly operators: readonly Operator[];
}

export interface Operator {
  readonly domain: string;
  readonly opType: string;
  readonly attributes: Readonly<Record<string, Attribute | string>>;
}

/** Applies the rules; what stays spelled out is noted with the reason. */
export function fuseActivations(
  model: Model,
  spellings: readonly Spelling[],
  targets: Platform['targets'],
  cx: PassContext,
  what: string,
): PassResult {
  const kept: Kept = new Map();
  const platform = { targets, opset: opsetOf(model) };
  const rules = spellings.map((spelling) => activationRule(spelling, platform, kept));
  const report = applyRules(model.graph, rules, inferNode);
  if (report.changed) {
    removeDeadCode(model.graph);
    const domains = new Set([...model.graph.nodes()].map((node) => node.domain));
    if (domains.has('com.microsoft')) importDomain(model, 'com.microsoft');
  }
  noteKept(kept, cx, what);
  // What is said to be another function is no near miss of this one.
  const own = new Set<string>(spellings.map(({ meaning }) => meaning));
  const misses = report.misses.filter(({ calls }) => calls === undefined || own.has(calls));
  noteMisses({ misses }, cx, what, 4);
  return fusionResult(report);
}

function activationRule(
  { pattern, meaning, operators }: Spelling,
  { targets, opset }: Platform,
  kept: Kept,
): Rule {
  return meaningRule(meaning, kept, {
    name: meaning,
    pattern,
    refine: (match) => {
      const { root } = match;
      const [x, { output }] = [match.value('x'), root];
      const dtype = dtypeOf(x);
      if (dtype === undefined) return `the type of ${x.name} is not known`;
      if (dimsOf(x) === undefined || dimsOf(x)?.length !== dimsOf(output)?.length) {
        return `${output.name} is ${formatType(output.type)}, ${x.name} is ${formatType(x.type)}`;
      }
      const reasons = operators.map((operator) => {
        const name = operator.domain === '' ? operator.opType : `${operator.domain}::${operator.opType}`;
        return { operator, missing: noKernel(targets, name, { opset, dtype }) };
      });
      const operator = reasons.find(({ missing }) => missing === undefined)?.operator;
      return { root, x, operator, reason: reasons[0]?.missing ?? '' };
    },
    rewrite: ({ root, x, operator, reason }, rewriter) => {
      if (operator === undefined) {
        mark(root, meaning, reason, kept);
        return;
      }
      const { domain, opType, attributes } = operator;
      const result = rewriter.op(opType, [x], { domain, attributes });
      const to = dtypeOf(root.output);
      rewriter.replace(
        root.output,
        to === undefined || to === dtypeOf(result)
          ? result
          : rewriter.op('Cast', [result], { attributes: { to: codeOfDType(to) } }),
      );
    },
  });
}
