/**
 * Where the patches of Qwen2-VL's tower are. Patches come picture after picture, frame after frame, and in a frame by
 * blocks of merge · merge neighbours, which become one token: (row / merge, column / merge, row % merge, column % merge).
 *
 * A patch turns by row and column in its frame and sees the patches of its frame. Both follow from `grid_thw` [pictures,
 * 3] (frames, rows and columns of each picture, in patches), in the graph, or from one grid that is known beforehand.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { codeOfDType } from '../../tensor/dtype.ts';
import { float32Min } from '../blocks/decoder-slots.ts';
import type { Grid } from '../blocks/resize.ts';
import { inverseFrequencies, type RotaryTables } from '../blocks/rotary.ts';
import { patchOrder } from '../patch-rows.ts';
import type { Qwen2VlVisionConfig } from './config.ts';

/** What attention in the tower needs to know of patches. */
export interface PatchPlaces {
  /** cos and sin [patches, 1, headDim / 2]: the first half by row, the second by column. */
  readonly rotary: RotaryTables;
  /** float32 [1, 1, patches, patches]; left out where all patches of a sequence see each other. */
  readonly mask?: Value;
}

/** Inverse frequencies of each of the two axes: float32 [headDim / 4]. */
function axisFrequencies({ ropeBase, headDim }: Qwen2VlVisionConfig): Float32Array {
  return inverseFrequencies(ropeBase, headDim / 2);
}

/** One frame of a known size: tables are constants, and nothing has to be hidden. */
export function staticPlaces(b: GraphBuilder, grid: Grid, config: Qwen2VlVisionConfig): PatchPlaces {
  const frequencies = axisFrequencies(config);
  const angles = patchOrder(grid, config.merge).flatMap(({ row, column }) =>
    [row, column].flatMap((position) => [...frequencies].map((f) => Math.fround(position * f))),
  );
  const shape = [grid.rows * grid.columns, 1, 2 * frequencies.length];
  return {
    rotary: {
      cos: b.float32(angles.map(Math.cos), shape),
      sin: b.float32(angles.map(Math.sin), shape),
    },
  };
}

/** Any number of pictures and videos of any sizes: `rows` [patches, …] says how many patches there are. */
export function dynamicPlaces(
  b: GraphBuilder,
  rows: Value,
  gridThw: Value,
  config: Qwen2VlVisionConfig,
): PatchPlaces {
  const { frame, row, column } = locate(b, rows, gridThw, config.merge);
  const frequencies = b.float32(axisFrequencies(config));
  const angle = (position: Value): Value => {
    const float = b.op('Cast', [position], { attributes: { to: codeOfDType('float32') } });
    return b.op('Mul', [b.op('Unsqueeze', [float, b.int64([1, 2])]), frequencies]);
  };
  const angles = b.op('Concat', [angle(row), angle(column)], { attributes: { axis: -1 } });
  const sameFrame = b.op('Equal', [
    b.op('Unsqueeze', [frame, b.int64([1])]),
    b.op('Unsqueeze', [frame, b.int64([0])]),
  ]);
  const mask = b.op('Where', [sameFrame, b.scalar(0), b.scalar(float32Min)]);
  return {
    rotary: { cos: b.op('Cos', [angles]), sin: b.op('Sin', [angles]) },
    mask: b.op('Unsqueeze', [mask, b.int64([0, 1])]),
  };
}

interface Located {
  /** int64 [patches]: number of the frame, counted over all pictures */
  readonly frame: Value;
  /** int64 [patches] */
  readonly row: Value;
  readonly column: Value;
}

/** Integer arithmetic on the number of a patch; no loop over the pictures. */
function locate(b: GraphBuilder, rows: Value, gridThw: Value, merge: number): Located {
  const zero = b.int64([0], []);
  const op = (name: string) => (x: Value, y: Value) => b.op(name, [x, y]);
  const [add, subtract, times, over] = [op('Add'), op('Sub'), op('Mul'), op('Div')];
  const remainder = (x: Value, y: Value): Value => b.op('Mod', [x, y]);
  const sizes = (column: number): Value =>
    b.op('Gather', [gridThw, b.int64([column], [])], { attributes: { axis: 1 } });
  const [frames, height, width] = [sizes(0), sizes(1), sizes(2)];
  const perFrame = times(height, width);
  const perPicture = times(frames, perFrame);
  const ends = b.op('CumSum', [perPicture, zero]);

  const count = b.op('Squeeze', [b.op('Shape', [rows], { attributes: { start: 0, end: 1 } }), b.int64([0])]);
  const patch = b.op('Range', [zero, count, b.int64([1], [])]);
  // A patch belongs to the picture that as many pictures end before.
  const passed = b.op('GreaterOrEqual', [b.op('Unsqueeze', [patch, b.int64([1])]), ends]);
  const picture = b.op(
    'ReduceSum',
    [b.op('Cast', [passed], { attributes: { to: codeOfDType('int64') } }), b.int64([1])],
    { attributes: { keepdims: 0 } },
  );
  const own = (value: Value): Value => b.op('Gather', [value, picture], { attributes: { axis: 0 } });

  const inPicture = subtract(patch, own(subtract(ends, perPicture)));
  const framesBefore = subtract(b.op('CumSum', [frames, zero]), frames);
  const frame = add(own(framesBefore), over(inPicture, own(perFrame)));
  const inFrame = remainder(inPicture, own(perFrame));
  const side = b.int64([merge], []);
  const block = over(inFrame, b.int64([merge * merge], []));
  const inner = remainder(inFrame, b.int64([merge * merge], []));
  const across = over(own(width), side);
  return {
    frame,
    row: add(times(over(block, across), side), over(inner, side)),
    column: add(times(remainder(block, across), side), remainder(inner, side)),
  };
}
