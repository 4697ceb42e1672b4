/**
 * Attention in one operator. Whatever way it is spelled, it becomes one internal node (internal.ts), which is lowered to
 * an operator that every target runs. Where there is none, or where something inside has to stay as it is (quantized
 * intermediates, weights that are read elsewhere), the nodes stay, and the last one says what they mean.
 */
import { z } from 'zod';
import { inferNode } from '../../../graph/infer/infer.ts';
import { importDomain, type Model, opsetOf } from '../../../graph/model.ts';
import type { Node } from '../../../graph/node.ts';
import { dtypeOf } from '../../../graph/value.ts';
import { removeDeadCode } from '../../../rewrite/dead-code.ts';
import { allNodes, applyRules } from '../../../rewrite/driver.ts';
import { metadataKeys } from '../../../rewrite/rewriter.ts';
import type { Rule } from '../../../rewrite/rule.ts';
import { noKernel, type Target } from '../../../targets/target.ts';
import { layoutFolds } from '../../folds.ts';
import type { Pass, PassContext } from '../../pass.ts';
import { targetOption, targetsFor } from '../../target-option.ts';
import { einsumProducts } from './einsum.ts';
import { raiseAttention } from './internal.ts';
import { groupQueryAttention } from './lower-group-query.ts';
import { multiHeadAttention } from './lower-multi-head.ts';
import { groupedLowering, type Lowering, loweringsFor, type Refusal, refusalOf } from './lowerings.ts';
import { maskObjection } from './mask.ts';
import { type Attention, findAttention, isPlain } from './match.ts';
import { unpackProjections } from './packed.ts';
import { raiseStandard } from './raise-standard.ts';
import { Shared } from './shared.ts';

/** Operators around the fused one are written as of this version. */
const leastOpset = 18;

/** Operators of com.microsoft that attention becomes: which input holds the keys of a cache. */
const pastInput: ReadonlyMap<string, number> = new Map([
  [multiHeadAttention, 6],
  [groupQueryAttention, 3],
]);

const options = z.strictObject({ ...targetOption });

export const fuseAttention: Pass<z.infer<typeof options>> = {
  name: 'fuse-attention',
  summary: 'runs attention as one operator, with the cache and the mask of a decoder inside',
  options,
  run: (model, choice, cx) => {
    const opset = opsetOf(model);
    if (opset < leastOpset) {
      cx.note(
        `the model has operator set ${opset}, attention is fused from ${leastOpset} on: see upgrade-opset`,
      );
      return { changed: false, stats: { attention: 0, caches: 0 } };
    }
    const targets = targetsFor(choice, cx);
    const shared = new Shared();
    const lowerings = loweringsFor(model, targets);
    const refuses = refusalOf(lowerings);
    const spelled = applyRules(model.graph, [einsumProducts, unpackProjections(shared)], inferNode);
    const matched = applyRules(
      model.graph,
      [matchAttention(refuses, shared), ...standardRules(model, targets, refuses, shared)],
      inferNode,
    );
    // One rule after the other: a layout that is tidied too early would hide the cache from the lowering.
    const lowering = [groupedLowering(model, targets), ...lowerings].map((each) => onlyWhere(each, shared));
    const lowered = applyRules(model.graph, lowering, inferNode);
    if (spelled.changed || matched.changed) {
      applyRules(model.graph, layoutFolds, inferNode);
      removeDeadCode(model.graph);
    }
    if ([...allNodes(model.graph)].some(({ op }) => pastInput.has(op))) {
      importDomain(model, 'com.microsoft');
    }
    const marked = markPlain(model, refuses, cx);
    const caches = [...allNodes(model.graph)].filter(
      (node) => node.input(pastInput.get(node.op) ?? -1) !== undefined,
    ).length;
    return {
      changed: spelled.changed || matched.changed || marked > 0,
      stats: {
        attention: [...lowered.applied.values()].reduce((sum, count) => sum + count, 0),
        caches,
        ...(marked === 0 ? {} : { plain: marked }),
      },
    };
  },
};

