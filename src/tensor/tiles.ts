/**
 * Computing many rows in little memory. Rows are cut into tiles: what a tile reads is loaded, its outputs are
 * computed and handed over, and the next tile takes its place. Within a tile, intermediate results are made in
 * strips that stay in the cache.
 */
import type { ByteSource } from './byte-source.ts';
import { columnsOf } from './derived/derive.ts';
import {
  computeWindow,
  type LeafWindow,
  type LoadedLeaf,
  leafWindows,
  outputBytes,
  temporaryBytes,
} from './evaluate.ts';
import { refuseNonFinite } from './non-finite.ts';
import type { Derivation, NonFinite, Tensor } from './tensor.ts';
import { elementBytes, matrixOf, type Window, wholeRows, windowBytes } from './window.ts';
import type { Workspace } from './workspace.ts';

/** Fills `target` with the bytes of a source from `begin` on. `target` lies in the workspace. */
export type LoadBytes = (source: ByteSource, begin: number, target: Uint8Array) => void;

/** Takes bytes of an output, from `offset` of its tensor on; they are valid during the call only. */
export type EmitBytes = (output: number, offset: number, bytes: Uint8Array) => void;

export interface TileOptions {
  /** Bound on what a tile takes in the workspace; a single row that takes more still runs. */
  readonly capacityBytes: number;
  readonly nonFinite: NonFinite;
  /** Only these columns of the rows; not for derivations of whole rows. */
  readonly columns?: ColumnRange | undefined;
}

/** Columns [begin, end) of a derivation's rows. */
export type ColumnRange = readonly [begin: number, end: number];

/** What is read, computed and written of a tile: enough to hide the cost of calls, little enough for the cache. */
const usualTileBytes = 2 << 20;
/** Intermediate results of a strip: they should stay in the second-level cache of a core. */
const stripBytes = 1 << 20;
/** Elements of two bytes in a cache line: columns of a transposed matrix are read in multiples of it. */
const lineElements = 32;
/** What every tile or strip takes whatever its rows may be at most this share of it. */
const fixedShare = 1 / 8;

/** Bytes [begin, end) of a source tensor that a computation reads. */
export interface LeafRange {
  readonly tensor: Tensor;
  readonly begin: number;
  readonly end: number;
}

/**
 * Computes rows [begin, end) of all outputs, tile by tile, offsets of each output increasing. Throws VC3901 (see
 * `NonFinite`) and what `load` and `emit` throw.
 */
export function computeTiles(
  derivation: Derivation,
  begin: number,
  end: number,
  workspace: Workspace,
  options: TileOptions,
  load: LoadBytes,
  emit: EmitBytes,
): void {
  let usual: number | undefined;
  for (let row = begin; row < end; ) {
    usual ??= tileRows(derivation, row, end, options);
    const rows = Math.min(usual, end - row);
    const tile = rowsOf(derivation, row, row + rows, options.columns);
    computeTile(derivation, tile, workspace, options, load, emit);
    row += rows;
  }
}

/** Hands over bytes [begin, end) of a source tensor as they are. */
export function copyTiles(
  tensor: Tensor,
  begin: number,
  end: number,
  workspace: Workspace,
  options: TileOptions,
  load: LoadBytes,
  emit: EmitBytes,
): void {
  const { origin } = tensor;
  if (origin.kind !== 'source') throw new TypeError('only source tensors are copied');
  const step = Math.max(1, Math.min(usualTileBytes, options.capacityBytes));
  for (let at = begin; at < end; at += step) {
    workspace.release();
    const byteLength = Math.min(step, end - at);
    const pointer = workspace.allocate(byteLength);
    load(origin.source, origin.offset + at, workspace.bytes(pointer, byteLength));
    if (options.nonFinite === 'refuse') refuseNonFinite(tensor, at, pointer, byteLength, workspace);
    emit(0, at, workspace.bytes(pointer, byteLength));
  }
}

/** Where the source tensors are read for rows [begin, end): one range per window, its gaps included. */
export function leavesOf(
  derivation: Derivation,
  begin: number,
  end: number,
  columns?: ColumnRange,
): readonly LeafRange[] {
  return leafWindows(derivation, rowsOf(derivation, begin, end, columns)).flatMap(({ tensor, window }) => {
    if (window.rows === 0 || window.columns === 0) return [];
    const size = elementBytes(tensor.dtype);
    const [, columns] = matrixOf(tensor.shape);
    const first = window.row * columns + window.column;
    const last = (window.row + window.rows - 1) * columns + window.column + window.columns;
    return [{ tensor, begin: first * size, end: last * size }];
  });
}

function rowsOf(derivation: Derivation, begin: number, end: number, columns?: ColumnRange): Window {
  const rows = wholeRows(begin, end, columnsOf(derivation, 0));
  return columns === undefined ? rows : { ...rows, column: columns[0], columns: columns[1] - columns[0] };
}

