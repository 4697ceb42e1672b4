/**
 * Finds the input of a graph that takes pictures, and the size that the graph is for. Exporters declare the sides symbolic
 * also where a table of positions fixes them: then the size is the one that all shapes fit.
 */
import type { Graph } from '../../graph/graph.ts';
import { inferredTypes } from '../../graph/infer/infer.ts';
import type { Model } from '../../graph/model.ts';
import { type Dim, formatType, staticShape, tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { fail, VlmError } from '../../report/diagnostics.ts';
import { allNodes } from '../../rewrite/driver.ts';
import type { Axis, Sizes } from './extent.ts';

/** Grids that are tried, in patches of a side. */
const largestGrid = 128;

/** The input that takes pictures: [.., 3, H, W] or [.., H, W, 3]. */
export interface PictureInput {
  readonly value: Value;
  /** Axes of height and width. */
  readonly axes: Readonly<Record<Axis, number>>;
}

/** Undefined where no input takes pictures, or several do. */
export function pictureInput(graph: Graph): PictureInput | undefined {
  const found = graph.inputs.flatMap((value): PictureInput[] => {
    const shape = shapeOf(value);
    const rank = shape.length;
    if (rank !== 4 && rank !== 5) return [];
    const named = value.name === 'pixel_values' && rank === 4 && typeof shape.at(-3) !== 'number';
    if (shape.at(-3) === 3 || named) return [{ value, axes: { height: rank - 2, width: rank - 1 } }];
    return shape.at(-1) === 3 ? [{ value, axes: { height: rank - 3, width: rank - 2 } }] : [];
  });
  return (
    found.find(({ value }) => value.name === 'pixel_values') ?? (found.length === 1 ? found[0] : undefined)
  );
}

/** The input's type for a picture of a size. */
export function setSize({ value, axes }: PictureInput, { height, width }: Sizes): void {
  const { type, graph } = value;
  if (type?.kind !== 'tensor') return;
  const shape = shapeOf(value).with(axes.height, height).with(axes.width, width);
  graph.setType(value, tensorType(type.dtype, shape));
}

/**
 * The size of pictures that a graph is for, 'any' where it takes every size.
 * @throws VlmError VC3205 where the declared sides are symbolic, and what the graph takes is not one square
 */
export function pictureSize(model: Model, picture: PictureInput): Sizes | 'any' {
  const { value, axes } = picture;
  const shape = shapeOf(value);
  const [height, width] = [shape[axes.height], shape[axes.width]];
  if (typeof height === 'number' && typeof width === 'number') return { height, width };
  const declared = value.type;
  const stride = patchStride(model.graph);
  const tried = Array.from({ length: largestGrid - 1 }, (_, at) => (at + 2) * (stride ?? 1));
  const fitting = stride === undefined ? [] : tried.filter((side) => fits(model, picture, side));
  value.graph.setType(value, declared);
  const [side] = fitting;
  if (fitting.length === tried.length) return 'any';
  if (side === undefined || fitting.length > 1) {
    throw fail('VC3205', {
      where: value.name,
      found: `${formatType(declared)}, of which ${fitting.length} of ${tried.length} squares fit`,
      expected: 'a size that the graph is for, or none',
    });
  }
  return { height: side, width: side };
}

function fits(model: Model, picture: PictureInput, side: number): boolean {
  setSize(picture, { height: side, width: side });
  try {
    inferredTypes(model);
    return true;
  } catch (cause) {
    if (cause instanceof VlmError) return false;
    throw cause;
  }
}

/** Of the convolution that reads pictures. */
function patchStride(graph: Graph): number | undefined {
  for (const node of allNodes(graph)) {
    if (node.op === 'Conv' && staticShape(node.input(1)?.type)?.[1] === 3)
      return node.ints('strides')?.[0] ?? 1;
  }
  return undefined;
}

function shapeOf({ type }: Value): readonly Dim[] {
  return type?.kind === 'tensor' ? (type.shape ?? []) : [];
}
