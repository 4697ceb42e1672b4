/** Type rules of operators that rearrange: Reshape, Transpose, Concat, Split, Slice, Gather, Expand, Pad and kin. */
import { type Dim, tensorType } from '../types.ts';
import { type Rule, type RuleContext, typed } from './context.ts';
import {
  addDims,
  broadcastShapes,
  divideDims,
  floorDivideDims,
  isNonNegative,
  multiplyDims,
  productOf,
  sameDim,
  subtractDims,
  unifyDims,
} from './dims.ts';
import { floatsOf } from './floats.ts';

/** A vector's length, when only its type is known: the rank of what it describes. */
function lengthOf(cx: RuleContext, index: number): number | undefined {
  const [length] = cx.shape(index) ?? [];
  return typeof length === 'number' && length <= 64 ? length : undefined;
}

const unknownDims = (rank: number | undefined): Dim[] | undefined =>
  rank === undefined ? undefined : new Array<Dim>(rank).fill(null);

const reshape: Rule = (cx) => {
  const dtype = cx.dtype(0);
  const target = cx.node.ints('shape') ?? cx.ints(1);
  if (target === undefined) return [typed(dtype, unknownDims(lengthOf(cx, 1)))];
  const input = cx.shape(0);
  const zeroCopies = cx.node.int('allowzero') !== 1;
  const show = `a shape of as many elements as ${cx.describe(0)}`;
  if (
    target.filter((dim) => dim === -1).length > 1 ||
    target.some((dim) => typeof dim === 'number' && dim < -1)
  ) {
    throw cx.fail('VC3101', `shape [${target.map((dim) => dim ?? '?')}]`, 'at most one -1 and nothing below');
  }
  const copied = (dim: Dim) => dim === 0 && zeroCopies;
  const shape = target.map((dim, index): Dim => {
    if (!copied(dim)) return dim;
    if (input !== undefined && index >= input.length) {
      throw cx.fail('VC3101', `shape [${target.map((each) => each ?? '?')}] copies dimension ${index}`, show);
    }
    return input?.[index] ?? null;
  });
  if (input === undefined)
    return [
      typed(
        dtype,
        shape.map((dim) => (dim === -1 ? null : dim)),
      ),
    ];

  // Copied dimensions stand on both sides: leaving them out lets unknown ones cancel.
  const [before, after] = quotient(
    input.filter((_, index) => !copied(target[index] ?? null)),
    shape.filter((dim, index) => dim !== -1 && !copied(target[index] ?? null)),
  );
  const free = shape.indexOf(-1);
  if (free < 0) {
    if (sameDim(before, after) === false)
      throw cx.fail('VC3101', `shape [${shape.map((dim) => dim ?? '?')}]`, show);
    return [typed(dtype, solved(shape, before))];
  }
  if (typeof before === 'number' && typeof after === 'number' && after !== 0 && before % after !== 0) {
    throw cx.fail('VC3101', `shape [${shape.map((dim) => dim ?? '?')}]`, show);
  }
  // What is left divides, or the runtime refuses.
  const rounded = typeof after === 'number' && after > 0 ? floorDivideDims(before, after) : null;
  return [typed(dtype, shape.with(free, divideDims(before, after) ?? rounded))];
};