function computeTile(
  derivation: Derivation,
  tile: Window,
  workspace: Workspace,
  options: TileOptions,
  load: LoadBytes,
  emit: EmitBytes,
): void {
  workspace.release();
  const bytes = outputBytes(derivation, tile);
  const outputs = bytes.map((byteLength) => ({
    pointer: workspace.allocate(byteLength),
    stride: byteLength / tile.rows,
  }));
  const leaves = leafWindows(derivation, tile).map((leaf) => loadLeaf(leaf, workspace, options, load));
  const step = stripRows(derivation, tile);
  for (let row = 0; row < tile.rows; row += step) {
    const rows = Math.min(step, tile.rows - row);
    const regions = outputs.map(({ pointer, stride }) => ({ pointer: pointer + row * stride, stride }));
    computeWindow(derivation, { ...tile, row: tile.row + row, rows }, regions, {
      workspace,
      nonFinite: options.nonFinite,
      leaves,
    });
  }
  const columns = columnsOf(derivation, 0);
  for (const [output, { pointer, stride }] of outputs.entries()) {
    const byteLength = bytes[output] ?? 0;
    if (byteLength === 0) continue;
    if (tile.columns === columns) {
      emit(output, tile.row * stride, workspace.bytes(pointer, byteLength));
      continue;
    }
    // A piece of each row.
    const elementBytes = stride / tile.columns;
    for (let row = 0; row < tile.rows; row++) {
      const offset = ((tile.row + row) * columns + tile.column) * elementBytes;
      emit(output, offset, workspace.bytes(pointer + row * stride, stride));
    }
  }
}

function loadLeaf(
  { tensor, window }: LeafWindow,
  workspace: Workspace,
  options: TileOptions,
  load: LoadBytes,
): LoadedLeaf {
  if (tensor.origin.kind !== 'source') throw new TypeError('a leaf is a source tensor');
  const { source, offset } = tensor.origin;
  const size = elementBytes(tensor.dtype);
  const [, columns] = matrixOf(tensor.shape);
  const stride = window.columns * size;
  const pointer = workspace.allocate(window.rows * stride);
  // Whole rows are one run of bytes.
  const runs = window.columns === columns ? 1 : window.rows;
  const runBytes = (window.rows * stride) / Math.max(runs, 1);
  for (let run = 0; run < runs && runBytes > 0; run++) {
    const at = ((window.row + run) * columns + window.column) * size;
    const target = pointer + run * runBytes;
    load(source, offset + at, workspace.bytes(target, runBytes));
    if (options.nonFinite === 'refuse') refuseNonFinite(tensor, at, target, runBytes, workspace);
  }
  return { tensor, window, region: { pointer, stride } };
}

/**
 * Rows per tile. Where rows of the sources are read in part (transposes), tiles are as large as memory allows, so
 * that the parts are long.
 */
function tileRows(
  derivation: Derivation,
  begin: number,
  end: number,
  { capacityBytes, columns }: TileOptions,
): number {
  const footprint = (rows: number): number => {
    const tile = rowsOf(derivation, begin, begin + rows, columns);
    const outputs = outputBytes(derivation, tile);
    const leaves = leafWindows(derivation, tile).map((leaf) => windowBytes(leaf.tensor.dtype, leaf.window));
    const strip = temporaryBytes(derivation, { ...tile, rows: stripRows(derivation, tile) });
    return [...outputs, ...leaves, strip].reduce((sum, bytes) => sum + bytes, 0);
  };
  if (readsParts(derivation, begin)) return mostRows(end - begin, capacityBytes, footprint);
  const wanted = Math.max(usualTileBytes, fixedPart(footprint) / fixedShare);
  return mostRows(end - begin, Math.min(capacityBytes, wanted), footprint);
}

/** Whether one row is computed from parts of rows of a source. */
export function readsParts(derivation: Derivation, row: number): boolean {
  return leafWindows(derivation, rowsOf(derivation, row, row + 1)).some(
    ({ tensor, window }) => window.columns < matrixOf(tensor.shape)[1],
  );
}

function stripRows(derivation: Derivation, tile: Window): number {
  const temporaries = (rows: number): number => temporaryBytes(derivation, { ...tile, rows });
  const limit = Math.max(stripBytes, fixedPart(temporaries) / fixedShare);
  const rows = mostRows(tile.rows, limit, temporaries);
  return rows < lineElements ? rows : rows - (rows % lineElements);
}

/** What a cost that grows by the row has besides. */
function fixedPart(cost: (rows: number) => number): number {
  return Math.max(0, 2 * cost(1) - cost(2));
}

/** The most rows, at most `rows` and at least 1, whose cost, which grows with them, is within the limit. */
function mostRows(rows: number, limit: number, cost: (rows: number) => number): number {
  if (cost(rows) <= limit) return rows;
  let [fits, exceeds] = [1, rows];
  while (exceeds - fits > 1) {
    const middle = Math.floor((fits + exceeds) / 2);
    if (cost(middle) <= limit) fits = middle;
    else exceeds = middle;
  }
  return fits;
}
