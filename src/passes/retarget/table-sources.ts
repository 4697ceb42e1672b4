/**
 * Where a table of positions comes from, if something says so, proven by its values at the old size: another table of
 * the graph that it is the bicubic resize of (Qwen-VL's resampler resizes the table of its queries for the keys), or the
 * formula of sines and cosines on a grid (MiniCPM-V's computes it for the grid of each picture). The formula with rows
 * for other tokens is a parameter, which masked autoencoders resize as a trained one.
 */
import { bytesOf, viewAs } from '../../kernels/bytes.ts';
import { bicubicTable, type Grid } from '../../tensor/derived/bicubic-table.ts';
import { cast } from '../../tensor/derived/cast.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { elementCount, isFloat } from '../../tensor/dtype.ts';
import { inlineTensor, readAll, type Tensor } from '../../tensor/tensor.ts';

/** A table that others may have been made from: [n·n, C] in float32. */
export interface TableSource {
  readonly name: string;
  readonly table: Tensor;
  readonly side: number;
}

export interface Derived {
  readonly name: string;
  at(grid: Grid): Tensor;
}

/** Elements; larger ones are weights. */
const largestTable = 1 << 24;

/** Largest difference between a table and what it should be, in its largest value: float32 in another order. */
const tolerance = 2e-5;

/** Constants that could be tables [1.., n·n, C]; those given do not hang on the picture. */
export function tableSources(constants: Iterable<readonly [string, Tensor]>): TableSource[] {
  return [...constants].flatMap(([name, tensor]): TableSource[] => {
    const shape = tensor.shape.filter((size) => size > 1);
    const [rows = 0, channels = 0] = shape;
    const side = Math.round(Math.sqrt(rows));
    if (shape.length !== 2 || side * side !== rows || side < 2 || !isFloat(tensor.dtype)) return [];
    if (elementCount(shape) > largestTable) return [];
    return [{ name, table: cast(reshape(tensor, [rows, channels]), 'float32'), side }];
  });
}

/** What a table [from, C] is made of, undefined where nothing is found. `alone`: it has rows for patches only. */
export async function derivedFrom(
  table: Tensor,
  from: Grid,
  sources: readonly TableSource[],
  alone: boolean,
): Promise<Derived | undefined> {
  const [rows = 0, channels = 0] = table.shape;
  if (rows * channels > largestTable) return undefined;
  const values = viewAs(Float32Array, await readAll(table, 'keep'));
  for (const { name, table: source, side } of sources) {
    if (source.shape[1] !== channels) continue;
    const made = viewAs(Float32Array, await readAll(bicubicTable(source, [side, side], from), 'keep'));
    if (!isSame(values, made)) continue;
    return { name: `bicubic of ${name}`, at: (grid) => bicubicTable(source, [side, side], grid) };
  }
  for (const first of ['columns', 'rows'] as const) {
    if (!alone || channels % 4 !== 0 || !isSame(values, sincos(from, channels, first))) continue;
    const at = ([height, width]: Grid): Tensor =>
      inlineTensor('float32', [height * width, channels], bytesOf(sincos([height, width], channels, first)));
    return { name: 'sines and cosines', at };
  }
  return undefined;
}

/**
 * Half of the channels are the column's and half the row's, each a quarter of sines and a quarter of cosines of
 * position · 10000^(-j / quarter). Source of the math: get_2d_sincos_pos_embed of masked autoencoders.
 */
function sincos([height, width]: Grid, channels: number, first: 'columns' | 'rows'): Float32Array {
  const quarter = channels / 4;
  const values = new Float32Array(height * width * channels);
  for (let place = 0; place < height * width; place += 1) {
    const [row, column] = [Math.floor(place / width), place % width];
    for (const [half, position] of (first === 'columns' ? [column, row] : [row, column]).entries()) {
      for (let j = 0; j < quarter; j += 1) {
        const angle = position / 10000 ** (j / quarter);
        const at = place * channels + half * 2 * quarter + j;
        values[at] = Math.sin(angle);
        values[at + quarter] = Math.cos(angle);
      }
    }
  }
  return values;
}

/** What angles of rotary positions are multiples of, by what a row or column of the grid counts as. */
const coordinates: Readonly<Record<string, (at: number, count: number) => number>> = {
  // DINOv3: from the middle of the grid, a full turn to its border.
  'of the middle': (at, count) => 2 * Math.PI * ((2 * (at + 0.5)) / count - 1),
  // Qwen2-VL, EVA-02: from the first patch on.
  'of the first': (at) => at,
};
const bases = [100, 10000];

/**
 * Cosines or sines [gh·gw, D] that rotate patches by their rows in one quarter of the channels and by their columns in
 * the next, both twice; the frequencies of a quarter are base^(-k / quarter). Undefined where the values are none.
 */
export async function rotaryTable(table: Tensor, from: Grid): Promise<Derived | undefined> {
  const [rows = 0, channels = 0] = table.shape;
  if (channels % 4 !== 0 || rows * channels > largestTable) return undefined;
  const values = viewAs(Float32Array, await readAll(table, 'keep'));
  for (const [origin, coordinate] of Object.entries(coordinates)) {
    for (const base of bases) {
      for (const wave of ['cos', 'sin'] as const) {
        const make = (grid: Grid): Float32Array => rotary(grid, channels, coordinate, base, Math[wave]);
        if (!isSame(values, make(from))) continue;
        const at = (grid: Grid): Tensor =>
          inlineTensor('float32', [grid[0] * grid[1], channels], bytesOf(make(grid)));
        return { name: `${wave} of rotary positions ${origin}, base ${base}`, at };
      }
    }
  }
  return undefined;
}

function rotary(
  [height, width]: Grid,
  channels: number,
  coordinate: (at: number, count: number) => number,
  base: number,
  wave: (angle: number) => number,
): Float32Array {
  const quarter = channels / 4;
  return Float32Array.from({ length: height * width * channels }, (_, index) => {
    const [place, channel] = [Math.floor(index / channels), index % (2 * quarter)];
    const byRow = channel < quarter;
    const at = byRow ? Math.floor(place / width) : place % width;
    return wave(coordinate(at, byRow ? height : width) * base ** (-(channel % quarter) / quarter));
  });
}

function isSame(a: Float32Array, b: Float32Array): boolean {
  const scale = a.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  return scale > 0 && a.every((value, at) => Math.abs(value - (b[at] ?? 0)) <= tolerance * scale);
}
