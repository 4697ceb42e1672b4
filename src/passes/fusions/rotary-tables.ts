/**
 * The tables of a rotary embedding at the width that operators take: r/2 columns, one per pair. A table that repeats its
 * columns is taken before the repetition (cos of Concat(f, f) becomes cos of f), a constant is cut, anything else sliced:
 * a table is small beside what it turns, and one is made for all layers.
 */
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import { type Element, isElementwise, lastAxis, originOf } from '../../rewrite/columns.ts';
import { constantScalar, constantTensor } from '../../rewrite/constants.ts';
import type { Rewriter } from '../../rewrite/rewriter.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { permuteRows } from '../../tensor/derived/rows.ts';
import { transpose2d } from '../../tensor/derived/transpose.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Columns start, start + step, … of a value's last axis. */
export interface Columns {
  readonly value: Value;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** The columns as a progression on the last axis of one value; undefined where they are none. */
export function columnsOf(elements: readonly Element[]): Columns | undefined {
  const plain = elements.map(onLastAxis);
  const [first, second] = plain;
  if (first === undefined) return undefined;
  const { value, column: start } = first;
  const step = second === undefined ? 1 : second.column - start;
  const regular = plain.every(
    (element, index) => element?.value === value && element.column === start + index * step,
  );
  return regular && step > 0 ? { value, start, step, count: elements.length } : undefined;
}

/** Columns over [d/2, 1] of an interleaved spelling lie on one axis before that. */
function onLastAxis(element: Element): Element | undefined {
  if (element.axes === 1) return element;
  const origin = originOf(element);
  return origin.kind === 'same' ? onLastAxis(origin.of) : undefined;
}

/** Steps behind a table that are made once more at another width. */
const deepest = 16;

/** Makes the values that hold columns, each once per graph, before the first node that needs it. */
export class ColumnTables {
  readonly #made = new Map<Graph, Map<string, Value | undefined>>();
  readonly #ids = new Map<Value, number>();

  take(rewriter: Rewriter, columns: Columns): Value {
    const { start, step, count } = columns;
    return this.once(rewriter, `cut ${this.idOf(columns.value)} ${start} ${step} ${count}`, () => {
      return this.#narrowed(rewriter, columns, deepest) ?? sliced(rewriter, columns);
    });
  }

  /** What `make` gave for this key in the rewriter's graph; rewrites come in the graph's order. */
  once<V extends Value | undefined>(rewriter: Rewriter, key: string, make: () => V): V {
    const own = this.#made.get(rewriter.graph) ?? new Map<string, Value | undefined>();
    this.#made.set(rewriter.graph, own);
    if (!own.has(key)) own.set(key, make());
    return own.get(key) as V;
  }

  idOf(value: Value): number {
    const id = this.#ids.get(value) ?? this.#ids.size;
    this.#ids.set(value, id);
    return id;
  }

  /** The columns without cutting them off something wider; undefined where that takes a cut. */
  #narrowed(rewriter: Rewriter, columns: Columns, depth: number): Value | undefined {
    const { value, start, step, count } = columns;
    return this.once(rewriter, `narrow ${this.idOf(value)} ${start} ${step} ${count}`, () => {
      const whole = wholeValue(columns);
      if (whole !== undefined) return whole;
      const tensor = constantTensor(value);
      if (tensor !== undefined) return rewriter.constant(value.name, cut(tensor, columns));
      const node = value.producer;
      if (node === undefined || node.outputs.length !== 1 || node.graph !== rewriter.graph || depth === 0) {
        return undefined;
      }
      if (isElementwise(node)) {
        return this.#again(rewriter, node, columns, depth, (input) => constantScalar(input) === undefined);
      }
      return keepsColumns(node)
        ? this.#again(rewriter, node, columns, depth, (_, index) => index === 0)
        : undefined;
    });
  }

  /** The node once more, over these columns of the inputs that `narrow` says. */
  #again(
    rewriter: Rewriter,
    node: Node,
    columns: Columns,
    depth: number,
    narrow: (input: Value, index: number) => boolean,
  ): Value | undefined {
    const inputs: (Value | null)[] = [];
    for (const [index, input] of node.inputs.entries()) {
      const kept = input === null || !narrow(input, index) || dimsOf(input)?.at(-1) === 1;
      const own = kept ? input : this.#narrowed(rewriter, { ...columns, value: input }, depth - 1);
      if (own === undefined) return undefined;
      inputs.push(own);
    }
    const attributes = Object.fromEntries(node.attributes);
    return rewriter.op(node.opType, inputs, { domain: node.domain, attributes });
  }
}

/** The value whose only columns these are, in their order. */
function wholeValue({ value, start, step, count }: Columns): Value | undefined {
  let elements = Array.from({ length: count }, (_, index) => lastAxis(value, start + index * step));
  for (;;) {
    const [first] = elements;
    if (first === undefined) return undefined;
    const fits = elements.every(
      (element, index) => element?.value === first.value && element.axes === 1 && element.column === index,
    );
    if (fits && dimsOf(first.value)?.at(-1) === count) return first.value;
    elements = elements.map((element) => {
      const origin = element === undefined ? undefined : originOf(element);
      return origin?.kind === 'same' ? origin.of : undefined;
    });
  }
}

/** Moves rows only, and takes the columns of its first input as they are. */
function keepsColumns(node: Node): boolean {
  const rank = dimsOf(node.output)?.length ?? 0;
  const width = dimsOf(node.output)?.at(-1);
  if (width !== dimsOf(node.input(0))?.at(-1)) return false;
  switch (node.op) {
    case 'Unsqueeze':
    case 'Squeeze':
      return true;
    case 'Gather':
      return ![-1, (dimsOf(node.input(0))?.length ?? 0) - 1].includes(node.int('axis') ?? 0);
    case 'Transpose':
      return node.ints('perm')?.at(-1) === rank - 1;
    default:
      return false;
  }
}

function sliced(rewriter: Rewriter, { value, start, step, count }: Columns): Value {
  const bounds = [[start], [start + step * (count - 1) + 1], [-1], [step]].map((numbers) =>
    rewriter.int64(numbers),
  );
  return rewriter.op('Slice', [value, ...bounds]);
}

function cut(tensor: Tensor, { start, step, count }: Columns): Tensor {
  const width = tensor.shape.at(-1) ?? 1;
  const rows = tensor.shape.slice(0, -1);
  const height = rows.reduce((product, dim) => product * dim, 1);
  const segments = Array.from({ length: count }, (_, index) => [start + index * step, 1] as const);
  const taken = permuteRows(
    transpose2d(reshape(tensor, [height, width])),
    step === 1 ? [[start, count]] : segments,
  );
  return reshape(transpose2d(taken), [...rows, count]);
}
