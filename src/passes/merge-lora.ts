/**
 * Folds low-rank adapters into the weight they stand beside, those that differ from view to view into a copy per view:
 *
 *   x [N, V, S, in]:  MatMul(x, W) (+ bias) + scale[V,1,1] · MatMul(MatMul(x, A[V,in,r]), B[V,r,out])
 *   becomes           Concat over views of MatMul(x_v, W + (scale_v · B · A)ᵀ), then the bias
 *
 * Neighbouring views with the same adapter go through one MatMul, and all views with the same adapter share one
 * weight; views without one read W itself. An adapter of all there is (V = 1) changes W, whatever the axes of x. A
 * branch whose base reads another input cannot fold and stays.
 */
import { z } from 'zod';
import { inferNode } from '../graph/infer/infer.ts';
import type { Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { allNodes, applyRules } from '../rewrite/driver.ts';
import { isFailure, type Match, matchPattern } from '../rewrite/matcher.ts';
import { any, constant, either, op } from '../rewrite/pattern.ts';
import type { Rewriter } from '../rewrite/rewriter.ts';
import { rule } from '../rewrite/rule.ts';
import { isZeros } from '../tensor/derived/fill.ts';
import { unstack } from '../tensor/derived/join.ts';
import { lowRankUpdate } from '../tensor/derived/low-rank-update.ts';
import { transpose2d, untranspose } from '../tensor/derived/transpose.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Pass } from './pass.ts';

export const mergeLora: Pass<Record<string, never>> = {
  name: 'merge-lora',
  summary: 'folds adapters into the weights they stand beside, those of views into copies per view',
  options: z.strictObject({}),
  run: (model, _options, cx) => {
    const before = weightBytes(model);
    const { applied, changed } = applyRules(model.graph, [mergeBranch], inferNode);
    if (changed) removeDeadCode(model.graph);
    const left = remainingBranches(model);
    for (const [reason, { count, bytes: size }] of left) {
      cx.note(`${count} adapter branches (${size} bytes) stay as they are: ${reason}`);
    }
    const merged = applied.get(mergeBranch.name) ?? 0;
    const branches = [...left.values()].reduce((sum, { count }) => sum + count, 0);
    const bytesAdded = weightBytes(model) - before;
    return { changed, stats: { modules: merged, bytesAdded, branchesLeft: branches } };
  },
};

function weightBytes({ graph }: Model): number {
  let bytes = 0;
  for (const { initializer } of graph.initializers()) bytes += initializer.byteLength;
  return bytes;
}

/** scale · MatMul(MatMul(x, A), B) */
const branch = op('Mul', [
  op('MatMul', [op('MatMul', [any('x'), constant('a', isStack)]), constant('b', isStack)]),
  constant('scale', isStack),
]);

const product = op('MatMul', [any('x'), constant('weight')], { as: 'product' });

/** An adapter that a graph runs beside a weight. */
export interface AdapterBranch {
  readonly a: Value;
  readonly b: Value;
  readonly scale: Value;
  /** What A gives. */
  readonly low: Value;
}

export function adapterBranches({ graph }: Model): readonly AdapterBranch[] {
  return [...allNodes(graph)].flatMap((node): AdapterBranch[] => {
    const match = node.op === 'Mul' ? matchPattern(branch, node) : undefined;
    if (match === undefined || isFailure(match)) return [];
    const [a, b, scale] = [match.value('a'), match.value('b'), match.value('scale')];
    const low = [...a.uses][0]?.node.output;
    return low === undefined ? [] : [{ a, b, scale, low }];
  });
}

/** True where a graph runs an adapter beside a weight. */
export function hasBranches(model: Model): boolean {
  return adapterBranches(model).length > 0;
}

/** One factor of the adapters of all views. */
function isStack(value: Value): string | undefined {
  const tensor = constantTensor(value);
  return tensor?.shape.length === 3 ? undefined : `${value.name} is no stack of one factor per view`;
}

/** Views that run with the same weight: `count` of them, in a row. */
interface Run {
  readonly count: number;
  /** Undefined: the base weight. */
  readonly adapter: Adapter | undefined;
}

interface Adapter {
  /** What the copy's name ends in: the first view that runs it. */
  readonly suffix: string;
  /** [in, out], as MatMul reads it. */
  readonly merged: Tensor;
}

interface Merge {
  readonly match: Match<'x' | 'weight' | 'product' | 'biased' | 'a' | 'b' | 'scale'>;
  readonly axis: number;
  readonly runs: readonly Run[];
}

const mergeBranch = rule({
  name: 'merge-branch',
  pattern: op('Add', [either(op('Add', [product, constant()], { as: 'biased' }), product), branch]),
  refine: (match): Merge | string => {
    const views = readViews(match.value('a'), match.value('b'), match.value('scale'));
    const weight = constantTensor(match.value('weight'));
    if (views === undefined) return 'the factors are not stacks of tensors';
    if (weight?.shape.length !== 2) return `${match.value('weight').name} is no matrix`;
    const type = match.value('x').type;
    const shape = type?.kind === 'tensor' ? type.shape : undefined;
    const axis = (shape?.length ?? 0) - 3;
    if (axis < 0 || (views.length > 1 && shape?.[axis] !== views.length)) {
      return `the input does not hold ${views.length} views`;
    }
    return { match, axis, runs: mergedRuns(weight, views) };
  },
  rewrite: ({ match, axis, runs }, rewriter) => {
    const x = match.value('x');
    const parts = splitViews(rewriter, x, axis, runs);
    const weights = new Map<Adapter | undefined, Value>([[undefined, match.value('weight')]]);
    const outputs = runs.map(({ adapter }, index) => {
      const known = weights.get(adapter);
      const weight = known ?? copyOf(rewriter, match.value('weight'), adapter);
      weights.set(adapter, weight);
      return rewriter.op('MatMul', [parts[index] ?? x, weight]);
    });
    const [only] = outputs;
    const joined =
      outputs.length === 1 && only !== undefined
        ? only
        : rewriter.op('Concat', outputs, { attributes: { axis } });
    const biased = match.find('biased');
    const bias = biased?.producer?.inputs.find((input) => input !== match.value('product'));
    rewriter.replace(match.root.output, bias == null ? joined : rewriter.op('Add', [joined, bias]));
  },
});

interface ViewFactors {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly scale: Tensor;
}

function readViews(a: Value, b: Value, scale: Value): readonly ViewFactors[] | undefined {
  const [as, bs, scales] = [a, b, scale].map((value) => {
    const tensor = constantTensor(value);
    return tensor === undefined ? undefined : unstack(tensor);
  });
  if (as === undefined || bs?.length !== as.length || scales?.length !== as.length) return undefined;
  return as.flatMap((factor, view) => {
    const [other, third] = [bs[view], scales[view]];
    return other === undefined || third === undefined ? [] : [{ a: factor, b: other, scale: third }];
  });
}

/** Equal adapters are the same tensors: an architecture makes one object per adapter. */
function mergedRuns(weight: Tensor, views: readonly ViewFactors[]): readonly Run[] {
  const adapters: { readonly factors: ViewFactors; readonly adapter: Adapter | undefined }[] = [];
  const runs: { count: number; readonly adapter: Adapter | undefined }[] = [];
  for (const [view, factors] of views.entries()) {
    let known = adapters.find(
      ({ factors: { a, b, scale } }) => a === factors.a && b === factors.b && scale === factors.scale,
    );
    if (known === undefined) {
      known = {
        factors,
        adapter: mergedWeight(weight, views.length === 1 ? '@lora' : `@view${view}`, factors),
      };
      adapters.push(known);
    }
    const last = runs.at(-1);
    if (last !== undefined && last.adapter === known.adapter) last.count += 1;
    else runs.push({ count: 1, adapter: known.adapter });
  }
  return runs;
}

/** weight [in, out], a [in, r], b [r, out] */
function mergedWeight(weight: Tensor, suffix: string, { a, b, scale }: ViewFactors): Adapter | undefined {
  // A view without an adapter has zeros for one.
  if (isZeros(a) || isZeros(b) || isZeros(scale)) return undefined;
  const stored = untranspose(weight);
  const merged =
    stored === undefined
      ? lowRankUpdate(weight, [{ a: b, b: a, scale }])
      : transpose2d(lowRankUpdate(stored, [{ a: transpose2d(a), b: transpose2d(b), scale }]));
  return { suffix, merged };
}

function copyOf(rewriter: Rewriter, weight: Value, adapter: Adapter | undefined): Value {
  return adapter === undefined
    ? weight
    : rewriter.constant(`${weight.name}${adapter.suffix}`, adapter.merged);
}

/** The views of x, run by run. */
function splitViews(rewriter: Rewriter, x: Value, axis: number, runs: readonly Run[]): readonly Value[] {
  if (runs.length === 1) return [x];
  const sizes = runs.map(({ count }) => count);
  const node = rewriter.node(
    'Split',
    [x, rewriter.int64(sizes)],
    sizes.map(() => ({})),
    { attributes: { axis } },
  );
  return node.outputs.flatMap((output) => (output === null ? [] : [output]));
}

/** Branches that did not fold, by the reason why. */
function remainingBranches(
  model: Model,
): ReadonlyMap<string, { readonly count: number; readonly bytes: number }> {
  const found = new Map<string, { count: number; bytes: number }>();
  for (const node of allNodes(model.graph)) {
    if (node.op !== 'Mul') continue;
    const match = matchPattern(branch, node);
    if (isFailure(match)) continue;
    const reason = whyLeft(node, match.value('x'));
    const entry = found.get(reason) ?? { count: 0, bytes: 0 };
    entry.count += 1;
    for (const factor of ['a', 'b', 'scale'] as const) {
      entry.bytes += constantTensor(match.value(factor))?.byteLength ?? 0;
    }
    found.set(reason, entry);
  }
  return found;
}

function whyLeft(node: Node, x: Value): string {
  const sums = node.output.consumers().filter((reader) => reader.op === 'Add');
  const besideLinear = sums.some((sum) =>
    sum.inputs.some((input) => {
      const linear = input?.producer?.op === 'Add' ? input.producer.input(0)?.producer : input?.producer;
      return linear?.op === 'MatMul' && linear.input(0) === x;
    }),
  );
  return besideLinear
    ? 'their factors or weights are not as checkpoints store them'
    : 'no linear layer with the same input stands beside them';
}
