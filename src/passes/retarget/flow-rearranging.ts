/** What operators that rearrange say about dimensions: Reshape, Slice, Gather, Concat, Resize and kin. */
import {
  CannotFollow,
  constantExtent,
  type Extent,
  isOne,
  number,
  one,
  product,
  quotient,
  resolve,
  sum,
} from './extent.ts';
import type { FlowRule, RuleView } from './flow.ts';

const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** Values of a shape input; throws CannotFollow where they are not known. */
function target(view: RuleView, index: number): readonly Extent[] {
  const values = view.numbers(index)?.values;
  if (values === undefined)
    throw new CannotFollow(`the values of ${view.node.input(index)?.name} are not known`);
  return values;
}

const fixedValue = (extent: Extent): number | undefined => {
  const at = resolve(extent);
  return at.kind === 'number' ? at.value : undefined;
};

const reshape: FlowRule = (view) => {
  const input = view.shape(0);
  const copies = view.node.int('allowzero') !== 1;
  const wanted = target(view, 1).map((extent, axis): Extent | 'rest' => {
    const value = fixedValue(extent);
    if (value === -1) return 'rest';
    return value === 0 && copies ? (input[axis] ?? one) : extent;
  });
  return [view.extents.reshape(input, wanted)];
};

const flatten: FlowRule = (view) => {
  const shape = view.shape(0);
  const axis = axisOf(view.node.int('axis') ?? 1, shape.length);
  return [[product(shape.slice(0, axis)), product(shape.slice(axis))]];
};

const transpose: FlowRule = (view) => {
  const shape = view.shape(0);
  const order = view.node.ints('perm') ?? [...shape.keys()].reverse();
  return [order.map((axis) => shape[axis] ?? one)];
};

function axes(view: RuleView, index: number): readonly number[] {
  const given = view.node.ints('axes') ?? view.fixed(index);
  if (given === undefined) throw new CannotFollow('the axes are not known');
  return given;
}

const squeeze: FlowRule = (view) => {
  const shape = view.shape(0);
  const without = axes(view, 1).map((axis) => axisOf(axis, shape.length));
  return [shape.filter((_, axis) => !without.includes(axis))];
};

const unsqueeze: FlowRule = (view) => {
  const shape = view.shape(0);
  const given = axes(view, 1);
  const rank = shape.length + given.length;
  const fresh = new Set(given.map((axis) => axisOf(axis, rank)));
  const rest = shape.values();
  return [Array.from({ length: rank }, (_, axis) => (fresh.has(axis) ? one : (rest.next().value ?? one)))];
};

const concat: FlowRule = (view) => {
  const shapes = view.node.inputs.map((_, index) => view.shape(index));
  const [first = []] = shapes;
  const axis = axisOf(view.node.int('axis') ?? 0, first.length);
  return [
    first.map((extent, at) => {
      if (at === axis) return sum(shapes.map((shape) => shape[at] ?? number(0)));
      for (const shape of shapes.slice(1)) view.extents.unify(extent, shape[at] ?? one);
      return extent;
    }),
  ];
};

const split: FlowRule = (view) => {
  const shape = view.shape(0);
  const axis = axisOf(view.node.int('axis') ?? 0, shape.length);
  const whole = shape[axis] ?? one;
  const count = view.node.outputs.length;
  const given = view.has(1) ? target(view, 1) : view.node.ints('split')?.map(number);
  if (given === undefined) {
    const part = view.extents.reshape([whole], [number(count), 'rest'])[1] ?? one;
    return view.node.outputs.map(() => shape.with(axis, part));
  }
  view.extents.unify(whole, sum(given));
  return given.map((part) => shape.with(axis, part));
};

