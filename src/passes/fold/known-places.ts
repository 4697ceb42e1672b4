/**
 * Gathers that take everything in order: exporters spell `mask[batch_index, key_index]` as a Gather of the flattened
 * mask at batch_index * length + key_index, or as GatherND, with indices that only count.
 */
import { AffineEvaluator, type AffineIntegers } from '../../graph/infer/affine.ts';
import type { IntEvaluator } from '../../graph/infer/data.ts';
import { multiplyDims, productOf, sameDim } from '../../graph/infer/dims.ts';
import type { Node } from '../../graph/node.ts';
import type { Dim } from '../../graph/types.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import { beforeRelabelling, reshapeTo } from '../folds.ts';

export function knownPlaces(integers: IntEvaluator): readonly Rule[] {
  const affine = new AffineEvaluator(integers, (value) => value.type);
  return [
    nodeRule<{ from: Value; source: Value; shape: readonly number[] }>({
      name: 'gather-in-order',
      roots: ['Gather', 'GatherND'],
      inspect: (node) => {
        const counts = node.op === 'Gather' ? countsRows(node, affine) : countsAxes(node, affine);
        if (!counts) return 'the indices do not count everything in order';
        const output = dimsOf(node.output);
        for (const source of beforeRelabelling(node)) {
          const shape = reshapeTo(dimsOf(source), output);
          if (shape !== undefined) return { from: node.output, source, shape };
        }
        return 'the shape cannot be written as a constant';
      },
      rewrite: ({ from, source, shape }, rewriter) =>
        rewriter.replace(from, rewriter.op('Reshape', [source, rewriter.int64(shape)])),
    }),
  ];
}

/** Gather on axis 0 of indices 0, 1, … up to the last row, each once and in order. */
function countsRows(node: Node, affine: AffineEvaluator): boolean {
  const rows = dimsOf(node.input(0))?.[0] ?? null;
  const indices = affine.of(node.input(1));
  if ((node.int('axis') ?? 0) !== 0 || indices === undefined || indices.offset !== 0) return false;
  let stride: Dim = 1;
  for (const [axis, dim] of [...indices.dims.entries()].reverse()) {
    if (dim === 1) continue;
    if (sameDim(indices.steps[axis] ?? null, stride) !== true) return false;
    stride = multiplyDims(stride, dim);
  }
  return sameDim(productOf(indices.dims), rows) === true;
}

/** GatherND of all places along its first axes, which are the axes of the indices that are not 1, in order. */
function countsAxes(node: Node, affine: AffineEvaluator): boolean {
  const [data, indices] = [dimsOf(node.input(0)), dimsOf(node.input(1))];
  const depth = indices?.at(-1);
  if ((node.int('batch_dims') ?? 0) !== 0 || data === undefined || typeof depth !== 'number') return false;
  const counted: number[] = [];
  for (let part = 0; part < depth; part += 1) {
    const axis = countedAxis(affine.part(node.input(1), part), data[part] ?? null);
    if (axis === undefined || axis <= (counted.at(-1) ?? -1)) return false;
    counted.push(axis);
  }
  return indices?.slice(0, -1).every((dim, axis) => dim === 1 || counted.includes(axis)) === true;
}

/** The axis that the integers count along, from 0 and to `size`. */
function countedAxis(integers: AffineIntegers | undefined, size: Dim): number | undefined {
  if (integers?.offset !== 0) return undefined;
  const axes = integers.steps.flatMap((step, axis) => (step === 0 ? [] : [axis]));
  const [axis] = axes;
  if (axis === undefined || axes.length > 1 || integers.steps[axis] !== 1) return undefined;
  return sameDim(integers.dims[axis] ?? null, size) === true ? axis : undefined;
}
