/** Derivations that only move rows: each part of a window comes from one place. */
import type { ComputeContext, Need } from '../tensor.ts';
import type { Region } from '../window.ts';
import { regionAt } from './derive.ts';

/** Copies the parts below each other. `rowBytes` are the bytes of a row of the window. */
export function copyParts(
  parts: readonly Need[],
  inputs: readonly Region[],
  target: Region,
  rowBytes: number,
  { workspace }: ComputeContext,
): void {
  let row = 0;
  for (const [index, { window }] of parts.entries()) {
    const source = regionAt(inputs, index);
    const to = target.pointer + row * target.stride;
    workspace.kernels.copy_rows(source.pointer, source.stride, to, target.stride, window.rows, rowBytes);
    row += window.rows;
  }
}