const slice: FlowRule = (view) => {
  const shape = [...view.shape(0)];
  const [starts, ends] = [target(view, 1), target(view, 2)];
  const at = view.has(3) ? view.fixed(3) : [...starts.keys()];
  const steps = view.has(4) ? view.fixed(4) : starts.map(() => 1);
  if (at === undefined || steps === undefined) throw new CannotFollow('axes or steps are not known');
  for (const [index, given] of at.entries()) {
    const axis = axisOf(given, shape.length);
    const [start = number(0), end = number(0), step = 1] = [starts[index], ends[index], steps[index]];
    shape[axis] = sliced(view, shape[axis] ?? one, start, end, step);
  }
  return [shape];
};

/** Cuts between the picture's part of a dimension and the rest of it. A cut at a constant says what the constant is. */
function sliced(view: RuleView, whole: Extent, start: Extent, end: Extent, step: number): Extent {
  const { extents } = view;
  const length = extents.old(whole);
  const [from, to] = [extents.old(start), extents.old(end)];
  if (from === undefined || to === undefined)
    throw new CannotFollow(`a cut at ${extents.describe(from === undefined ? start : end)}`);
  if (length === undefined) {
    if (from === 0 && to > 2 ** 31 - 2 && step === 1) return whole;
    throw new CannotFollow('a dimension of unknown size is cut');
  }
  if (step === -1 && from === -1 && to < -length) return whole;
  if (step < 1) throw new CannotFollow(`step ${step}`);
  if (step > 1) {
    if (from < 0 || from >= step || to < length) throw new CannotFollow('a part in steps');
    return quotient(whole, step);
  }
  const limit = (position: number): number =>
    Math.min(Math.max(position < 0 ? position + length : position, 0), length);
  if (limit(to) <= limit(from)) return number(0);
  const [head] = extents.cut(whole, limit(to));
  // A constant that is not from the end stands for what it cuts off.
  if (to > 0 && to <= length) extents.unify(end, head);
  const [before, kept] = extents.cut(head, limit(from));
  if (from > 0) extents.unify(start, before);
  return kept;
}

const gather: FlowRule = (view) => {
  const [data, indices] = [view.shape(0), view.shape(1)];
  const axis = axisOf(view.node.int('axis') ?? 0, data.length);
  const from = data[axis] ?? one;
  const [count] = indices.filter((extent) => !isOne(extent));
  if (count !== undefined && view.counts(1) && view.extents.old(count) === view.extents.old(from)) {
    // All rows in their order.
    view.extents.unify(count, from);
  } else {
    const fixed = view.fixed(1);
    view.check(
      () => !view.extents.moves(from) || fixed?.every((index) => isKept(view, from, index)) === true,
      `it picks places of ${view.extents.describe(from)}`,
    );
  }
  return [[...data.slice(0, axis), ...indices, ...data.slice(axis + 1)]];
};

/** A place before the picture's part (a class token), or the last one. */
function isKept(view: RuleView, whole: Extent, index: number): boolean {
  if (index === -1) return true;
  if (index < 0) return false;
  try {
    return !view.extents.moves(view.extents.cut(whole, index + 1)[0]);
  } catch (cause) {
    if (cause instanceof CannotFollow) return false;
    throw cause;
  }
}

const expand: FlowRule = (view) => [view.extents.broadcast([view.shape(0), target(view, 1)])];

const tile: FlowRule = (view) => {
  const repeats = target(view, 1);
  return [view.shape(0).map((extent, axis) => product([repeats[axis] ?? one, extent]))];
};

const pad: FlowRule = (view) => {
  const shape = view.shape(0);
  const pads = view.node.ints('pads') ?? view.fixed(1);
  const at = view.has(3) ? view.fixed(3) : [...shape.keys()];
  if (pads === undefined || at === undefined) throw new CannotFollow('the pads are not known');
  const places = at.map((axis) => axisOf(axis, shape.length));
  return [
    shape.map((extent, axis) => {
      const index = places.indexOf(axis);
      if (index < 0) return extent;
      return sum([number(pads[index] ?? 0), extent, number(pads[index + places.length] ?? 0)]);
    }),
  ];
};

