/**
 * Fits a graph to one size of picture. A graph that somebody else exported is rewritten for the size that is asked for
 * (retarget/); ours are built for it.
 *
 * Then it resolves torch's bicubic resampling (ONNX Resize, cubic, half_pixel, a = -0.75, no antialias) at the sizes of
 * the graph. A table of positions becomes a constant of the new size; an activation [N, C, H, W] becomes two
 * products with constant matrices, R_h [h, H] · X · R_wᵀ [W, w], in float32. Every provider runs the result.
 */
import { z } from 'zod';
import type { Graph } from '../graph/graph.ts';
import { inferNode } from '../graph/infer/infer.ts';
import type { Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import { formatType, staticShape } from '../graph/types.ts';
import { dimsOf, type Value } from '../graph/value.ts';
import { fail } from '../report/diagnostics.ts';
import { list } from '../report/show.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { allNodes, applyRules } from '../rewrite/driver.ts';
import { any, constant, op } from '../rewrite/pattern.ts';
import { metadataKeys } from '../rewrite/rewriter.ts';
import { nodeRule, rule } from '../rewrite/rule.ts';
import { bicubicColumnMatrix, bicubicRowMatrix, largestMatrix } from '../tensor/bicubic-matrix.ts';
import { bicubicTable } from '../tensor/derived/bicubic-table.ts';
import { reshape } from '../tensor/derived/reshape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { inlineFunctions } from './inline-functions.ts';
import type { Pass, PassContext } from './pass.ts';
import { pictureInput } from './retarget/picture-input.ts';
import { type Retargeted, retarget } from './retarget/retarget.ts';

interface Options {
  readonly resolution?: string | undefined;
}

export const retargetResolution: Pass<Options> = {
  name: 'retarget-resolution',
  summary:
    'fits a graph to a size of picture: position tables are resized, bicubic resizing becomes matrix products',
  options: z.strictObject({
    resolution: z
      .string()
      .regex(/^[1-9]\d{0,5}x[1-9]\d{0,5}$/, 'is width x height, as in 1344x896')
      .optional(),
  }),
  positional: 'resolution',
  run: async (model, { resolution }, cx) => {
    const { graph } = model;
    const retargeted = resolution === undefined ? undefined : await fitPicture(model, resolution, cx);
    // Tables first: the rule for activations would take their Resize, too.
    const tables = applyRules(graph, [resizeTable], inferNode);
    const maps = applyRules(graph, [resizeMap], inferNode);
    const changed = tables.changed || maps.changed;
    if (changed) removeDeadCode(graph);
    for (const node of allNodes(graph)) {
      if (node.op !== 'Resize' || node.string('mode') !== 'cubic') continue;
      const reason = unresolvable(node);
      const found = typeof reason === 'string' ? reason : 'not resolved';
      if (isOwn(model)) throw fail('VC3202', { where: node.name, found });
      cx.note(`${node.name} (Resize) stays: ${found}`);
    }
    return {
      changed: changed || retargeted !== undefined,
      stats: {
        tables: (tables.applied.get(resizeTable.name) ?? 0) + (retargeted?.tables.length ?? 0),
        activations: maps.applied.get(resizeMap.name) ?? 0,
        ...(retargeted === undefined ? {} : { counts: retargeted.counts, uniform: retargeted.uniform }),
      },
    };
  },
};

/** An architecture builds its graph for one size, with all that hangs on it: no other can be had from the graph. */
function isOwn({ producerName }: Model): boolean {
  return producerName === 'vlm-convert';
}

/** Rewrites the graph where its picture has another size. */
async function fitPicture(
  model: Model,
  resolution: string,
  cx: PassContext,
): Promise<Retargeted | undefined> {
  const { graph } = model;
  if (isOwn(model)) {
    checkPicture(graph, resolution);
    return undefined;
  }
  const [width = 0, height = 0] = resolution.split('x').map(Number);
  const picture = pictureInput(graph);
  if (picture === undefined) {
    throw fail('VC3205', {
      where: graph.name,
      found: `inputs ${list(graph.inputs.map(({ name, type }) => `${name}: ${formatType(type)}`))}`,
      expected: 'one that takes pictures [.., 3, height, width]',
    });
  }
  const shape = staticShape(picture.value.type);
  if (shape?.[picture.axes.height] === height && shape[picture.axes.width] === width) return undefined;
  await inlineFunctions.run(model, {}, cx);
  const retargeted = await retarget(model, picture, { height, width });
  for (const table of retargeted.tables) cx.note(`resized ${table}`);
  return retargeted;
}

/** The graph is built for one size of picture; the pipeline's text has to name the same. */
function checkPicture(graph: Graph, resolution: string): void {
  const pixels = graph.inputs.find((input) => input.name === 'pixel_values');
  if (pixels === undefined) return;
  const shape = dimsOf(pixels);
  const [height, width] = shape?.slice(-2) ?? [];
  if (resolution === `${width}x${height}`) return;
  throw fail('VC3203', { where: pixels.name, found: formatType(pixels.type), expected: resolution });
}

interface Sizes {
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
}

/** Sizes of a Resize that is torch's bicubic, or the reason why it is not. */
function unresolvable(node: Node): Sizes | string {
  const mode = node.string('mode') ?? 'nearest';
  const transform = node.string('coordinate_transformation_mode') ?? 'half_pixel';
  const policy = node.string('keep_aspect_ratio_policy') ?? 'stretch';
  if (mode !== 'cubic') return `mode ${mode}`;
  if (transform !== 'half_pixel') return `coordinate_transformation_mode ${transform}`;
  if ((node.float('cubic_coeff_a') ?? -0.75) !== -0.75) return `cubic_coeff_a ${node.float('cubic_coeff_a')}`;
  if ((node.int('antialias') ?? 0) !== 0) return 'antialias';
  if ((node.int('exclude_outside') ?? 0) !== 0) return 'exclude_outside';
  if (policy !== 'stretch') return `keep_aspect_ratio_policy ${policy}`;
  // Scales that are not out / in exactly would sample at other places than torch does.
  if (node.input(2) !== undefined) return 'scales are given, not sizes';
  const axes = node.ints('axes');
  if (axes !== undefined && !['2,3', '-2,-1'].includes(axes.join())) return `axes [${axes}]`;
  const [input, output] = [node.input(0)?.type, node.output.type];
  const from = spatial(input);
  const to = spatial(output);
  if (from === undefined || to === undefined) {
    return `from ${formatType(input)} to ${formatType(output)}: sizes are not known`;
  }
  if (!sameBatch(input, output))
    return `from ${formatType(input)} to ${formatType(output)}: other axes change too`;
  return { from, to };
}

/** Batch and channels are the same where they are known. */
function sameBatch(a: Value['type'], b: Value['type']): boolean {
  const [left, right] = [a, b].map((type) => (type?.kind === 'tensor' ? type.shape : undefined));
  return [0, 1].every((axis) => {
    const [before, after] = [left?.[axis], right?.[axis]];
    return typeof before !== 'number' || typeof after !== 'number' || before === after;
  });
}

function spatial(type: Value['type']): readonly [number, number] | undefined {
  const shape = type?.kind === 'tensor' ? type.shape : undefined;
  const [height, width] = shape?.slice(2) ?? [];
  return shape?.length === 4 && typeof height === 'number' && typeof width === 'number'
    ? [height, width]
    : undefined;
}

/** [gh · gw, D] → [1, gh, gw, D] → [1, D, gh, gw] → Resize → [1, h, w, D] → [h · w, D] */
const resizeTable = rule({
  name: 'resize-table',
  pattern: op('Reshape', [
    op(
      'Transpose',
      [
        op(
          'Resize',
          [
            op('Transpose', [op('Reshape', [constant('table'), any()], { shared: true })], {
              attributes: { perm: [0, 3, 1, 2] },
              shared: true,
            }),
          ],
          { rest: true, as: 'resized', shared: true },
        ),
      ],
      { attributes: { perm: [0, 2, 3, 1] }, shared: true },
    ),
    any(),
  ]),
  refine: (match) => {
    const sizes = unresolvable(match.node('resized'));
    if (typeof sizes === 'string') return sizes;
    const { from, to } = sizes;
    const table = constantTensor(match.value('table'));
    const depth = spatialDepth(match.value('resized'));
    const shape = staticShape(match.root.output.type);
    if (table === undefined || depth === undefined || shape === undefined) return 'the shapes are not known';
    if (table.dtype !== 'float32') return `the table is ${table.dtype}`;
    const batch = staticShape(match.value('resized').type)?.[0];
    if (batch !== 1) return `${batch} tables in one Resize`;
    const name = `${match.value('table').name}@${to[0]}x${to[1]}`;
    const resized = bicubicTable(reshape(table, [from[0] * from[1], depth]), from, to);
    return { output: match.root.output, name, tensor: reshape(resized, shape) };
  },
  rewrite: ({ output, name, tensor }: { output: Value; name: string; tensor: Tensor }, rewriter) => {
    rewriter.replace(output, rewriter.constant(name, tensor));
  },
});

function spatialDepth(value: Value): number | undefined {
  return staticShape(value.type)?.[1];
}

const resizeMap = nodeRule({
  name: 'resize-activation',
  roots: ['Resize'],
  inspect: (node) => {
    const sizes = unresolvable(node);
    const input = node.input(0);
    if (typeof sizes === 'string') return sizes;
    if (input?.type?.kind !== 'tensor' || input.type.dtype !== 'float32')
      return 'the activation is not float32';
    const { from, to } = sizes;
    if (Math.max(from[0] * to[0], from[1] * to[1]) > largestMatrix) return `matrices of ${from} by ${to}`;
    return { input, output: node.output, from, to };
  },
  rewrite: ({ input, output, from, to }, rewriter) => {
    const metadata = [[metadataKeys.precision, 'float32'] as const];
    const name = rewriter.root.name;
    const rows = bicubicRowMatrix(from[0], to[0]);
    const columns = bicubicColumnMatrix(from[1], to[1]);
    const tall = rewriter.op('MatMul', [rewriter.constant(`${name}/rows`, rows), input], { metadata });
    const wide = rewriter.op('MatMul', [tall, rewriter.constant(`${name}/columns`, columns)], { metadata });
    rewriter.replace(output, wide);
  },
});