/** Products of two lists of dimensions, without those that stand in both: a sum divides by nothing but itself. */
function quotient(before: readonly Dim[], after: readonly Dim[]): [before: Dim, after: Dim] {
  const rest = [...after];
  const left = before.filter((dim) => {
    const at = dim === 0 ? -1 : rest.findIndex((other) => sameDim(dim, other) === true);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  return [productOf(left), productOf(rest)];
}

/** One unknown dimension follows from the number of elements. */
function solved(shape: readonly Dim[], total: Dim): readonly Dim[] {
  const unknown = shape.flatMap((dim, index) => (dim === null ? [index] : []));
  const [at] = unknown;
  if (unknown.length !== 1 || at === undefined) return shape;
  return shape.with(at, divideDims(total, productOf(shape.filter((dim) => dim !== null))));
}

const flatten: Rule = (cx) => {
  const shape = cx.shape(0);
  if (shape === undefined) return [typed(cx.dtype(0), [null, null])];
  const axis = cx.node.int('axis') ?? 1;
  const at = axis === shape.length ? axis : cx.axis(axis, Math.max(shape.length, 1));
  return [typed(cx.dtype(0), [productOf(shape.slice(0, at)), productOf(shape.slice(at))])];
};

const transpose: Rule = (cx) => {
  const shape = cx.shape(0);
  const perm = cx.node.ints('perm');
  if (shape === undefined) return [typed(cx.dtype(0), unknownDims(perm?.length))];
  const order = perm ?? [...shape.keys()].reverse();
  if (
    order.length !== shape.length ||
    [...order].sort((a, b) => a - b).some((axis, index) => axis !== index)
  ) {
    throw cx.fail('VC3101', `perm [${order}] of ${cx.describe(0)}`, `a permutation of ${shape.length} axes`);
  }
  return [
    typed(
      cx.dtype(0),
      order.map((axis) => shape[axis] ?? null),
    ),
  ];
};

const squeeze: Rule = (cx) => {
  const shape = cx.shape(0);
  const given = cx.list('axes', 1);
  if (shape === undefined || (given === undefined && cx.has(1))) return [typed(cx.dtype(0), undefined)];
  if (given === undefined) {
    const certain = shape.every((dim) => typeof dim === 'number');
    return [typed(cx.dtype(0), certain ? shape.filter((dim) => dim !== 1) : undefined)];
  }
  const axes = given.map((axis) => cx.axis(axis, shape.length));
  for (const axis of axes) {
    const dim = shape[axis];
    if (typeof dim === 'number' && dim !== 1) {
      throw cx.fail('VC3101', `axis ${axis} of ${cx.describe(0)}`, 'dimensions of 1');
    }
  }
  return [
    typed(
      cx.dtype(0),
      shape.filter((_, index) => !axes.includes(index)),
    ),
  ];
};

const unsqueeze: Rule = (cx) => {
  const shape = cx.shape(0);
  const given = cx.list('axes', 1);
  if (shape === undefined || given === undefined) return [typed(cx.dtype(0), undefined)];
  const rank = shape.length + given.length;
  const axes = new Set(given.map((axis) => cx.axis(axis, rank)));
  if (axes.size < given.length) throw cx.fail('VC3101', `axes [${given}]`, 'axes that differ');
  const rest = shape.values();
  return [
    typed(
      cx.dtype(0),
      Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : take(rest))),
    ),
  ];
};

function take(dims: Iterator<Dim>): Dim {
  const next = dims.next();
  return next.done === true ? null : next.value;
}

const concat: Rule = (cx) => {
  const dtypes = new Set(cx.node.inputs.flatMap((_, index) => cx.dtype(index) ?? []));
  if (dtypes.size > 1) throw cx.fail('VC3103', cx.describeInputs(), 'inputs of one element type');
  const [dtype] = dtypes;
  const shapes = cx.shapes();
  const [first] = shapes ?? [];
  if (shapes === undefined || first === undefined) {
    const known = cx.node.inputs.map((_, index) => cx.shape(index)).find((shape) => shape !== undefined);
    return [typed(dtype, unknownDims(known?.length))];
  }
  const axis = cx.axis(cx.node.int('axis') ?? 1, first.length);
  const shape = first.map((start, index) => {
    let dim: Dim = start;
    for (const other of shapes.slice(1)) {
      const next = other[index] ?? null;
      if (other.length !== first.length || (index !== axis && sameDim(dim, next) === false)) {
        throw cx.fail('VC3101', cx.describeInputs(), `shapes that agree but on axis ${axis}`);
      }
      dim = index === axis ? addDims(dim, next) : unifyDims(dim, next);
    }
    return dim;
  });
  return [typed(dtype, shape)];
};

const split: Rule = (cx) => {
  const shape = cx.shape(0);
  const dtype = cx.dtype(0);
  const count = cx.node.outputs.length;
  if (shape === undefined) return cx.node.outputs.map(() => typed(dtype, undefined));
  const axis = cx.axis(cx.node.int('axis') ?? 0, shape.length);
  const dim = shape[axis] ?? null;
  const given = cx.node.ints('split') ?? cx.ints(1);
  if (
    given !== undefined &&
    (given.length !== count || sameDim(given.reduce<Dim>(addDims, 0), dim) === false)
  ) {
    throw cx.fail('VC3101', `split [${given.map((part) => part ?? '?')}]`, `${count} parts that make ${dim}`);
  }
  const part = (index: number): Dim => {
    if (given !== undefined) return given[index] ?? null;
    if (cx.has(1)) return null;
    if (typeof dim !== 'number') return divideDims(dim, count);
    const size = Math.ceil(dim / count);
    return Math.max(0, Math.min(size, dim - index * size));
  };
  return cx.node.outputs.map((_, index) => typed(dtype, shape.with(axis, part(index))));
};

