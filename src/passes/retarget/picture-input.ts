/** Finds the input of a graph that takes pictures. */
import type { Graph } from '../../graph/graph.ts';
import type { Value } from '../../graph/value.ts';
import type { Sizes } from './extent.ts';

/** The input that takes pictures: [.., 3, H, W] or [.., H, W, 3] with static sides; undefined where none does. */
export interface PictureInput {
  readonly value: Value;
  readonly sizes: Sizes;
  /** Axes of height and width. */
  readonly axes: readonly [number, number];
}

export function pictureInput(graph: Graph): PictureInput | undefined {
  const found = graph.inputs.flatMap((value): PictureInput[] => {
    const shape = value.type?.kind === 'tensor' ? value.type.shape : undefined;
    if (shape === undefined || (shape.length !== 4 && shape.length !== 5)) return [];
    const rank = shape.length;
    const axes = shape.at(-3) === 3 ? ([rank - 2, rank - 1] as const) : ([rank - 3, rank - 2] as const);
    if (shape.at(-3) !== 3 && shape.at(-1) !== 3) return [];
    const [height, width] = axes.map((axis) => shape[axis]);
    return typeof height === 'number' && typeof width === 'number'
      ? [{ value, sizes: { height, width }, axes }]
      : [];
  });
  return (
    found.find(({ value }) => value.name === 'pixel_values') ?? (found.length === 1 ? found[0] : undefined)
  );
}
