/**
 * A model that tells the ranges of values inside it instead of the values: each is reduced on the device that computes
 * it, so that no activation is copied out, and none lives longer than without.
 *
 * Of a value of any shape, `<name>.range` float32 [3] holds its largest and smallest element and the sum of |x|, which
 * is not finite when an element is not; `<name>.place` int64 [2 + rank] the flat indices of the two and the shape.
 *
 * Largest and smallest are those of the finite elements only as long as all are finite: kernels differ in what they
 * make of NaN. Where the sum says that something is wrong, locate.ts looks at the elements.
 */
import { cloneModel } from '../../graph/clone.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { codeOfDType } from '../../tensor/dtype.ts';
import { inlineTensor } from '../../tensor/tensor.ts';
import { overflowsFloat16 } from './float16-range.ts';

export interface Instrumented {
  readonly model: Model;
  /** By the name of the value, in the order asked for. */
  readonly readings: ReadonlyMap<string, Reader>;
}

/** Names of the two outputs that a value is read from. */
interface Reader {
  readonly range: string;
  readonly place: string;
  readonly isHalf: boolean;
}

/** What a run says about one value. */
export interface Reading {
  /** Largest |x|; of a value that is `suspect` it may be anything. */
  readonly max: number;
  /** Flat index of that element. */
  readonly index: number;
  readonly shape: readonly number[];
  /** Some element is not finite, or too large for the value's own type, or so large that its sum is not finite. */
  readonly suspect: boolean;
}

/**
 * A copy of the model that gives the ranges of the values `names` (float16 or float32, made by nodes of the main graph)
 * and, of its own outputs, those in `keep`. The operators need operator set 18 or later.
 */
export function instrument(model: Model, names: readonly string[], keep: readonly string[]): Instrumented {
  const copy = cloneModel(model);
  const { graph } = copy;
  const flat = graph.addInitializer(
    graph.freshName('ranges/flat'),
    inlineTensor('int64', [1], new Uint8Array(BigInt64Array.of(-1n).buffer)),
  );
  const outputs = graph.outputs.filter(({ name }) => keep.includes(name));
  const readings = new Map<string, Reader>();
  for (const name of names) {
    const value = graph.value(name);
    if (value?.type?.kind !== 'tensor') throw new RangeError(`${name} is no tensor of ${graph.name}`);
    const [range, place] = measure(graph, value, flat);
    outputs.push(range, place);
    readings.set(name, { range: range.name, place: place.name, isHalf: value.type.dtype === 'float16' });
  }
  graph.setOutputs(outputs);
  if (names.length === 0) graph.removeInitializer(flat);
  return { model: copy, readings };
}

function measure(graph: Graph, value: Value, flat: Value): readonly [Value, Value] {
  const add = (
    op: string,
    inputs: readonly Value[],
    dtype: 'float32' | 'int64',
    attributes: Readonly<Record<string, number>> = {},
    name = `${value.name}.${op}`,
  ): Value => {
    const outputs = [{ name: graph.freshName(name), type: tensorType(dtype) }];
    return graph.addNode({ op, inputs, outputs, attributes }).output;
  };
  const isFloat = value.type?.kind === 'tensor' && value.type.dtype === 'float32';
  const wide = isFloat ? value : add('Cast', [value], 'float32', { to: codeOfDType('float32') });
  const all = add('Reshape', [wide, flat], 'float32');
  const whole = { keepdims: 1 };
  const range = ['ReduceMax', 'ReduceMin', 'ReduceL1'].map((op) => add(op, [all], 'float32', whole));
  const ends = ['ArgMax', 'ArgMin'].map((op) => add(op, [all], 'int64', { axis: 0, ...whole }));
  const shape = add('Shape', [value], 'int64');
  return [
    add('Concat', range, 'float32', { axis: 0 }, `${value.name}.range`),
    add('Concat', [...ends, shape], 'int64', { axis: 0 }, `${value.name}.place`),
  ];
}

/** What a run of the instrumented model says, by name of the value. */
export function readRanges(
  { readings }: Instrumented,
  outputs: ReadonlyMap<string, RunTensor>,
): ReadonlyMap<string, Reading> {
  return new Map(
    [...readings].map(([name, { range, place, isHalf }]) => {
      const [numbers, places] = [outputs.get(range), outputs.get(place)];
      if (numbers === undefined || places === undefined) throw new RangeError(`${name} was not measured`);
      const [largest = Number.NaN, smallest = Number.NaN, sum = Number.NaN] = toFloat32(numbers);
      const [first = 0, second = 0, ...shape] = Array.from(places.data, Number);
      const isLargest = Math.abs(largest) >= Math.abs(smallest);
      const max = Math.abs(isLargest ? largest : smallest);
      const suspect = !Number.isFinite(sum) || (isHalf && overflowsFloat16(max));
      return [name, { max, index: isLargest ? first : second, shape, suspect }];
    }),
  );
}
