/**
 * Cutting work into units of similar cost. Boundaries depend on shapes alone, never on memory or on the number of
 * workers: a unit is the same bytes wherever and whenever it runs.
 */

import { columnsOf } from '../../tensor/derived/derive.ts';
import { byteLengthOf } from '../../tensor/dtype.ts';
import type { Derivation, Tensor } from '../../tensor/tensor.ts';
import { type LeafRange, leavesOf, readsParts } from '../../tensor/tiles.ts';
import type { Unit } from './write-plan.ts';

/**
 * Bytes that a unit reads and writes: some 10 ms of work, which is long beside what handing it over costs (0.1 ms),
 * and short beside what is lost when the process is killed and the time in which the last worker works alone.
 */
export const usualUnitBytes = 16 << 20;
/**
 * A transpose reads a piece of every row of its source, and what reads whole rows writes pieces: its units are windows
 * of this many times the bytes, so that pieces are long on both sides.
 */
const windowFactor = 4;
/** Pieces of rows of at least this size take no more time per byte than whole rows, about. */
const pieceBytes = 8192;

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
  const writtenPerRow = sum(outputs.map((output) => rowBytes[output] ?? 0));
  const windows = readsParts(derivation, Math.floor(rows / 2)) && derivation.wholeRows !== true;
  const made = windows
    ? windowsOf(derivation, windowFactor * unitBytes)
    : ranges(rows, unitBytes / Math.max(1e-9, readPerRow + sum(rowBytes))).map(([begin, end]) => ({
        begin,
        end,
      }));
  const all = columnsOf(derivation, 0);
  return made.map((range: Pick<Unit, 'begin' | 'end' | 'columns'>) => {
    const { begin, end, columns = [0, all] } = range;
    const share = ((end - begin) * (columns[1] - columns[0])) / Math.max(all, 1);
    return {
      recipe,
      ...range,
      reads: Math.round(share * readPerRow),
      writes: share * writtenPerRow,
      position: positionOf(leavesOf(derivation, begin, end, columns)),
    };
  });
}

/** Windows of about `wantedBytes` of input and output each: of all rows where their pieces are long enough. */
function windowsOf(derivation: Derivation, wantedBytes: number): Pick<Unit, 'begin' | 'end' | 'columns'>[] {
  const { rows, outputs } = derivation;
  const columns = columnsOf(derivation, 0);
  const elements = rows * columns;
  const read = bytesOf(leavesOf(derivation, 0, rows)) / elements;
  const written = byteLengthOf(outputs[0]?.dtype ?? 'uint8', [elements]) / elements;
  const wanted = wantedBytes / (read + written);
  const width = Math.max(wanted / rows, pieceBytes / written);
  return ranges(columns, width).flatMap(([first, last]) =>
    ranges(rows, wanted / (last - first)).map(([begin, end]) => ({
      begin,
      end,
      ...(last - first === columns ? {} : { columns: [first, last] as const }),
    })),
  );
}

/** Much larger ones first, so that none is left for one worker at the end; then as the files are read forward. */
export function inOrder(units: readonly PositionedUnit[], unitBytes: number): Unit[] {
  const weight = ({ reads, writes }: Unit): number =>
    reads + writes > 2 * windowFactor * unitBytes ? reads + writes : 0;
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
