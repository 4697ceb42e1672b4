/**
 * Attention in one operator. Matched once into the internal node
 *
 *   vlm.internal::ScaledDotProductAttention(q [N, h, S, d], k [N, h, T, d], v [N, h, T, e], mask?) → [N, h, S, e]
 *
 * which is lowered to com.microsoft::MultiHeadAttention: q, k, v as [N, S, h · d], the additive mask as
 * attention_bias [1|N, 1|h, S, T], and a cache (Concat of past and new on the slot axis, also graph output) as
 * past and present. No internal node leaves the pass.
 */
import { z } from 'zod';
import { float } from '../../graph/attribute.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { type Dim, formatType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { constantScalar } from '../../rewrite/constants.ts';
import { removeDeadCode } from '../../rewrite/dead-code.ts';
import { allNodes, applyRules, type RewriteReport } from '../../rewrite/driver.ts';
import { any, either, op, scalar, type ValuePattern } from '../../rewrite/pattern.ts';
import type { Rewriter } from '../../rewrite/rewriter.ts';
import { nodeRule, type Rule, rule } from '../../rewrite/rule.ts';
import { unsupported } from '../../targets/target.ts';
import { layoutFolds } from '../folds.ts';
import type { Pass, PassContext } from '../pass.ts';

const internalDomain = 'vlm.internal';
const internalOp = 'ScaledDotProductAttention';
const multiHeadAttention = 'com.microsoft::MultiHeadAttention';

export const fuseAttention: Pass<Record<string, never>> = {
  name: 'fuse-attention',
  summary: 'runs attention as one operator, with the cache and the mask of a decoder inside',
  options: z.strictObject({}),
  run: (model, _options, cx) => {
    const matched = applyRules(model.graph, [matchAttention(cx)], inferNode);
    // One rule after the other: a layout that is tidied too early would hide the cache from the lowering.
    const lowered = applyRules(model.graph, [lowerAttention], inferNode);
    if (matched.changed) {
      applyRules(model.graph, layoutFolds, inferNode);
      removeDeadCode(model.graph);
      model.opsetImports.set('com.microsoft', model.opsetImports.get('com.microsoft') ?? 1);
    }
    noteMisses(model, matched, cx);
    const caches = [...allNodes(model.graph)].filter(
      (node) => node.op === multiHeadAttention && node.input(6) !== undefined,
    ).length;
    return {
      changed: matched.changed,
      stats: { attention: lowered.applied.get(lowerAttention.name) ?? 0, caches },
    };
  },
};

/** q · scale or q; scores + mask or scores. */
const query: ValuePattern<'q' | 'scale'> = either(op('Mul', [any('q'), scalar('scale')]), any('q'));
const scores = op('MatMul', [query, op('Transpose', [any('k')], { attributes: { perm: [0, 1, 3, 2] } })]);
const weights = op('Softmax', [either(op('Add', [scores, any('mask')]), scores)], { as: 'weights' });
const attention = op('MatMul', [weights, any('v')]);

interface Shape {
  readonly heads: number;
  readonly headDim: number;
}

function matchAttention(cx: PassContext): Rule {
  return rule({
    name: 'attention',
    pattern: attention,
    refine: (match) => {
      const softmax = match.node('weights');
      const [q, k, v] = [match.value('q'), match.value('k'), match.value('v')];
      const mask = match.find('mask') ?? null;
      if (![-1, 3].includes(softmax.int('axis') ?? -1)) return `${softmax.name} is not over the last axis`;
      const shape = headShape(q);
      for (const part of [q, k, v]) {
        const own = headShape(part);
        if (shape === undefined || own === undefined || own.heads !== shape.heads) {
          return `${part.name} is ${formatType(part.type)}, not [N, heads, S, headDim]`;
        }
      }
      const objection =
        maskObjection(mask, match.value('weights')) ??
        unsupported(cx.targets, multiHeadAttention, (support) => {
          const dtype = q.type?.kind === 'tensor' ? q.type.dtype : '?';
          if (!support.dtypes.includes(dtype)) return `no kernel for ${dtype}`;
          return mask !== null && !support.attentionBias ? 'no attention_bias' : undefined;
        });
      if (objection !== undefined) return objection;
      const scale = match.find('scale');
      return {
        q,
        k,
        v,
        mask,
        scale: scale === undefined ? 1 : (constantScalar(scale) ?? 1),
        output: match.root.output,
      };
    },
    rewrite: ({ q, k, v, mask, scale, output }, rewriter) => {
      const node = rewriter.node(internalOp, [q, k, v, mask], [{ type: output.type }], {
        domain: internalDomain,
        attributes: { scale: float(scale) },
      });
      rewriter.replace(output, node.output);
    },
  });
}

