/**
 * What becomes of the constants that hang on the size of the picture. Counts (shapes, bounds of slices) are computed;
 * a table that is added to the tokens, [k + gh·gw, C] with k rows of class tokens, is resized as the families do, with
 * torch's bicubic; constants of one value are filled again. Everything else has no other form that is known: VC3204.
 */
import { bytesOf, viewAs } from '../../kernels/bytes.ts';
import { fail } from '../../report/diagnostics.ts';
import { show } from '../../report/show.ts';
import { bicubicTable, type Grid } from '../../tensor/derived/bicubic-table.ts';
import { cast } from '../../tensor/derived/cast.ts';
import { concat } from '../../tensor/derived/join.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { permuteRows } from '../../tensor/derived/rows.ts';
import { transpose2d } from '../../tensor/derived/transpose.ts';
import { elementCount, isFloat } from '../../tensor/dtype.ts';
import { inlineTensor, readAll, type Tensor } from '../../tensor/tensor.ts';
import { type Extent, factorsOf, hasSide, resolve, termsOf } from './extent.ts';
import type { Extents } from './extents.ts';
import type { Flow, Leaf } from './flow.ts';
import { roleOf } from './roles.ts';
import { derivedFrom, rotaryTable, type TableSource } from './table-sources.ts';

/** Larger constants are no masks, and tables of positions are smaller by far. */
const largestRead = 1 << 28;

/** A constant with another value at the new size. */
export type Change =
  | { readonly kind: 'numbers'; readonly leaf: Leaf; readonly values: readonly number[] }
  | {
      readonly kind: 'tensor';
      readonly leaf: Leaf;
      readonly shape: readonly number[];
      readonly role: 'positions' | 'uniform';
    };

/**
 * The constants that change; reads nothing.
 * @throws VlmError VC3204 for those that have no form of another size
 */
export function plannedChanges(flow: Flow, extents: Extents): Change[] {
  return flow.leaves.flatMap((leaf): Change[] => {
    extents.where = placeOf(leaf);
    const shape = leaf.shape.map((extent) => extents.new(extent) ?? 0);
    if (leaf.shape.some((extent) => extents.moves(extent))) {
      return [{ kind: 'tensor', leaf, shape, role: roleOf(leaf, (reason) => refuse(leaf, extents, reason)) }];
    }
    const values = leaf.numbers?.values.map((value) => extents.new(value) ?? 0);
    const before = leaf.numbers?.values.map((value) => extents.old(value) ?? 0);
    if (values === undefined || values.every((value, at) => value === before?.[at])) return [];
    return [{ kind: 'numbers', leaf, values }];
  });
}

/**
 * Counts that nothing ties to the picture or to a weight, and that are as large as something that does hang on the
 * picture: they could mean either. Throws VC3204.
 */
export function refuseCoincidences(flow: Flow, extents: Extents): void {
  const tied = new Set<Extent>();
  const sizes = new Set<number>();
  for (const leaf of flow.leaves) for (const extent of leaf.shape) leavesOf(extent, tied);
  for (const shape of flow.shapes()) {
    for (const extent of shape) {
      if (extents.moves(extent)) sizes.add(extents.old(extent) ?? 0);
    }
  }
  for (const extent of flow.tied) leavesOf(extent, tied);
  for (const { node, index, values } of flow.factors) {
    const found = values.find((value) => sizes.has(value) || sizes.has(1 / value));
    if (found === undefined) continue;
    throw fail('VC3204', {
      where: `constant ${node.input(index)?.name}, input ${index} of node ${node.name} (${node.op})`,
      found: `${found}, which may be a size of the grid: positions are computed with it`,
    });
  }
  for (const leaf of flow.leaves) {
    // 0, 1, 2, … is replaced as a whole.
    if (leaf.shape.some((extent) => extents.moves(extent))) continue;
    for (const value of leaf.numbers?.values ?? []) {
      const at = resolve(value);
      if (at.kind !== 'unknown' || tied.has(at) || !sizes.has(at.old)) continue;
      throw fail('VC3204', {
        where: placeOf(leaf),
        found: `${at.old}, which is also a size of the grid`,
        expected: 'something that says whether it changes with the picture',
      });
    }
  }
}

