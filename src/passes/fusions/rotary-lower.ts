/**
 * Rotary position embedding as an operator. x is [B, h, S, d], [B, S, h, d], [B, S, d], [S, h, d] or [S, d]; a table is
 * what broadcasts over x with r/2 columns, the same for all heads. What an operator wants:
 *
 *   com.microsoft::RotaryEmbedding(x [B, S, h · d] or [B, h, S, d], positions, cos [rows, r/2], sin [rows, r/2])
 *   RotaryEmbedding (ai.onnx 23)  (x [B, S, h · d] or [B, h, S, d], cos [B, S, r/2], sin [B, S, r/2])
 *
 * The first takes positions [1]: row s of the tables for slot s in every batch row, or positions [B, S]: here the number
 * of each (batch row, slot) among the B · S rows of the tables. The form [B, S, h · d] is preferred: heads then lie as
 * projections leave them, and the swap of heads and slots behind it is left to whoever needs it (figures: `npm run bench:rewrites`).
 */
import type { AttributeLike } from '../../graph/attribute.ts';
import { type Dim, formatType } from '../../graph/types.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import type { Rewriter } from '../../rewrite/rewriter.ts';
import type { Rotary } from './rotary-match.ts';
import { type Columns, type ColumnTables, columnsOf } from './rotary-tables.ts';

export const microsoftRotary = 'com.microsoft::RotaryEmbedding';
export const standardRotary = 'RotaryEmbedding';

/** Which axes of x are what; an axis that is absent has size 1. */
interface Layout {
  readonly batch: number | undefined;
  readonly heads: number | undefined;
  readonly slots: number;
}

export interface RotaryPlan {
  readonly x: Value;
  readonly interleaved: boolean;
  readonly turning: number;
  readonly layout: Layout;
  readonly heads: number;
  readonly width: number;
  readonly cos: Columns;
  readonly sin: Columns;
  /** The tables have one row per slot, not one per batch row and slot. */
  readonly shared: boolean;
}

/** How the operators would take it; a string says why they cannot. */
export function planRotary({ x, whole, form, turning, cos, sin, paired }: Rotary): RotaryPlan | string {
  if (form === 'moved') return 'its channels lie in an order that no operator takes';
  if (!paired) return 'its tables are not proven to repeat their columns';
  if (!whole) return `its tables may have more rows than what they turn, ${formatType(x.type)}`;
  const tables = [columnsOf(cos), columnsOf(sin)];
  const [first, second] = tables;
  if (first === undefined || second === undefined) return 'the columns of its tables lie in no order';
  const dims = dimsOf(x) ?? [];
  const [rows, others] = [rowDims(first.value, dims), rowDims(second.value, dims)];
  if (rows === undefined || others?.some((dim, axis) => dim !== rows[axis]) !== false) {
    return `its tables are ${formatType(first.value.type)} and ${formatType(second.value.type)}`;
  }
  const layout = layouts(dims.length - 1).find((candidate) => fits(candidate, dims, rows));
  const width = dims.at(-1);
  const heads = layout?.heads === undefined ? 1 : dims[layout.heads];
  if (layout === undefined || typeof heads !== 'number' || typeof width !== 'number') {
    return `tables ${formatType(first.value.type)} fit no known layout of ${formatType(x.type)}`;
  }
  const shared = layout.batch === undefined || rows[layout.batch] === 1;
  return {
    x,
    interleaved: form === 'interleaved',
    turning,
    layout,
    heads,
    width,
    cos: first,
    sin: second,
    shared,
  };
}

/** The dimensions of the rows of a table, one for each axis of x but the last. */
function rowDims(table: Value, dims: readonly Dim[]): readonly Dim[] | undefined {
  const own = dimsOf(table)?.slice(0, -1);
  const missing = dims.length - 1 - (own?.length ?? dims.length);
  return own === undefined || missing < 0 ? undefined : [...Array<Dim>(missing).fill(1), ...own];
}

function layouts(axes: number): readonly Layout[] {
  switch (axes) {
    case 1:
      return [{ batch: undefined, heads: undefined, slots: 0 }];
    case 2:
      return [
        { batch: 0, heads: undefined, slots: 1 },
        { batch: undefined, heads: 1, slots: 0 },
      ];
    case 3:
      return [
        { batch: 0, heads: 1, slots: 2 },
        { batch: 0, heads: 2, slots: 1 },
      ];
    default:
      return [];
  }
}

function fits({ batch, heads, slots }: Layout, dims: readonly Dim[], rows: readonly Dim[]): boolean {
  const same = (axis: number): boolean => dims[axis] !== null && rows[axis] === dims[axis];
  if (heads !== undefined && (rows[heads] !== 1 || typeof dims[heads] !== 'number')) return false;
  return same(slots) && (batch === undefined || rows[batch] === 1 || same(batch));
}

