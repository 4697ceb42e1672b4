/**
 * Positions that no checkpoint stores: sines and cosines of a patch's column and row, half of the channels each. The
 * half of an axis is size/4 sines, then size/4 cosines, of position · frequency; frequency j is 10000^(-j / (size/4)).
 * Every step is rounded to float32, as numpy does it.
 *
 * Source of the math: get_2d_sincos_pos_embed, which masked autoencoders and perceiver resamplers have in common.
 */

import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { bytesOf } from '../../kernels/bytes.ts';
import { codeOfDType } from '../../tensor/dtype.ts';
import { inlineTensor } from '../../tensor/tensor.ts';
import type { Grid } from './resize.ts';

/** float32 [size / 4] */
function frequencies(size: number): Float32Array {
  return Float32Array.from(
    { length: size / 4 },
    (_, j) => 1 / Math.fround(10000 ** Math.fround(j / (size / 4))),
  );
}

/** The positions of one grid, [rows · columns, size]; their axes are constants. */
export function gridSincos(b: GraphBuilder, { rows, columns }: Grid, size: number): Value {
  const across = b.op('Expand', [
    axisTable(b, columns, size, [1, columns, size / 2]),
    b.int64([rows, columns, size / 2]),
  ]);
  const down = b.op('Expand', [
    axisTable(b, rows, size, [rows, 1, size / 2]),
    b.int64([rows, columns, size / 2]),
  ]);
  const both = b.op('Concat', [across, down], { attributes: { axis: -1 } });
  return b.op('Reshape', [both, b.int64([rows * columns, size])]);
}

/** Positions 0 … count - 1 of an axis, as `shape`. */
function axisTable(b: GraphBuilder, count: number, size: number, shape: readonly number[]): Value {
  const turns = frequencies(size);
  const table = new Float32Array((count * size) / 2);
  for (let position = 0; position < count; position += 1) {
    for (const [j, turn] of turns.entries()) {
      const angle = Math.fround(position * turn);
      table[(position * size) / 2 + j] = Math.sin(angle);
      table[(position * size) / 2 + size / 4 + j] = Math.cos(angle);
    }
  }
  return b.weight(`sincos.${shape.join('x')}`, inlineTensor('float32', shape, bytesOf(table)));
}

/** The same of patches whose columns and rows the graph computes: both int64 [..., S] → [..., S, size]. */
export function sincosOf(b: GraphBuilder, columns: Value, rows: Value, size: number): Value {
  const turns = b.float32(frequencies(size));
  const parts = [columns, rows].flatMap((positions) => {
    const float = b.op('Cast', [positions], { attributes: { to: codeOfDType('float32') } });
    const angles = b.op('Mul', [b.op('Unsqueeze', [float, b.int64([-1])]), turns]);
    return [b.op('Sin', [angles]), b.op('Cos', [angles])];
  });
  return b.op('Concat', parts, { attributes: { axis: -1 } });
}