function leavesOf(extent: Extent, into: Set<Extent>): void {
  const at = resolve(extent);
  if (at.kind === 'unknown') into.add(at);
  for (const part of at.kind === 'product' ? at.factors : at.kind === 'sum' ? at.terms : [])
    leavesOf(part, into);
}

/** @throws VlmError VC3204 where the values are none that are known */
export async function changedTensor(
  change: Change,
  extents: Extents,
  counting: ReadonlySet<Tensor>,
  sources: readonly TableSource[],
): Promise<{ readonly tensor: Tensor; readonly how: string }> {
  const { leaf } = change;
  const { tensor } = leaf;
  if (change.kind === 'numbers')
    return { tensor: integers(tensor, tensor.shape, change.values), how: 'count' };
  const { shape } = change;
  if (!isFloat(tensor.dtype) && counting.has(tensor)) {
    const count = elementCount(shape);
    if (count === Math.max(...shape)) {
      return {
        tensor: integers(
          tensor,
          shape,
          Array.from({ length: count }, (_, at) => at),
        ),
        how: 'count',
      };
    }
  }
  if (tensor.byteLength > largestRead) throw refuse(leaf, extents, `${tensor.byteLength} bytes`);
  const bytes = await readAll(tensor, 'keep');
  const element = uniformElement(bytes, elementCount(tensor.shape));
  if (element !== undefined) return { tensor: filled(tensor, shape, element), how: 'uniform' };
  if (!isFloat(tensor.dtype)) throw refuse(leaf, extents, 'its values are not those of a table of positions');
  return resizedTable(change, extents, sources);
}

/** [1.., k + gh·gw + m, C], [1.., gh, gw, C] or channels first. */
async function resizedTable(
  { leaf, shape, role }: Change & { readonly kind: 'tensor' },
  extents: Extents,
  sources: readonly TableSource[],
): Promise<{ readonly tensor: Tensor; readonly how: string }> {
  const { tensor } = leaf;
  const form = tableForm(leaf, extents);
  if (form === undefined) throw refuse(leaf, extents, 'it is no table with a row for each patch');
  const { before, after, from, to, prefix, suffix } = form;
  const rows = prefix + from[0] * from[1] + suffix;
  const float = cast(tensor, 'float32');
  const channels = before * after;
  if (before > 1 && after > 1) throw refuse(leaf, extents, 'it holds several tables');
  const flat =
    after === 1 && before > 1
      ? transpose2d(reshape(float, [before, rows]))
      : reshape(float, [rows, channels]);
  const patches = rows === from[0] * from[1] ? flat : permuteRows(flat, [[prefix, from[0] * from[1]]]);
  const alone = prefix + suffix === 0;
  const source =
    role === 'positions'
      ? await derivedFrom(patches, from, sources, alone)
      : await rotaryTable(patches, from);
  if (source === undefined && role !== 'positions') {
    throw refuse(
      leaf,
      extents,
      'it is not added to the tokens, and holds no rotary positions that are known',
    );
  }
  if (source === undefined && from[0] !== from[1]) {
    throw refuse(leaf, extents, `a table of ${from.join('x')} was resized before: the trained one is square`);
  }
  const grid = source === undefined ? bicubicTable(patches, from, to) : source.at(to);
  const resized = concat([
    ...(prefix > 0 ? [permuteRows(flat, [[0, prefix]])] : []),
    grid,
    ...(suffix > 0 ? [permuteRows(flat, [[rows - suffix, suffix]])] : []),
  ]);
  const turned = after === 1 && before > 1 ? transpose2d(resized) : resized;
  return { tensor: cast(reshape(turned, shape), tensor.dtype), how: source?.name ?? 'bicubic' };
}

interface TableForm {
  /** Elements before and after the grid's dimensions. */
  readonly before: number;
  readonly after: number;
  readonly from: Grid;
  readonly to: Grid;
  /** Rows that are no patches. */
  readonly prefix: number;
  readonly suffix: number;
}

