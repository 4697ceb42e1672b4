/**
 * A residual sum and the norm over it as one operator that gives both: SkipLayerNormalization and
 * SkipSimplifiedLayerNormalization of com.microsoft, over [batch, sequence, C] or [rows, C], with the bias of the layer
 * before the sum inside.
 */

import { z } from 'zod';
import { float } from '../../graph/attribute.ts';
import { sameDim } from '../../graph/infer/dims.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { importDomain, opsetOf } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { formatType, staticShape } from '../../graph/types.ts';
import { dimsOf, dtypeOf, type Value } from '../../graph/value.ts';
import { constantTensor } from '../../rewrite/constants.ts';
import { removeDeadCode } from '../../rewrite/dead-code.ts';
import { applyRules } from '../../rewrite/driver.ts';
import type { Rule } from '../../rewrite/rule.ts';
import { noKernel } from '../../targets/target.ts';
import type { Pass } from '../pass.ts';
import { targetOption, targetsFor } from '../target-option.ts';
import type { Platform } from './norm.ts';
import { fusionResult, noteMisses } from './notes.ts';

const domain = 'com.microsoft';
const skipOperators: Readonly<Record<string, string>> = {
  LayerNormalization: 'SkipLayerNormalization',
  SimplifiedLayerNormalization: 'SkipSimplifiedLayerNormalization',
  RMSNormalization: 'SkipSimplifiedLayerNormalization',
};

const options = z.strictObject(targetOption);

export const fuseSkipNorm: Pass<z.infer<typeof options>> = {
  name: 'fuse-skip-norm',
  summary: 'runs a residual sum and the norm over it as one operator, where that is not slower',
  options,
  run: (model, given, cx) => {
    const platform = { targets: targetsFor(given, cx), opset: opsetOf(model) };
    const rule = skipNorm(platform);
    const report = applyRules(model.graph, [rule], inferNode);
    if (report.changed) {
      removeDeadCode(model.graph);
      importDomain(model, domain);
    }
    noteMisses(report, cx, 'a sum before a norm', 2);
    return fusionResult(report);
  },
};

interface SkipNorm {
  readonly operator: string;
  readonly input: Value;
  readonly skip: Value;
  readonly bias: { readonly value: Value; readonly node: Node } | undefined;
}

/**
 * The root is the sum, since others may read it before the norm stands: at its place all inputs are there, as long as
 * scale and bias are constants.
 */
function skipNorm(platform: Platform): Rule {
  return {
    name: 'skip-norm',
    roots: ['Add'],
    attempt: (root) => {
      const norm = normOf(root);
      if (norm === undefined) return { reason: 'no norm reads it', depth: 1 };
      const found = inspect(root, norm, platform);
      if (typeof found === 'string') return { reason: found, depth: 2 };
      const nodes = [root, norm, ...(found.bias === undefined ? [] : [found.bias.node])];
      return {
        nodes,
        apply: (rewriter) => {
          const { operator, input, skip, bias } = found;
          const [scale, beta] = [norm.input(1) ?? null, norm.input(2) ?? null];
          const layer = operator === 'SkipLayerNormalization';
          const inputs = [input, skip, scale, ...(layer ? [beta] : []), bias?.value ?? null];
          const others = root.output.isOutput || root.output.uses.size > 1;
          const fused = rewriter.node(operator, inputs, others ? [{}, null, null, {}] : [{}], {
            domain,
            attributes: { epsilon: float(norm.float('epsilon') ?? 1e-5) },
          });
          rewriter.replace(norm.output, fused.output);
          const total = fused.outputs[3];
          if (total != null) rewriter.replace(root.output, total);
        },
      };
    },
  };
}

/** The first norm that normalizes the node's output. */
function normOf(sum: Node): Node | undefined {
  return [...sum.output.uses].find(
    ({ node, index }) => index === 0 && skipOperators[node.op] !== undefined && node.graph === sum.graph,
  )?.node;
}

function inspect(sum: Node, norm: Node, { targets, opset }: Platform): SkipNorm | string {
  const operator = skipOperators[norm.op] ?? '';
  const shape = dimsOf(sum.output);
  const dtype = dtypeOf(sum.output);
  if (shape === undefined || dtype === undefined) return `the type of ${sum.output.name} is not known`;
  if (shape.length !== 2 && shape.length !== 3) return `${sum.output.name} is ${formatType(sum.output.type)}`;
  if (![-1, shape.length - 1].includes(norm.int('axis') ?? -1)) return `${norm.name} is over several axes`;
  if (norm.outputs.slice(1).some((output) => output !== null))
    return `${norm.name} gives its statistics, too`;
  if ((norm.int('stash_type') ?? 1) !== 1) return `${norm.name} does not compute in float32`;
  const width = shape.at(-1);
  for (const vector of norm.inputs.slice(1)) {
    const isVector = vector != null && String(staticShape(vector.type)) === String([width]);
    if (!isVector || constantTensor(vector) === undefined) return `${vector?.name} is no constant [${width}]`;
  }
  const missing = noKernel(targets, `${domain}::${operator}`, { opset, dtype });
  if (missing !== undefined) return missing;
  const [left, right] = [sum.input(0), sum.input(1)];
  if (left === undefined || right === undefined) return `${sum.name} has lost an input`;
  for (const part of [left, right]) {
    const own = dimsOf(part);
    const same = own?.length === shape.length && own.every((dim, axis) => sameDim(dim, shape[axis] ?? null));
    if (!same) return `${part.name} is ${formatType(part.type)}, the sum ${formatType(sum.output.type)}`;
  }
  const bias = biasOf(left, sum, width) ?? biasOf(right, sum, width);
  if (bias === undefined) return { operator, input: left, skip: right, bias };
  const skip = bias.node === left.producer ? right : left;
  return { operator, input: bias.input, skip, bias };
}

/** The bias that was added to a summand just before, when nobody else reads the result. */
function biasOf(
  summand: Value,
  sum: Node,
  width: unknown,
): { readonly input: Value; readonly value: Value; readonly node: Node } | undefined {
  const node = summand.producer;
  if (node?.op !== 'Add' || summand.isOutput || node.graph !== sum.graph) return undefined;
  if ([...summand.uses].length !== 1) return undefined;
  const [left, right] = [node.input(0), node.input(1)];
  for (const [input, value] of [
    [left, right],
    [right, left],
  ]) {
    if (input === undefined || value === undefined || constantTensor(value) === undefined) continue;
    const isVector = String(staticShape(value.type)) === String([width]);
    if (isVector && dimsOf(input)?.length === dimsOf(summand)?.length) return { input, value, node };
  }
  return undefined;
}
