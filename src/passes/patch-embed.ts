/**
 * Convolutions over patches that do not overlap (stride = kernel, no padding) as matrix products: w [D, C, …kernel]
 * becomes [C · kernel, D].
 *
 *   x [N, C, …kernel], a patch per row:   Conv → [N, D, 1, …]   becomes   MatMul(x as [N, C · kernel], w)
 *   x [N, C, H, W], a grid (`grids`):     Conv → [N, D, gh, gw] becomes   MatMul(patches of x [N, gh · gw, C · kernel], w),
 *                                         its axes put in the order of Conv, which what follows mostly undoes
 *
 * The first is several times faster on a CPU, where Conv treats every row on its own. The second gains or loses with the
 * size: it is for quantizers, which take products and no convolutions (figures: `npm run bench:rewrites`).
 */
import { z } from 'zod';
import { inferNode } from '../graph/infer/infer.ts';
import type { Node } from '../graph/node.ts';
import { dimsOf, type Value } from '../graph/value.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { applyRules } from '../rewrite/driver.ts';
import type { Rewriter } from '../rewrite/rewriter.ts';
import { nodeRule, type Rule } from '../rewrite/rule.ts';
import { reshape } from '../tensor/derived/reshape.ts';
import { transpose2d } from '../tensor/derived/transpose.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { layoutFolds } from './folds.ts';
import { fusionResult } from './fusions/notes.ts';
import type { Pass } from './pass.ts';

export const patchEmbed: Pass<{ readonly grids: boolean }> = {
  name: 'patch-embed',
  summary: 'turns convolutions over patches, one per row or (grids) of a grid, into matrix products',
  options: z.strictObject({ grids: z.boolean().default(false) }),
  run: (model, { grids }) => {
    const report = applyRules(model.graph, grids ? [patchRows, patchGrids] : [patchRows], inferNode);
    if (report.changed) {
      applyRules(model.graph, layoutFolds, inferNode);
      removeDeadCode(model.graph);
    }
    return fusionResult(report);
  },
};

interface Patches {
  readonly from: Value;
  readonly x: Value;
  readonly weight: Value;
  /** [D, C · kernel] */
  readonly rows: Tensor;
  readonly bias: Value | undefined;
  /** Axes of x after N: C, then the picture's. */
  readonly channels: number;
  readonly extent: readonly number[];
  readonly kernel: readonly number[];
}

function readPatches(node: Node): Patches | string {
  const [x, weight, bias] = [node.input(0), node.input(1), node.input(2)];
  const tensor = constantTensor(weight);
  const [, , ...extent] = dimsOf(x) ?? [];
  if (x === undefined || weight === undefined || tensor === undefined) return 'its weight is no constant';
  const [outputs, inner, ...kernel] = tensor.shape;
  if (outputs === undefined || inner === undefined || (node.int('group') ?? 1) !== 1) {
    return 'its channels are in groups';
  }
  const strides = node.ints('strides') ?? kernel.map(() => 1);
  const padded = (node.ints('pads') ?? []).some((pad) => pad !== 0);
  const automatic = !['NOTSET', 'VALID', undefined].includes(node.string('auto_pad'));
  if (padded || automatic || (node.ints('dilations') ?? []).some((step) => step !== 1)) {
    return 'it is padded or dilated';
  }
  const sizes = extent.flatMap((dim) => (typeof dim === 'number' ? [dim] : []));
  if (sizes.length !== kernel.length) return 'the size of its input is not known';
  // A single patch has no stride.
  const apart = kernel.every((size, axis) => size === strides[axis] || size === sizes[axis]);
  if (!apart) return 'its patches overlap';
  const length = kernel.reduce((product, size) => product * size, inner);
  const rows = reshape(tensor, [outputs, length]);
  return { from: node.output, x, weight, rows, bias, channels: inner, extent: sizes, kernel };
}

function patchRule(
  name: string,
  wants: (patches: Patches) => string | undefined,
  rewrite: (p: Patches, r: Rewriter) => Value,
): Rule {
  return nodeRule({
    name,
    roots: ['Conv'],
    inspect: (node) => {
      const patches = readPatches(node);
      return typeof patches === 'string' ? patches : (wants(patches) ?? patches);
    },
    rewrite: (patches, rewriter) => rewriter.replace(patches.from, rewrite(patches, rewriter)),
  });
}

const patchRows = patchRule(
  'patch-rows',
  ({ kernel, extent }) =>
    kernel.every((size, axis) => size === extent[axis]) ? undefined : 'it makes a grid',
  (patches, rewriter) => {
    const [outputs = 0, length = 0] = patches.rows.shape;
    const flat = rewriter.op('Reshape', [patches.x, rewriter.int64([0, length])]);
    const shape = [0, outputs, ...patches.kernel.map(() => 1)];
    return rewriter.op('Reshape', [product(patches, flat, rewriter), rewriter.int64(shape)]);
  },
);

const patchGrids = patchRule(
  'patch-grids',
  ({ kernel, extent }) => {
    if (kernel.length !== 2) return 'it is no picture';
    return extent.every((size, axis) => size % (kernel[axis] ?? 0) === 0)
      ? undefined
      : 'patches do not cover its input';
  },
  (patches, rewriter) => {
    const { channels, extent, kernel } = patches;
    const [outputs = 0, length = 0] = patches.rows.shape;
    const [high = 1, wide = 1] = kernel;
    const [down = 1, across = 1] = extent.map((size, axis) => size / (kernel[axis] ?? 1));
    const parted = rewriter.op('Reshape', [
      patches.x,
      rewriter.int64([0, channels, down, high, across, wide]),
    ]);
    const ordered = rewriter.op('Transpose', [parted], { attributes: { perm: [0, 2, 4, 1, 3, 5] } });
    const flat = rewriter.op('Reshape', [ordered, rewriter.int64([0, down * across, length])]);
    const turned = rewriter.op('Transpose', [product(patches, flat, rewriter)], {
      attributes: { perm: [0, 2, 1] },
    });
    return rewriter.op('Reshape', [turned, rewriter.int64([0, outputs, down, across])]);
  },
);

function product({ weight, rows, bias }: Patches, flat: Value, rewriter: Rewriter): Value {
  const matrix = rewriter.constant(weight.name, transpose2d(rows));
  const plain = rewriter.op('MatMul', [flat, matrix]);
  return bias === undefined ? plain : rewriter.op('Add', [plain, bias]);
}