/** A lowering where it takes the operands. */
function onlyWhere({ refuses, rule }: Lowering, shared: Shared): Rule {
  const inner = rule(shared);
  return {
    ...inner,
    attempt: (node) => {
      const q = node.input(0);
      const reason = refuses(dtypeOf(q) ?? '', node.input(3) !== undefined);
      return reason === undefined ? inner.attempt(node) : { reason, depth: 0 };
    },
  };
}

/** Only where a target does not run it: the operator that a graph already has is as good elsewhere. */
function standardRules(
  model: Model,
  targets: readonly Target[],
  refuses: Refusal,
  shared: Shared,
): readonly Rule[] {
  const opset = opsetOf(model);
  const missing = noKernel(targets, 'Attention', { opset, dtype: 'float32' });
  return missing === undefined ? [] : [raiseStandard(shared, refuses)];
}

function matchAttention(refuses: Refusal, shared: Shared): Rule {
  return {
    name: 'attention',
    roots: ['MatMul'],
    attempt: (root) => {
      const found = findAttention(root);
      if ('reason' in found) return found;
      if (isPlain(found)) return { reason: found.plain, depth: 0 };
      const objection = unfit(found, refuses);
      if (objection !== undefined) return { reason: objection, depth: 0 };
      return { nodes: found.nodes, apply: (rewriter) => raiseAttention(found, rewriter, shared) };
    },
  };
}

/** Why no operator of the targets can stand for an attention that is known. */
function unfit(found: Attention, refuses: Refusal): string | undefined {
  const dtypes = new Set([found.q, found.k, found.v].map(({ value }) => dtypeOf(value)));
  const [dtype] = dtypes;
  if (dtype === undefined || dtypes.size > 1) return `its operands are ${[...dtypes].join(' and ')}`;
  const masked = found.steps.some(({ kind }) => ['add', 'select', 'apart'].includes(kind));
  return maskObjection(found.steps, found.heads, dtype) ?? refuses(dtype, masked);
}

/** Marks and reports attention that stays spelled out, and reports every other Softmax. Gives the number marked. */
function markPlain(model: Model, refuses: Refusal, cx: PassContext): number {
  const reasons = new Map<string, Node[]>();
  const others = new Map<string, Node[]>();
  const note = (notes: Map<string, Node[]>, reason: string, node: Node): void => {
    notes.set(reason, [...(notes.get(reason) ?? []), node]);
  };
  const softmaxes = new Set([...allNodes(model.graph)].filter((node) => node.op === 'Softmax'));
  for (const node of allNodes(model.graph)) {
    if (node.op !== 'MatMul') continue;
    const found = findAttention(node);
    if ('reason' in found) {
      if (found.depth > 0) note(others, found.reason, node);
      continue;
    }
    const reason = isPlain(found) ? found.plain : unfit(found, refuses);
    if (reason !== undefined) note(reasons, reason, node);
  }
  for (const [reason, nodes] of reasons) {
    for (const node of nodes) node.metadata.set(metadataKeys.means, 'attention_blocks');
    cx.note(`attention at ${nodes.length} places, first ${nodes[0]?.name}, is not fused: ${reason}`);
  }
  for (const [reason, nodes] of others) {
    cx.note(`no attention at ${nodes.length} products with a Softmax, first ${nodes[0]?.name}: ${reason}`);
  }
  const spelled = [...reasons.values(), ...others.values()].reduce((sum, nodes) => sum + nodes.length, 0);
  const rest = softmaxes.size - spelled;
  if (rest > 0) cx.note(`${rest} Softmax, among them ${[...softmaxes][0]?.name}, belong to no attention`);
  return [...reasons.values()].reduce((sum, nodes) => sum + nodes.length, 0);
}
