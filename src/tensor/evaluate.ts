/**
 * Computing windows of tensors in a workspace: inputs first, each in the window that is needed of it, down to
 * leaves (source tensors) that were loaded before. Nothing here reads: what has to be loaded is known from the
 * window alone (`leafWindows`).
 */
import { columnsOf } from './derived/derive.ts';
import { elementCount } from './dtype.ts';
import type { ComputeContext, Derivation, Tensor } from './tensor.ts';
import {
  containsWindow,
  elementBytes,
  matrixOf,
  type Region,
  type Window,
  wholeRows,
  windowBytes,
} from './window.ts';

/** A window of a source tensor that a computation reads. */
export interface LeafWindow {
  readonly tensor: Tensor;
  readonly window: Window;
}

/** One that lies in the workspace. */
export interface LoadedLeaf extends LeafWindow {
  readonly region: Region;
}

export interface Evaluation extends ComputeContext {
  readonly leaves: readonly LoadedLeaf[];
}

/** The window of a derivation's rows that holds a window of a tensor, and how it is found in there. */
interface NativeWindow {
  readonly window: Window;
  /** Elements between the start of the native window and that of the tensor's. */
  readonly skip: number;
  /** Elements from row to row of the tensor's window; undefined: as the derivation lays it out. */
  readonly stride: number | undefined;
}

/** Bytes of all intermediate results and constants when a window is computed. */
export function temporaryBytes(derivation: Derivation, window: Window): number {
  let total = 0;
  for (const need of derivation.needs(window)) {
    const tensor = inputOf(derivation, need.input);
    if (tensor.origin.kind === 'inline') total += windowBytes(tensor.dtype, need.window);
    if (tensor.origin.kind !== 'derived') continue;
    const native = nativeWindow(tensor, need.window);
    total += outputBytes(tensor.origin.derivation, native.window).reduce((sum, bytes) => sum + bytes, 0);
    total += temporaryBytes(tensor.origin.derivation, native.window);
  }
  return total;
}

/** What has to be loaded to compute a window of whole rows or, where the derivation can, of some columns. */
export function leafWindows(derivation: Derivation, window: Window): readonly LeafWindow[] {
  const leaves: LeafWindow[] = [];
  collectLeaves(derivation, window, leaves);
  return leaves;
}

function collectLeaves(derivation: Derivation, window: Window, leaves: LeafWindow[]): void {
  for (const need of derivation.needs(window)) {
    const tensor = inputOf(derivation, need.input);
    if (tensor.origin.kind === 'derived') {
      collectLeaves(tensor.origin.derivation, nativeWindow(tensor, need.window).window, leaves);
    } else if (tensor.origin.kind === 'source') {
      const known = leaves.some((leaf) => leaf.tensor === tensor && containsWindow(leaf.window, need.window));
      if (!known) leaves.push({ tensor, window: need.window });
    }
  }
}

/** Bytes of each output in a window. */
export function outputBytes(derivation: Derivation, { rows, columns }: Window): number[] {
  return derivation.outputs.map(({ dtype }, output) => {
    const whole = columnsOf(derivation, output);
    return rows * (derivation.outputs.length > 1 ? whole : Math.min(columns, whole)) * elementBytes(dtype);
  });
}

/** Computes a window into the regions given, one per output. */
export function computeWindow(
  derivation: Derivation,
  window: Window,
  outputs: readonly Region[],
  evaluation: Evaluation,
): void {
  const { workspace } = evaluation;
  const top = workspace.top;
  /** Outputs of one derivation that are needed together are computed once. */
  const done: { derivation: Derivation; window: Window; regions: readonly Region[] }[] = [];
  const inputs = derivation.needs(window).map(({ input, window: wanted }) => {
    const tensor = inputOf(derivation, input);
    const { origin } = tensor;
    if (origin.kind === 'source') return loadedRegion(tensor, wanted, evaluation.leaves);
    if (origin.kind === 'inline') return inlineRegion(tensor, origin.bytes, wanted, evaluation);
    const native = nativeWindow(tensor, wanted);
    let same = done.find(
      (one) => one.derivation === origin.derivation && sameWindow(one.window, native.window),
    );
    if (same === undefined) {
      const regions = outputBytes(origin.derivation, native.window).map((bytes) => ({
        pointer: workspace.allocate(bytes),
        stride: native.window.rows === 0 ? 0 : bytes / native.window.rows,
      }));
      computeWindow(origin.derivation, native.window, regions, evaluation);
      same = { derivation: origin.derivation, window: native.window, regions };
      done.push(same);
    }
    const region = same.regions[origin.output];
    if (region === undefined) throw new RangeError(`${origin.derivation.op} has no output ${origin.output}`);
    const size = elementBytes(tensor.dtype);
    return {
      pointer: region.pointer + native.skip * size,
      stride: native.stride === undefined ? region.stride : native.stride * size,
    };
  });
  derivation.compute(window, inputs, outputs, evaluation);
  workspace.release(top);
}

function inputOf(derivation: Derivation, index: number): Tensor {
  const tensor = derivation.inputs[index];
  if (tensor === undefined) throw new RangeError(`${derivation.op} has no input ${index}`);
  return tensor;
}

/** The tensor may be a view of another shape, and some derivations compute whole rows only. */
function nativeWindow(tensor: Tensor, window: Window): NativeWindow {
  if (tensor.origin.kind !== 'derived') throw new TypeError('only derived tensors are computed');
  const { derivation, output } = tensor.origin;
  const columns = columnsOf(derivation, output);
  const [, viewColumns] = matrixOf(tensor.shape);
  if (viewColumns === columns && derivation.wholeRows !== true) return { window, skip: 0, stride: undefined };
  // As the first output counts columns, whichever output is asked for.
  const whole = columnsOf(derivation, 0);
  if (window.rows === 0 || window.columns === 0) {
    return { window: wholeRows(0, 0, whole), skip: 0, stride: viewColumns };
  }
  const first = window.row * viewColumns + window.column;
  const last = (window.row + window.rows - 1) * viewColumns + window.column + window.columns;
  const row = Math.floor(first / columns);
  return {
    window: wholeRows(row, Math.ceil(last / columns), whole),
    skip: first - row * columns,
    stride: viewColumns,
  };
}

function loadedRegion(tensor: Tensor, window: Window, leaves: readonly LoadedLeaf[]): Region {
  if (elementCount([window.rows, window.columns]) === 0) return { pointer: 0, stride: 0 };
  const leaf = leaves.find((one) => one.tensor === tensor && containsWindow(one.window, window));
  if (leaf === undefined) throw new RangeError('a computation reads what its needs did not say');
  const { pointer, stride } = leaf.region;
  const size = elementBytes(tensor.dtype);
  const rows = window.row - leaf.window.row;
  return { pointer: pointer + rows * stride + (window.column - leaf.window.column) * size, stride };
}

function inlineRegion(tensor: Tensor, bytes: Uint8Array, window: Window, { workspace }: Evaluation): Region {
  const size = elementBytes(tensor.dtype);
  const [, columns] = matrixOf(tensor.shape);
  const rowBytes = window.columns * size;
  const pointer = workspace.allocate(window.rows * rowBytes);
  const target = workspace.bytes(pointer, window.rows * rowBytes);
  for (let row = 0; row < window.rows; row++) {
    const begin = ((window.row + row) * columns + window.column) * size;
    target.set(bytes.subarray(begin, begin + rowBytes), row * rowBytes);
  }
  return { pointer, stride: rowBytes };
}

function sameWindow(a: Window, b: Window): boolean {
  return containsWindow(a, b) && containsWindow(b, a);
}