/** attention_bias may be broadcast over batch and heads, not over queries and keys. */
function maskObjection(mask: Value | null, scores: Value): string | undefined {
  if (mask === null) return undefined;
  const shape = dims(mask);
  const target = dims(scores);
  if (shape?.length !== 4 || target === undefined)
    return `the mask ${mask.name} is ${formatType(mask.type)}, not of rank 4`;
  const broadcast = [2, 3].find((axis) => shape[axis] === 1 && target[axis] !== 1);
  return broadcast === undefined ? undefined : `the mask ${mask.name} is broadcast over axis ${broadcast}`;
}

const lowerAttention = nodeRule({
  name: 'lower-attention',
  roots: [`${internalDomain}::${internalOp}`],
  inspect: (node) => {
    const [q, k, v] = [node.input(0), node.input(1), node.input(2)];
    const shape = q === undefined ? undefined : headShape(q);
    const out = headShape(node.output);
    if (q === undefined || k === undefined || v === undefined || shape === undefined || out === undefined) {
      throw new RangeError(`${node.name} has lost its inputs`);
    }
    return {
      node,
      q,
      k,
      v,
      mask: node.input(3) ?? null,
      shape,
      valueDim: out.headDim,
      cache: findCache(node, k, v),
    };
  },
  rewrite: ({ node, q, k, v, mask, shape, valueDim, cache }, rewriter) => {
    const { heads, headDim } = shape;
    const inputs = [
      joinHeads(rewriter, q, heads * headDim),
      joinHeads(rewriter, cache?.newKey ?? k, heads * headDim),
      joinHeads(rewriter, cache?.newValue ?? v, heads * valueDim),
      null,
      null,
      mask,
      cache?.pastKey ?? null,
      cache?.pastValue ?? null,
    ];
    const fused = rewriter.node('MultiHeadAttention', inputs, cache === undefined ? [{}] : [{}, {}, {}], {
      domain: 'com.microsoft',
      attributes: { num_heads: heads, scale: float(node.float('scale') ?? 1) },
    });
    const split = rewriter.op('Reshape', [fused.output, rewriter.int64([0, 0, heads, valueDim])]);
    rewriter.replace(node.output, rewriter.op('Transpose', [split], { attributes: { perm: [0, 2, 1, 3] } }));
    const [, presentKey, presentValue] = fused.outputs;
    if (cache === undefined || presentKey == null || presentValue == null) return;
    rewriter.replace(k, presentKey);
    rewriter.replace(v, presentValue);
  },
});

interface Cache {
  readonly pastKey: Value;
  readonly newKey: Value;
  readonly pastValue: Value;
  readonly newValue: Value;
}

/** Keys and values that are the past with the new slots appended, read by this node and handed on. */
function findCache(node: Node, k: Value, v: Value): Cache | undefined {
  const key = appended(k, node);
  const value = appended(v, node);
  if (key === undefined || value === undefined) return undefined;
  return { pastKey: key[0], newKey: key[1], pastValue: value[0], newValue: value[1] };
}

function appended(value: Value, reader: Node): readonly [Value, Value] | undefined {
  const concat = value.producer;
  const [past, now] = [concat?.input(0), concat?.input(1)];
  if (concat?.op !== 'Concat' || concat.inputs.length !== 2 || past === undefined || now === undefined)
    return undefined;
  const onSlots = concat.int('axis') === 2 || concat.int('axis') === -2;
  const alone = value.consumers().every((node) => node === reader);
  return onSlots && alone && past.isInput ? [past, now] : undefined;
}

/** [N, h, S, d] → [N, S, h · d] */
function joinHeads(rewriter: Rewriter, value: Value, width: number): Value {
  const swapped = rewriter.op('Transpose', [value], { attributes: { perm: [0, 2, 1, 3] } });
  return rewriter.op('Reshape', [swapped, rewriter.int64([0, 0, width])]);
}

function dims(value: Value): readonly Dim[] | undefined {
  return value.type?.kind === 'tensor' ? value.type.shape : undefined;
}

function headShape(value: Value): Shape | undefined {
  const [, heads, , headDim, ...rest] = dims(value) ?? [];
  return typeof heads === 'number' && typeof headDim === 'number' && rest.length === 0
    ? { heads, headDim }
    : undefined;
}

/** Attention that a reader would expect to be fused, and why it was not. */
function noteMisses(model: Model, { misses }: RewriteReport, cx: PassContext): void {
  const reasons = new Map<string, string[]>();
  for (const miss of misses) reasons.set(miss.reason, [...(reasons.get(miss.reason) ?? []), miss.node]);
  for (const [reason, nodes] of reasons) {
    cx.note(`attention at ${nodes.length} places, first ${nodes[0]}, is not fused: ${reason}`);
  }
  const softmaxes = [...allNodes(model.graph)].filter((node) => node.op === 'Softmax');
  if (misses.length === 0 && softmaxes.length > 0) {
    cx.note(`${softmaxes.length} Softmax, first ${softmaxes[0]?.name}, belong to no attention that is known`);
  }
}