function tableForm({ shape }: Leaf, extents: Extents): TableForm | undefined {
  const grids = [...shape.entries()].filter(([, extent]) => hasSide(extent));
  const first = grids[0]?.[0] ?? 0;
  const last = grids.at(-1)?.[0] ?? 0;
  if (last - first + 1 !== grids.length) return undefined;
  const terms = grids.length === 1 ? termsOf(shape[first] ?? { kind: 'number', value: 1 }) : [];
  const at = terms.findIndex(hasSide);
  const sides =
    grids.length === 1
      ? factorsOf(terms[at] ?? { kind: 'number', value: 1 })
      : grids.map(([, extent]) => extent);
  const [rows, columns, ...more] = sides.map(resolve);
  if (rows?.kind !== 'side' || columns?.kind !== 'side' || more.length > 0 || rows.axis === columns.axis) {
    return undefined;
  }
  const others = (part: readonly Extent[]): number =>
    part.reduce((total, each) => total + (extents.old(each) ?? 0), 0);
  if (terms.some((term, index) => index !== at && hasSide(term))) return undefined;
  const size = (part: readonly Extent[]): number =>
    part.reduce((total, each) => total * (extents.old(each) ?? 0), 1);
  const grid = (value: (extent: Extent) => number | undefined): Grid => [
    value(rows) ?? 0,
    value(columns) ?? 0,
  ];
  return {
    before: size(shape.slice(0, first)),
    after: size(shape.slice(last + 1)),
    from: grid((extent) => extents.old(extent)),
    to: grid((extent) => extents.new(extent)),
    prefix: others(terms.slice(0, Math.max(at, 0))),
    suffix: others(at < 0 ? [] : terms.slice(at + 1)),
  };
}

/** The bytes of the element that all are, undefined where they differ. */
function uniformElement(bytes: Uint8Array, count: number): Uint8Array | undefined {
  const size = count === 0 ? 0 : bytes.byteLength / count;
  if (size < 1 || !Number.isInteger(size)) return undefined;
  for (let at = size; at < bytes.byteLength; at += 1) if (bytes[at] !== bytes[at - size]) return undefined;
  return bytes.slice(0, size);
}

function filled(like: Tensor, shape: readonly number[], element: Uint8Array): Tensor {
  const count = elementCount(shape);
  const bytes = new Uint8Array(count * element.byteLength);
  for (let at = 0; at < count; at += 1) bytes.set(element, at * element.byteLength);
  return inlineTensor(like.dtype, shape, bytes);
}

function integers(like: Tensor, shape: readonly number[], values: readonly number[]): Tensor {
  const bytes =
    like.dtype === 'int64' ? bytesOf(BigInt64Array.from(values, BigInt)) : bytesOf(Int32Array.from(values));
  return inlineTensor(like.dtype, shape, bytes);
}

/** Integer constants of 0, 1, 2, … whatever file they stand in. */
export async function countingConstants(tensors: Iterable<Tensor>): Promise<ReadonlySet<Tensor>> {
  const found = new Set<Tensor>();
  for (const tensor of new Set(tensors)) {
    const count = elementCount(tensor.shape);
    if (count < 2 || count > 1 << 20 || (tensor.dtype !== 'int64' && tensor.dtype !== 'int32')) continue;
    const bytes = await readAll(tensor, 'keep');
    const counts =
      tensor.dtype === 'int64'
        ? viewAs(BigInt64Array, bytes).every((value, at) => value === BigInt(at))
        : viewAs(Int32Array, bytes).every((value, at) => value === at);
    if (counts) found.add(tensor);
  }
  return found;
}

export function placeOf({ node, index, value }: Leaf): string {
  return `constant ${value.name}, input ${index} of node ${node.name} (${node.op})`;
}

function refuse(leaf: Leaf, extents: Extents, reason: string): never {
  throw fail('VC3204', {
    where: placeOf(leaf),
    found: `${leaf.tensor.dtype}${show(leaf.tensor.shape)}, which is [${leaf.shape
      .map((extent) => extents.describe(extent))
      .join(', ')}]: ${reason}`,
  });
}