const range: FlowRule = (view) => {
  const [begin, end, step] = [view.fixed(0)?.[0], target(view, 1)[0], view.fixed(2)?.[0]];
  // 0.5, 1.5, … below a whole number are as many as from 0.
  if (begin !== undefined && step === 1 && end !== undefined)
    return [[sum([end, number(-Math.floor(begin))])]];
  const last = end && view.extents.old(end);
  if (begin === undefined || step === undefined || step === 0 || last === undefined) {
    throw new CannotFollow('the bounds are not known');
  }
  return [[constantExtent(Math.max(0, Math.ceil((last - begin) / step)))]];
};

/** Sizes, or scales: then the output is a whole multiple, or something that its readers tell. */
const resize: FlowRule = (view) => {
  const shape = view.shape(0);
  const at = (view.node.ints('axes') ?? [...shape.keys()]).map((axis) => axisOf(axis, shape.length));
  if (view.has(3)) {
    const sizes = target(view, 3);
    const result = [...shape];
    for (const [index, axis] of at.entries()) result[axis] = sizes[index] ?? one;
    for (const axis of [0, 1]) {
      const [before, after] = [shape[axis] ?? one, result[axis] ?? one];
      if (view.extents.old(before) === view.extents.old(after)) view.extents.unify(before, after);
    }
    return [result];
  }
  const declared = view.declared(0);
  const result = shape.map((extent, axis) => {
    const next = declared[axis] ?? one;
    const [before, after] = [view.extents.old(extent), view.extents.old(next)];
    if (before === after) return extent;
    if (before === undefined || after === undefined) throw new CannotFollow('scales of an unknown size');
    if (resolve(extent).kind === 'unknown') return next;
    if (after % before === 0) return product([extent, number(after / before)]);
    return before % after === 0 ? quotient(extent, before / after) : next;
  });
  view.scaled({ node: view.node, input: shape, output: result });
  return [result];
};

const blocks =
  (toSpace: boolean): FlowRule =>
  (view) => {
    const [batch = one, channels = one, height = one, width = one] = view.shape(0);
    const size = view.node.int('blocksize') ?? 1;
    const [grow, shrink] = toSpace
      ? [
          (extent: Extent) => product([extent, number(size)]),
          (extent: Extent) => part(view, extent, size * size),
        ]
      : [
          (extent: Extent) => quotient(extent, size),
          (extent: Extent) => product([extent, number(size * size)]),
        ];
    return [[batch, shrink(channels), grow(height), grow(width)]];
  };

function part(view: RuleView, extent: Extent, by: number): Extent {
  return view.extents.reshape([extent], ['rest', number(by)])[0] ?? one;
}

const indicesLike: FlowRule = (view) => [view.shape(1)];

const topK: FlowRule = (view) => {
  const shape = view.shape(0);
  const k = target(view, 1)[0] ?? one;
  const result = shape.with(axisOf(view.node.int('axis') ?? -1, shape.length), k);
  return [result, result];
};

export const rearrangingRules: readonly (readonly [string, FlowRule])[] = [
  ['Constant', () => []],
  ['ConstantOfShape', (view) => [target(view, 0)]],
  ['Reshape', reshape],
  ['Flatten', flatten],
  ['Transpose', transpose],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Concat', concat],
  ['Split', split],
  ['Slice', slice],
  ['Gather', gather],
  ['GatherElements', indicesLike],
  ['Expand', expand],
  ['Tile', tile],
  ['Pad', pad],
  ['Range', range],
  ['Resize', resize],
  ['DepthToSpace', blocks(true)],
  ['SpaceToDepth', blocks(false)],
  ['ScatterElements', (view) => [view.shape(0)]],
  ['ScatterND', (view) => [view.shape(0)]],
  ['TopK', topK],
  [
    'Shape',
    (view) => [[number(view.shape(0).slice(view.node.int('start') ?? 0, view.node.int('end')).length)]],
  ],
  ['Size', () => [[]]],
];
