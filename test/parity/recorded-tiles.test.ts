/** Recorded tiles that make pictures, and those that make none. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../src/architectures/architecture.ts';
import { recordedSample } from '../../src/parity/inputs/recorded.ts';
import type { Source } from '../../src/pipeline/open-source.ts';
import type { VlmError } from '../../src/report/diagnostics.ts';
import { float32Value, int64Value, type RunTensor } from '../../src/runtime/values.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { openCase } from '../support/open-case.ts';

let source: Source;
let open: BuiltModel;
let compiled: BuiltModel;

beforeAll(async () => {
  const opened = await openCase(goldenCase('vila/nvila-dynamic_s2'));
  source = opened.source;
  const options = { tiling: 'crop', loraTiles: 'error' } as const;
  open = opened.architecture.build(source, options);
  compiled = opened.architecture.build(source, { ...options, resolution: { width: 150, height: 70 } });
});
afterAll(() => source.close());

function tiles(count: number, side = 56): RunTensor {
  const each = 3 * side * side;
  const data = Float32Array.from({ length: count * each }, (_, at) => Math.floor(at / each));
  return float32Value([count, 3, side, side], data);
}

const read = ({ recipe, image }: BuiltModel, values: Readonly<Record<string, RunTensor>>) =>
  recordedSample(new Map(Object.entries(values)), { recipe, image }, 1, 'io').media;

function refusal(built: BuiltModel, values: Readonly<Record<string, RunTensor>>) {
  try {
    read(built, values);
  } catch (error) {
    return (error as VlmError).record;
  }
  throw new Error('it was not refused');
}

/** Which tiles a picture is fed with. */
const fed = ({ feeds }: ReturnType<typeof read>[number]): number[] => {
  const { shape = [], data = [] } = feeds.get('pixel_values') ?? {};
  const each = data.length / (shape[0] ?? 1);
  return Array.from({ length: shape[0] ?? 0 }, (_, index) => Number(data[index * each]));
};

describe('of a graph for any number', () => {
  it('are told apart by the sizes of the last scale', () => {
    const sizes = int64Value([2, 2], [1, 9, 4, 3]);
    const pictures = read(open, { pixel_values: tiles(14 + 17), block_sizes: sizes });
    expect(pictures.map(fed)).toEqual([
      Array.from({ length: 14 }, (_, at) => at),
      Array.from({ length: 17 }, (_, at) => 14 + at),
    ]);
    expect(pictures.map(({ layout }) => layout.tokens)).toEqual([36, 48]);
    const grids = pictures.map(({ feeds }) => Array.from(feeds.get('tile_grids')?.data ?? [], Number));
    expect(grids).toEqual([
      [1, 1, 2, 2, 1, 9],
      [1, 1, 2, 2, 4, 3],
    ]);
  });

  it('are pictures each, at every scale, without sizes', () => {
    const pictures = read(open, { pixel_values: tiles(2) });
    expect(pictures.map(fed)).toEqual([
      [0, 0, 0],
      [1, 1, 1],
    ]);
    expect(pictures.map(({ layout }) => layout.tokens)).toEqual([4, 4]);
  });

  it.each([
    ['sides of another length', { pixel_values: tiles(14, 42), block_sizes: int64Value([1, 2], [1, 9]) }],
    ['another number', { pixel_values: tiles(15), block_sizes: int64Value([1, 2], [1, 9]) }],
    ['none', { pixel_values: tiles(0) }],
  ])('are refused: %s', (_, values) => {
    expect(refusal(open, values)).toMatchObject({ code: 'VC6109', where: 'io: pixel_values' });
  });

  it.each([
    ['no pairs', int64Value([1, 3], [1, 2, 9])],
    ['nothing', int64Value([1, 2], [0, 9])],
    ['more than there are tiles', int64Value([1, 2], [1, 2 ** 40])],
  ])('are refused by sizes of %s', (_, block_sizes) => {
    expect(refusal(open, { pixel_values: tiles(14), block_sizes })).toMatchObject({
      code: 'VC6109',
      where: 'io: block_sizes',
    });
  });
});

describe('of a graph that is compiled for them', () => {
  it('are as many as it knows, of each picture', () => {
    const pictures = read(compiled, { pixel_values: tiles(30) });
    expect(pictures.map(fed)).toEqual(
      [0, 1].map((picture) => Array.from({ length: 15 }, (_, at) => 15 * picture + at)),
    );
    expect(pictures.map(({ feeds }) => [...feeds.keys()])).toEqual([['pixel_values'], ['pixel_values']]);
  });

  it.each([1, 14, 16])('are refused: %d of 15', (count) => {
    expect(refusal(compiled, { pixel_values: tiles(count) })).toMatchObject({
      code: 'VC6109',
      expected: '[15,3,56,56]',
    });
  });
});
