/**
 * One of several projections that were computed as one: x [.., c · h · d] → Reshape [.., c, h, d] → Transpose → the i-th
 * along c. The order of steps is turned round, so that each projection is taken first: from the columns of x where c is
 * the outermost of the axes that they hold, else along its axis. What follows is Reshape and Transpose, as of a
 * projection of its own.
 */
import { sameDim } from '../../../graph/infer/dims.ts';
import type { Node } from '../../../graph/node.ts';
import { dimsOf, type Value } from '../../../graph/value.ts';
import { constantNumbers, constantScalar } from '../../../rewrite/constants.ts';
import type { Rewriter } from '../../../rewrite/rewriter.ts';
import { nodeRule, type Rule } from '../../../rewrite/rule.ts';
import { type Extent, permOf, reshaped, transposed } from './layout.ts';
import type { Shared } from './shared.ts';

interface Packed {
  readonly output: Value;
  /** [.., c, ..]: what the Reshape gives. */
  readonly apart: Value;
  readonly axis: number;
  readonly index: number;
  /** Axes of `apart` without c, in the order in which the output has them. */
  readonly order: readonly number[];
  /** What the Reshape takes, and into how many parts its columns fall; undefined where they do not. */
  readonly columns: { readonly value: Value; readonly parts: number } | undefined;
}

export function unpackProjections(shared: Shared): Rule {
  return nodeRule({
    name: 'packed-projection',
    roots: ['Gather', 'Squeeze'],
    inspect,
    rewrite: (packed, rewriter) => rewriter.replace(packed.output, unpacked(packed, rewriter, shared)),
  });
}

interface Selection {
  readonly from: Value;
  readonly axis: number;
  readonly index: number;
}

function inspect(node: Node): Packed | string {
  const selection = node.op === 'Gather' ? gathered(node) : squeezed(node);
  const turn = selection?.from.producer;
  const perm = turn?.op === 'Transpose' ? permOf(turn) : undefined;
  const apart = turn?.input(0);
  if (selection === undefined || perm === undefined || apart === undefined)
    return 'no selection behind a Transpose';
  const source = apart.producer?.op === 'Reshape' ? apart.producer.input(0) : undefined;
  const axis = perm[selection.axis];
  if (source === undefined || axis === undefined) return 'no Reshape before the Transpose';
  return {
    output: node.output,
    apart,
    axis,
    index: selection.index,
    order: perm.filter((each) => each !== axis),
    columns: columnsOf(source, apart, axis),
  };
}

function gathered(node: Node): Selection | undefined {
  const [from, which] = [node.input(0), node.input(1)];
  const rank = from === undefined ? undefined : dimsOf(from)?.length;
  const index = constantScalar(which);
  if (from === undefined || rank === undefined || index === undefined || index < 0) return undefined;
  if (which === undefined || dimsOf(which)?.length !== 0) return undefined;
  const axis = node.int('axis') ?? 0;
  return { from, axis: axis < 0 ? axis + rank : axis, index };
}

/** Squeeze(Split) of parts of one element. */
function squeezed(node: Node): Selection | undefined {
  const part = node.input(0);
  const split = part?.producer?.op === 'Split' ? part.producer : undefined;
  const from = split?.input(0);
  const rank = from === undefined ? undefined : dimsOf(from)?.length;
  const axes = constantNumbers(node.input(1));
  if (part === undefined || split === undefined || from === undefined || rank === undefined) return undefined;
  if (axes?.length !== 1 || axes[0] === undefined) return undefined;
  const [axis, along] = [axes[0], split.int('axis') ?? 0].map((each) => (each < 0 ? each + rank : each));
  if (axis === undefined || axis !== along) return undefined;
  return dimsOf(from)?.[axis] === split.outputs.length ? { from, axis, index: part.outputIndex } : undefined;
}

function columnsOf(source: Value, apart: Value, axis: number): Packed['columns'] {
  const [whole, split] = [dimsOf(source) ?? [], dimsOf(apart) ?? []];
  const parts = split[axis];
  const kept = split.slice(0, axis).every((dim, index) => sameDim(dim, whole[index] ?? null) === true);
  const inner = split.slice(axis).every((dim) => typeof dim === 'number');
  return typeof parts === 'number' && kept && inner && whole.length === axis + 1
    ? { value: source, parts }
    : undefined;
}

function unpacked({ apart, axis, index, order, columns }: Packed, rewriter: Rewriter, shared: Shared): Value {
  const rest = [...(dimsOf(apart) ?? []).keys()].filter((each) => each !== axis);
  const perm = order.map((each) => rest.indexOf(each));
  if (columns === undefined) {
    const which = rewriter.int64([index], []);
    return transposed(rewriter, rewriter.op('Gather', [apart, which], { attributes: { axis } }), perm);
  }
  const { value, parts } = columns;
  const first = shared.once(rewriter, `${parts} parts`, [value], () => {
    const outputs = Array.from({ length: parts }, () => ({}));
    return rewriter.node('Split', [value], outputs, { attributes: { axis, num_outputs: parts } }).output;
  });
  const part = first.producer?.outputs[index];
  if (part == null) throw new RangeError(`${apart.name} has no part ${index}`);
  const extents = rest.map((each): Extent => {
    const dim = (dimsOf(apart) ?? [])[each];
    return each < axis ? { axis: each } : Number(dim);
  });
  return transposed(rewriter, reshaped(rewriter, part, extents), perm);
}