const slice: Rule = (cx) => {
  const shape = cx.shape(0);
  const { node } = cx;
  if (shape === undefined) return [typed(cx.dtype(0), undefined)];
  const starts = node.ints('starts') ?? cx.ints(1);
  const ends = node.ints('ends') ?? cx.ints(2);
  const inOrder = [...(starts ?? ends ?? unknownDims(lengthOf(cx, 1)) ?? []).keys()];
  const axes = cx.list('axes', 3) ?? (cx.has(3) ? undefined : inOrder);
  const steps = cx.has(4) ? cx.ints(4) : [];
  if (axes === undefined || (starts === undefined && ends === undefined && lengthOf(cx, 1) === undefined)) {
    return [typed(cx.dtype(0), unknownDims(shape.length))];
  }
  const result = [...shape];
  for (const [index, axis] of axes.entries()) {
    const at = cx.axis(axis, shape.length);
    const step = steps === undefined ? null : (steps[index] ?? 1);
    if (step === 0) throw cx.fail('VC3101', 'a step of 0', 'steps that are not 0');
    result[at] = slicedDim(shape[at] ?? null, starts?.[index] ?? null, ends?.[index] ?? null, step);
  }
  return [typed(cx.dtype(0), result)];
};

/** How many elements [begin, end) by `step` leaves of a dimension. */
export function slicedDim(dim: Dim, begin: Dim, end: Dim, step: Dim): Dim {
  if (begin === null || end === null || step === null) return null;
  if (
    typeof dim === 'number' &&
    typeof begin === 'number' &&
    typeof end === 'number' &&
    typeof step === 'number'
  ) {
    const clamp = (at: number, low: number, high: number) =>
      Math.min(Math.max(at < 0 ? at + dim : at, low), high);
    const [from, to] =
      step > 0
        ? [clamp(begin, 0, dim), clamp(end, 0, dim)]
        : [clamp(begin, 0, dim - 1), clamp(end, -1, dim - 1)];
    return Math.max(0, Math.ceil((to - from) / step));
  }
  if (step !== 1 || dim === null) return null;
  const fromBack = (at: Dim): Dim => (typeof at === 'number' && at < 0 ? addDims(dim, at) : at);
  const toTheEnd = typeof end === 'number' && end >= 2 ** 31 - 1;
  const [from, to] = [fromBack(begin), toTheEnd ? dim : fromBack(end)];
  // What may lie outside is cut off; that a sum of dimensions lies inside is what exporters mean by writing it.
  const inside =
    isNonNegative(from) && (typeof to === 'string' ? isNonNegative(to) : sameDim(to, dim) === true);
  const left = subtractDims(to, from);
  return inside && isNonNegative(left) ? left : null;
}

const gather: Rule = (cx) => {
  const [data, indices] = [cx.shape(0), cx.shape(1)];
  if (data === undefined || indices === undefined) return [typed(cx.dtype(0), undefined)];
  const axis = cx.axis(cx.node.int('axis') ?? 0, data.length);
  return [typed(cx.dtype(0), [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)])];
};

const gatherElements: Rule = (cx) => [typed(cx.dtype(0), cx.shape(1))];

const gatherND: Rule = (cx) => {
  const [data, indices] = [cx.shape(0), cx.shape(1)];
  const depth = indices?.at(-1);
  if (data === undefined || indices === undefined || typeof depth !== 'number')
    return [typed(cx.dtype(0), undefined)];
  return [
    typed(cx.dtype(0), [...indices.slice(0, -1), ...data.slice((cx.node.int('batch_dims') ?? 0) + depth)]),
  ];
};

const expand: Rule = (cx) => {
  const [input, target] = [cx.shape(0), cx.ints(1)];
  const rank = lengthOf(cx, 1);
  if (input === undefined) return [typed(cx.dtype(0), undefined)];
  if (target === undefined) {
    return [typed(cx.dtype(0), rank === undefined ? undefined : unknownDims(Math.max(rank, input.length)))];
  }
  const shape = broadcastShapes([input, target]);
  if (shape === undefined) {
    throw cx.fail(
      'VC3101',
      `${cx.describe(0)} to [${target.map((dim) => dim ?? '?')}]`,
      'shapes that broadcast',
    );
  }
  return [typed(cx.dtype(0), shape)];
};

