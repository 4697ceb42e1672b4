/** What computing in tiles takes: memory, reads, and where weights are not finite. */
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../src/tensor/byte-source.ts';
import { cast } from '../../src/tensor/derived/cast.ts';
import { lowRankUpdate } from '../../src/tensor/derived/low-rank-update.ts';
import { quantizeBlocks } from '../../src/tensor/derived/quantize-blocks.ts';
import { permuteRows } from '../../src/tensor/derived/rows.ts';
import { transpose2d } from '../../src/tensor/derived/transpose.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import { sourceTensor, type Tensor } from '../../src/tensor/tensor.ts';
import { computeTiles, copyTiles, leavesOf, type TileOptions } from '../../src/tensor/tiles.ts';
import { Workspace } from '../../src/tensor/workspace.ts';
import { floats } from './derived/samples.ts';

const rows = 640;
const columns = 1024;

/** bfloat16 weights and factors of rank 8 in one source; `bytes` may be changed before anything is read. */
function weights() {
  const words = Uint16Array.from(
    floats(rows * columns + 8 * (rows + columns) + 1, 3),
    (value) => (new Uint32Array(Float32Array.of(value).buffer)[0] as number) >>> 16,
  );
  const bytes = new Uint8Array(words.buffer);
  const source = memorySource('weights.bin', bytes);
  const tensor = (shape: readonly number[], at: number, name: string, dtype: DType = 'bfloat16') =>
    sourceTensor({ dtype, shape }, source, at * 2, name);
  const wide = (narrow: Tensor) => cast(narrow, 'float32');
  const w = tensor([rows, columns], 0, 'w');
  const a = tensor([8, columns], rows * columns, 'a');
  const b = tensor([rows, 8], rows * columns + 8 * columns, 'b');
  const scale = tensor([1], rows * columns + 8 * (rows + columns), 's');
  const merged = lowRankUpdate(wide(w), [{ a: wide(a), b: wide(b), scale: wide(scale) }]);
  return { bytes, words, w, merged };
}

class Watched extends Workspace {
  most = 0;

  override allocate(byteLength: number): number {
    const pointer = super.allocate(byteLength);
    this.most = Math.max(this.most, this.top);
    return pointer;
  }
}

function run(tensor: Tensor, bytes: Uint8Array, options: TileOptions) {
  if (tensor.origin.kind !== 'derived') throw new TypeError('not derived');
  const { derivation } = tensor.origin;
  const workspace = new Watched();
  let loaded = 0;
  computeTiles(
    derivation,
    0,
    derivation.rows,
    workspace,
    options,
    (_, at, target) => {
      loaded += target.byteLength;
      target.set(bytes.subarray(at, at + target.byteLength));
    },
    () => {},
  );
  return { loaded, most: workspace.most };
}

const quantized = (tensor: Tensor) => quantizeBlocks(tensor, { bits: 4, block: 32, symmetric: false }).values;

describe('tiles', () => {
  const { bytes, w, merged } = weights();
  const wide = cast(w, 'float32');
  const halves = permuteRows(wide, [
    [rows / 2, rows / 2],
    [0, rows / 2],
  ]);
  const cases: [string, Tensor][] = [
    ['a cast', wide],
    ['a transpose', transpose2d(wide)],
    ['a transpose cast to float16', cast(transpose2d(wide), 'float16')],
    ['quantized blocks', quantized(wide)],
    ['quantized blocks of chosen rows', quantized(halves)],
  ];

  it.each(cases)('of %s read every byte once and stay within the capacity', (_, tensor) => {
    const { loaded, most } = run(tensor, bytes, { capacityBytes: 300_000, nonFinite: 'refuse' });
    expect(loaded).toBe(w.byteLength);
    // Rounding up to cache lines is not counted.
    expect(most).toBeLessThan(302_000);
    expect(most).toBeGreaterThan(100_000);
  });

  it('of an update read its factors per tile, of a transposed one too, and no weight twice', () => {
    for (const tensor of [merged, transpose2d(merged), quantized(merged)]) {
      const { loaded, most } = run(tensor, bytes, { capacityBytes: 1_000_000, nonFinite: 'refuse' });
      expect(loaded).toBeGreaterThan(w.byteLength);
      expect(loaded).toBeLessThan(w.byteLength * 1.25);
      expect(most).toBeLessThan(1_010_000);
    }
  });

  it('run a row that takes more than the capacity', () => {
    const { loaded } = run(quantized(wide), bytes, { capacityBytes: 1, nonFinite: 'refuse' });
    expect(loaded).toBe(w.byteLength);
  });

  it('say beforehand what they read', () => {
    const leaves = (tensor: Tensor, begin: number, end: number) =>
      tensor.origin.kind === 'derived'
        ? leavesOf(tensor.origin.derivation, begin, end).map((leaf) => [leaf.begin, leaf.end])
        : [];
    expect(leaves(wide, 3, 5)).toEqual([[3 * 2048, 5 * 2048]]);
    // Columns 3 and 4 of all rows.
    expect(leaves(transpose2d(wide), 3, 5)).toEqual([[6, (rows - 1) * 2048 + 10]]);
    expect(leaves(halves, rows / 2 - 1, rows / 2 + 1)).toEqual([
      [(rows - 1) * 2048, rows * 2048],
      [0, 2048],
    ]);
  });
});

describe('weights that are not finite', () => {
  const options = { capacityBytes: 1 << 20, nonFinite: 'refuse' } as const;
  const place = (row: number, column: number) => row * columns + column;

  it.each([
    ['NaN', 0x7fc1],
    ['infinity', 0xff80],
  ])('%s is refused by name and index wherever it is read', (_, word) => {
    const { bytes, words, w } = weights();
    words[place(77, 5)] = word;
    const refusal = expect.objectContaining({
      code: 'VC3901',
      record: expect.objectContaining({ where: 'w', found: 'a value that is not finite at [77, 5]' }),
    });
    const wide = cast(w, 'float32');
    for (const tensor of [wide, transpose2d(wide), cast(transpose2d(wide), 'float16'), quantized(wide)]) {
      expect(() => run(tensor, bytes, options)).toThrow(refusal);
    }
    const copy = (nonFinite: TileOptions['nonFinite']) =>
      copyTiles(
        w,
        0,
        w.byteLength,
        new Workspace(),
        { ...options, nonFinite },
        (_source, at, target) => target.set(bytes.subarray(at, at + target.byteLength)),
        () => {},
      );
    expect(() => copy('refuse')).toThrow(refusal);
    expect(() => copy('keep')).not.toThrow();
  });

  it('is refused only where it is quantized, or kept, when that is asked for', () => {
    const { bytes, words, w } = weights();
    words[place(77, 70)] = 0x7f80;
    const wide = cast(w, 'float32');
    run(wide, bytes, { ...options, nonFinite: 'unquantized' });
    expect(() => run(quantized(wide), bytes, { ...options, nonFinite: 'unquantized' })).toThrow(
      expect.objectContaining({
        record: expect.objectContaining({ found: expect.stringContaining('row 77, columns 64 to 95') }),
      }),
    );
    run(quantized(wide), bytes, { ...options, nonFinite: 'keep' });
  });
});
