/**
 * Cutting work into units of similar cost. Boundaries depend on shapes alone, never on memory or on the number of
 * workers: a unit is the same bytes wherever and whenever it runs.
 */
import { byteLengthOf } from '../../tensor/dtype.ts';
import type { Derivation, Tensor } from '../../tensor/tensor.ts';
import { type LeafRange, leavesOf } from '../../tensor/tiles.ts';
import type { Unit } from './write-plan.ts';

/**
 * Bytes that a unit reads and writes: some 10 ms of work, which is long beside what handing it over costs (0.1 ms),
 * and short beside what is lost when the process is killed and the time in which the last worker works alone.
 */
export const usualUnitBytes = 16 << 20;
/**
 * Where computing one row goes through much of an input (a transpose reads a piece of every row), units are this
 * many times larger: the pieces are longer.
 */
const scatteredFactor = 4;
/** A row goes through much of an input when it reaches over more than this many times its share of it. */
const scatteredShare = 8;

/** A copy is cut at multiples of this: no element is cut, of whatever type. */
const copyAlignment = 64;

/** A unit and where its reading begins; undefined where it reads no file. */
export interface PositionedUnit extends Unit {
  readonly position: { readonly name: string; readonly offset: number } | undefined;
}

/** Copies a source tensor to `copies` places. */
export function copyUnits(
  tensor: Tensor,
  recipe: number,
  copies: number,
  unitBytes: number,
): PositionedUnit[] {
  const { byteLength } = tensor;
  const lines = Math.ceil(byteLength / copyAlignment);
  // Every byte is read and written.
  return ranges(lines, unitBytes / 2 / copyAlignment).map(([first, last]) => {
    const begin = first * copyAlignment;
    const end = Math.min(last * copyAlignment, byteLength);
    return {
      recipe,
      begin,
      end,
      reads: end - begin,
      writes: (end - begin) * copies,
      position: positionOf([{ tensor, begin, end }]),
    };
  });
}

/** `outputs` lists the output of every place that the derivation's tensors go to. */
export function computeUnits(
  derivation: Derivation,
  recipe: number,
  outputs: readonly number[],
  unitBytes: number,
): PositionedUnit[] {
  const { rows } = derivation;
  if (rows === 0) return [];
  const rowBytes = derivation.outputs.map(({ dtype, shape }) => byteLengthOf(dtype, shape) / rows);
  const readPerRow = bytesOf(leavesOf(derivation, 0, rows)) / rows;
  const middle = Math.floor(rows / 2);
  const scattered = bytesOf(leavesOf(derivation, middle, middle + 1)) > scatteredShare * readPerRow;
  const wanted = scattered ? scatteredFactor * unitBytes : unitBytes;
  const writtenPerRow = sum(outputs.map((output) => rowBytes[output] ?? 0));
  return ranges(rows, wanted / Math.max(1e-9, readPerRow + sum(rowBytes))).map(([begin, end]) => ({
    recipe,
    begin,
    end,
    reads: Math.round((end - begin) * readPerRow),
    writes: (end - begin) * writtenPerRow,
    position: positionOf(leavesOf(derivation, begin, end)),
  }));
}

/** Much larger ones first, so that none is left for one worker at the end; then as the files are read forward. */
export function inOrder(units: readonly PositionedUnit[], unitBytes: number): Unit[] {
  const weight = ({ reads, writes }: Unit): number =>
    reads + writes > 2 * scatteredFactor * unitBytes ? reads + writes : 0;
  return [...units]
    .sort(
      (a, b) =>
        weight(b) - weight(a) ||
        comparePositions(a.position, b.position) ||
        a.recipe - b.recipe ||
        a.begin - b.begin,
    )
    .map(({ position: _, ...unit }) => unit);
}

/** What reads no file comes last. */
function comparePositions(a: PositionedUnit['position'], b: PositionedUnit['position']): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.offset - b.offset;
}

/** [0, count) in ranges of nearly equal length, about `step` each. */
function ranges(count: number, step: number): [begin: number, end: number][] {
  const parts = Math.min(count, Math.max(1, Math.round(count / Math.max(1, step))));
  const cut = (part: number): number => Math.floor((count * part) / parts);
  return Array.from({ length: parts }, (_, part) => [cut(part), cut(part + 1)]);
}

function positionOf(leaves: readonly LeafRange[]): PositionedUnit['position'] {
  for (const { tensor, begin } of leaves) {
    const { origin } = tensor;
    if (origin.kind === 'source' && origin.source.file !== undefined) {
      return { name: origin.source.name, offset: origin.offset + begin };
    }
  }
  return undefined;
}

function bytesOf(leaves: readonly LeafRange[]): number {
  return sum(leaves.map(({ begin, end }) => end - begin));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
