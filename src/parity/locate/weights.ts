/**
 * Which constant of some nodes is wrong, and in what way: a weight against the one of the same values in the graph that
 * the nodes were made from. What a block-quantized matrix is wrong in is told by its blocks: where all weights of one
 * are off by the same whole number of steps it is the zero point, where they are in proportion the scale, else codes.
 */
import type { RunTensor } from '../../runtime/values.ts';
import { adapterFault, mergedFrom } from './adapters.ts';
import { floats, formatFactor, proportion, relativeError, roundingError, transposed } from './arrays.ts';
import type { Blocks, Constant } from './constants.ts';

/** What a tensor is to the node that reads it. */
export type TensorKind = 'weight' | 'zero points' | 'scales' | 'codes' | 'adapter' | 'resized table';

export interface TensorFault {
  /** Of the initializer. */
  readonly name: string;
  readonly kind: TensorKind;
  /** ‖error‖ / ‖tensor‖ */
  readonly relative: number;
  /** Without a full stop: `1 of 96, first row 3 block 0`, `transposed`, `1.05 times what it should be`. */
  readonly what: string;
}

/** Worst first. `exactTo`: the relative rounding that is expected besides. */
export function tensorFaults(
  before: readonly Constant[],
  after: readonly Constant[],
  exactTo: number = roundingError,
): readonly TensorFault[] {
  const faults = after.flatMap((found): TensorFault[] => {
    const merged = mergedFrom(found, before);
    const partner = merged === undefined ? partnerOf(found, before) : undefined;
    const fault =
      merged === undefined
        ? partner && faultOf(partner.constant, partner.values, found)
        : adapterFault(found, merged, exactTo);
    return fault === undefined || fault.relative <= exactTo ? [] : [fault];
  });
  return faults.sort((a, b) => b.relative - a.relative);
}

/** Tensors that have nothing to do with each other are farther apart. */
const unlike = 1;

interface Partner {
  readonly constant: Constant;
  /** Laid out as the other one is. */
  readonly values: Float32Array;
}

/** The constant of the same name, else one of the same size that is nearer than anything unlike it would be. */
function partnerOf(found: Constant, before: readonly Constant[]): Partner | undefined {
  const same = before.filter(({ name }) => name === found.name);
  const named = same.length > 0;
  const own = floats(found.value);
  const [nearest] = (named ? same : before)
    .flatMap((constant) => layouts(constant, found))
    .map((partner) => ({ partner, error: relativeError(partner.values, own) }))
    .sort((a, b) => a.error - b.error);
  if (nearest === undefined || named) return nearest?.partner;
  return own.length > 1 && nearest.error < unlike ? nearest.partner : undefined;
}

function layouts(constant: Constant, found: Constant): readonly Partner[] {
  const [mine, theirs] = [plain(constant.value.shape), plain(found.value.shape)];
  const values = floats(constant.value);
  if (values.length !== floats(found.value).length) return [];
  const [rows = 0, columns = 0, ...more] = mine;
  const straight = mine.join() === theirs.join() ? [{ constant, values }] : [];
  // A plain graph holds [K, N] where quantized ones hold [N, K].
  if (found.blocks === undefined || more.length > 0) return straight;
  if (theirs.join() !== [columns, rows].join()) return straight;
  return [...straight, { constant, values: transposed(values, rows, columns) }];
}

/** A shape without axes of one element. */
function plain(shape: readonly number[]): readonly number[] {
  return shape.filter((size) => size !== 1);
}

function faultOf(wanted: Constant, values: Float32Array, found: Constant): TensorFault | undefined {
  const own = floats(found.value);
  const relative = relativeError(values, own);
  if (relative === 0) return undefined;
  const { name } = found;
  if (found.blocks !== undefined) return { name, relative, ...blockFault(values, found.blocks, found.value) };
  const kind = wanted.computedBy.includes('Resize') ? 'resized table' : 'weight';
  return { name, relative, kind, what: weightFault(values, own, found.value.shape) };
}

function weightFault(wanted: Float32Array, found: Float32Array, shape: readonly number[]): string {
  const [rows = 0, columns = 0, ...more] = plain(shape);
  if (more.length === 0 && rows > 1 && rows === columns) {
    if (relativeError(transposed(wanted, rows, columns), found) <= roundingError) return 'transposed';
  }
  const factor = proportion(wanted, found);
  if (factor !== undefined) return `${formatFactor(factor)} times what it should be`;
  let wrong = 0;
  for (const [at, value] of wanted.entries()) if (differs(value, found[at] ?? 0)) wrong += 1;
  return `${wrong} of ${wanted.length} values differ`;
}

interface BlockCounts {
  readonly kind: 'zero points' | 'scales' | 'codes';
  readonly first: string;
  count: number;
}

/** By what most of its wrong blocks are wrong in. */
function blockFault(
  wanted: Float32Array,
  blocks: Blocks,
  { shape, data }: RunTensor,
): Pick<TensorFault, 'kind' | 'what'> {
  const [rows = 0, columns = 0] = shape;
  const perRow = Math.ceil(columns / blocks.block);
  const found = data as Float32Array;
  const kinds = new Map<BlockCounts['kind'], BlockCounts>();
  for (let row = 0; row < rows; row += 1) {
    for (let index = 0; index < perRow; index += 1) {
      const begin = row * columns + index * blocks.block;
      const end = Math.min(begin + blocks.block, (row + 1) * columns);
      const kind = kindOfBlock(
        wanted.subarray(begin, end),
        found.subarray(begin, end),
        blocks.scales[row * perRow + index] ?? 0,
      );
      if (kind === undefined) continue;
      const known = kinds.get(kind) ?? { kind, first: `row ${row}, block ${index}`, count: 0 };
      known.count += 1;
      kinds.set(kind, known);
    }
  }
  const [most] = [...kinds.values()].sort((a, b) => b.count - a.count);
  if (most === undefined) return { kind: 'codes', what: 'rounded otherwise' };
  const { kind, first, count } = most;
  const others = [...kinds.values()].reduce((sum, one) => sum + one.count, 0) - count;
  const more = others === 0 ? '' : `, and ${others} blocks in another way`;
  return { kind, what: `${count} of ${rows * perRow}, first at ${first}${more}` };
}

function kindOfBlock(
  wanted: Float32Array,
  found: Float32Array,
  scale: number,
): BlockCounts['kind'] | undefined {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [at, value] of wanted.entries()) {
    const error = (found[at] ?? 0) - value;
    low = Math.min(low, error);
    high = Math.max(high, error);
  }
  // A small part of a step is the rounding of float32.
  const step = Math.abs(scale);
  const near = 1e-3 * step;
  if (high <= near && low >= -near) return undefined;
  if (high - low <= near && Math.abs((low + high) / 2) >= step / 2) return 'zero points';
  return proportion(wanted, found) === undefined ? 'codes' : 'scales';
}

function differs(a: number, b: number): boolean {
  return Math.abs(a - b) > roundingError * Math.max(Math.abs(a), Math.abs(b));
}
