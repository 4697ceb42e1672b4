/**
 * Low-rank adapters that differ from view to view: y = base(x) + scale · B · A · x, each view with its own
 * adapter or none. They run batched: one stack per factor, zeros where a view has no adapter.
 *
 * x [N, V, S, in]; A as [V, in, rank], B as [V, rank, out], scale as [V, 1, 1].
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { cast } from '../../tensor/derived/cast.ts';
import { zeros } from '../../tensor/derived/fill.ts';
import { stack } from '../../tensor/derived/join.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { transpose2d } from '../../tensor/derived/transpose.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** The factors of one adapter, float32, laid out as MatMul wants them. One object per adapter, whoever uses it. */
export interface AdapterFactors {
  /** [in, rank] */
  readonly a: Tensor;
  /** [rank, out] */
  readonly b: Tensor;
  /** [1, 1] */
  readonly scale: Tensor;
}

/** From the tensors as stored: a [rank, in], b [out, rank], scale [1]. */
export function adapterFactors(a: Tensor, b: Tensor, scale: Tensor): AdapterFactors {
  return {
    a: transpose2d(cast(a, 'float32')),
    b: transpose2d(cast(b, 'float32')),
    scale: reshape(cast(scale, 'float32'), [1, 1]),
  };
}

export interface ViewAdapters {
  /** Name that the stacked initializers start with. */
  readonly name: string;
  /** One entry per view; null: the view runs without. All have one rank. */
  readonly views: readonly (AdapterFactors | null)[];
}

/** scale · B · A · x of every view, to be added to the base's output; undefined where no view has an adapter. */
export function adapterBranch(b: GraphBuilder, x: Value, { name, views }: ViewAdapters): Value | undefined {
  const some = views.find((view) => view !== null);
  if (some === undefined || some === null) return undefined;
  const none: AdapterFactors = {
    a: zeros('float32', some.a.shape),
    b: zeros('float32', some.b.shape),
    scale: zeros('float32', [1, 1]),
  };
  const stacked = (factor: keyof AdapterFactors): Value =>
    b.weight(`${name}.${factor}`, stack(views.map((view) => (view ?? none)[factor])));
  const low = b.op('MatMul', [x, stacked('a')]);
  return b.op('Mul', [b.op('MatMul', [low, stacked('b')]), stacked('scale')]);
}