const tile: Rule = (cx) => {
  const [shape, repeats] = [cx.shape(0), cx.ints(1)];
  if (shape === undefined) return [typed(cx.dtype(0), undefined)];
  if (repeats !== undefined && repeats.length !== shape.length) {
    throw cx.fail('VC3101', `repeats [${repeats}] of ${cx.describe(0)}`, 'one for each axis');
  }
  return [
    typed(
      cx.dtype(0),
      shape.map((dim, axis) => multiplyDims(dim, repeats?.[axis] ?? null)),
    ),
  ];
};

const pad: Rule = (cx) => {
  const shape = cx.shape(0);
  if (shape === undefined) return [typed(cx.dtype(0), undefined)];
  const pads = cx.node.ints('pads') ?? cx.ints(1);
  const axes = (cx.has(3) ? cx.numbers(3) : [...shape.keys()])?.map((axis) => cx.axis(axis, shape.length));
  if (pads === undefined || axes === undefined) return [typed(cx.dtype(0), unknownDims(shape.length))];
  if (pads.length !== 2 * axes.length) {
    throw cx.fail('VC3101', `${pads.length} pads`, `two for each of ${axes.length} axes`);
  }
  const result = shape.map((dim, index) => {
    const at = axes.indexOf(index);
    return at < 0 ? dim : addDims(dim, addDims(pads[at] ?? null, pads[at + axes.length] ?? null));
  });
  return [typed(cx.dtype(0), result)];
};

const blocks =
  (toSpace: boolean): Rule =>
  (cx) => {
    const shape = cx.shape(0);
    const size = cx.node.int('blocksize');
    if (shape === undefined || size === undefined) return [typed(cx.dtype(0), undefined)];
    cx.checkRank(0, 4);
    const [n = null, c = null, h = null, w = null] = shape;
    const [grow, shrink] = toSpace ? [multiplyDims, divideDims] : [divideDims, multiplyDims];
    return [typed(cx.dtype(0), [n, shrink(c, size * size), grow(h, size), grow(w, size)])];
  };

const shapeOf: Rule = (cx) => {
  const shape = cx.shape(0);
  const length = shape?.slice(cx.node.int('start') ?? 0, cx.node.int('end')).length;
  return [tensorType('int64', [length ?? null])];
};

const topK: Rule = (cx) => {
  const shape = cx.shape(0);
  const k = cx.node.int('k') ?? cx.ints(1)?.[0] ?? null;
  const result = shape?.with(cx.axis(cx.node.int('axis') ?? -1, shape.length), k);
  return [typed(cx.dtype(0), result), tensorType('int64', result)];
};

const nonZero: Rule = (cx) => [tensorType('int64', [cx.shape(0)?.length ?? null, null])];

/** end - begin over step where that is a number or, with step 1, an expression. */
const range: Rule = (cx) => {
  const [begin, end, step] = [0, 1, 2].map((index) => {
    const value = cx.node.input(index);
    return cx.ints(index)?.[0] ?? (value && floatsOf(value)?.[0]) ?? null;
  });
  const span =
    typeof begin === 'number' && typeof end === 'number'
      ? end - begin
      : subtractDims(end ?? null, begin ?? null);
  const length =
    typeof span === 'number' && typeof step === 'number' && step !== 0
      ? Math.max(0, Math.ceil(span / step))
      : step === 1
        ? span
        : null;
  return [typed(cx.dtype(0), [length])];
};

export const shapeRules: readonly (readonly [string, Rule])[] = [
  ['Reshape', reshape],
  ['Flatten', flatten],
  ['Transpose', transpose],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Concat', concat],
  ['Split', split],
  ['Slice', slice],
  ['Gather', gather],
  ['GatherElements', gatherElements],
  ['GatherND', gatherND],
  ['Expand', expand],
  ['Tile', tile],
  ['Pad', pad],
  ['DepthToSpace', blocks(true)],
  ['SpaceToDepth', blocks(false)],
  ['Shape', shapeOf],
  ['Size', () => [tensorType('int64', [])]],
  ['TopK', topK],
  ['NonZero', nonZero],
  ['Range', range],
];