/** Writes the operator and gives the turned x, in its layout. */
export function lowerRotary(
  plan: RotaryPlan,
  operator: string,
  rewriter: Rewriter,
  tables: ColumnTables,
): Value {
  const { x, layout, heads, width } = plan;
  const turn = (value: Value): Value => turned(plan, operator, value, rewriter, tables);
  const back = (value: Value, shape: readonly number[]): Value =>
    rewriter.op('Reshape', [value, rewriter.int64(shape)]);
  if (layout.batch === undefined) {
    const shape = layout.heads === undefined ? [-1, width] : [-1, heads, width];
    return back(turn(back(x, [1, -1, heads * width])), shape);
  }
  const joined = [0, 0, heads * width];
  const split = [0, 0, heads, width];
  switch (layout.heads) {
    case undefined:
      return turn(x);
    case 2:
      return back(turn(back(x, joined)), split);
    default: {
      const swapped = swappedHeads(x);
      if (swapped === undefined) return turn(x);
      const slots = back(turn(back(swapped, joined)), split);
      return rewriter.op('Transpose', [slots], { attributes: { perm: [0, 2, 1, 3] } });
    }
  }
}

/** [B, S, h, d] behind x [B, h, S, d]. */
function swappedHeads(x: Value): Value | undefined {
  const isSwap = x.producer?.op === 'Transpose' && x.producer.ints('perm')?.join() === '0,2,1,3';
  return isSwap ? x.producer?.input(0) : undefined;
}

function turned(
  plan: RotaryPlan,
  operator: string,
  value: Value,
  rewriter: Rewriter,
  tables: ColumnTables,
): Value {
  const { interleaved, turning, heads, width } = plan;
  const attributes: Record<string, AttributeLike> = {
    num_heads: heads,
    interleaved: interleaved ? 1 : 0,
    ...(turning === width ? {} : { rotary_embedding_dim: turning }),
  };
  const [cos, sin] = [plan.cos, plan.sin].map((columns) => slotTable(plan, columns, rewriter, tables));
  if (cos === undefined || sin === undefined) throw new RangeError('two tables were asked for');
  if (operator === standardRotary) {
    const own = [cos, sin].map((table) => perBatchRow(table, value, rewriter));
    return rewriter.op('RotaryEmbedding', [value, ...own], { attributes });
  }
  const caches = [cos, sin].map((table) =>
    tables.once(rewriter, `cache ${tables.idOf(table)}`, () =>
      rewriter.op('Reshape', [table, rewriter.int64([-1, turning / 2])]),
    ),
  );
  const positions = tables.once(rewriter, plan.shared ? 'slot 0' : `rows ${tables.idOf(cos)}`, () =>
    plan.shared ? rewriter.int64([0]) : rowNumbers(cos, rewriter),
  );
  return rewriter.op('RotaryEmbedding', [value, positions, ...caches], {
    domain: 'com.microsoft',
    attributes,
  });
}

/** The columns as [1 or B, S, r/2]. */
function slotTable(plan: RotaryPlan, columns: Columns, rewriter: Rewriter, tables: ColumnTables): Value {
  const table = tables.take(rewriter, columns);
  const { layout } = plan;
  const rank = dimsOf(table)?.length ?? 0;
  const axes = (dimsOf(plan.x)?.length ?? 0) - rank;
  /** The heads' axis as the table has it. */
  const heads = layout.heads === undefined ? -1 : layout.heads - axes;
  const kept = rank - (heads >= 0 ? 1 : 0);
  return tables.once(rewriter, `slots ${tables.idOf(table)} ${heads}`, () => {
    const plain = heads < 0 ? table : rewriter.op('Squeeze', [table, rewriter.int64([heads])]);
    return kept === 3
      ? plain
      : rewriter.op('Unsqueeze', [plain, rewriter.int64([...Array(3 - kept).keys()])]);
  });
}

/** [1, S, r/2] as [B, S, r/2] for x [B, …]: runtimes refuse to broadcast. */
export function perBatchRow(table: Value, x: Value, rewriter: Rewriter): Value {
  const [rows, batch] = [dimsOf(table)?.[0], dimsOf(x)?.[0]];
  if (rows !== 1 || batch === 1) return table;
  const count = rewriter.op('Shape', [x], { attributes: { start: 0, end: 1 } });
  const shape = rewriter.op('Concat', [count, rewriter.int64([1, 1])], { attributes: { axis: 0 } });
  return rewriter.op('Expand', [table, shape]);
}

/** [B, S, r/2] → int64 [B, S]: 0, 1, 2, … */
function rowNumbers(table: Value, rewriter: Rewriter): Value {
  const shape = rewriter.op('Shape', [table], { attributes: { start: 0, end: 2 } });
  const count = rewriter.op('ReduceProd', [shape], { attributes: { keepdims: 0 } });
  const numbers = rewriter.op('Range', [rewriter.int64([0], []), count, rewriter.int64([1], [])]);
  return rewriter.op('Reshape', [numbers, shape]);
}
