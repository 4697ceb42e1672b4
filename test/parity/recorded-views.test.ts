/** Recorded views of sliced pictures as inputs of a check, and what of such recordings is refused. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BuildOptions } from '../../src/architectures/architecture.ts';
import { miniCpmV25 } from '../../src/architectures/minicpm-v/minicpm-v.ts';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { recordedSample } from '../../src/parity/inputs/recorded.ts';
import { VlmError } from '../../src/report/diagnostics.ts';
import { float32Value, int64Value, type RunTensor } from '../../src/runtime/values.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { type Recorded, readIo } from '../support/read-io.ts';

type Built = Parameters<typeof recordedSample>[1];

const golden = goldenCase('minicpm-v-2.5/tiny-drop-last');
let io: Recorded;
let values: ReadonlyMap<string, RunTensor>;
let dynamic: Built;
/** For views of 10x5, 7x7 and 7x7 patches. */
let compiled: Built;

async function build(options: Pick<BuildOptions, 'resolution'>): Promise<Built> {
  const checkpoint = await openCheckpoint(golden.checkpoint);
  const built = miniCpmV25.build(checkpoint, { tiling: 'fit', loraTiles: 'error', ...options });
  await checkpoint.close();
  return { recipe: built.recipe, image: built.image };
}

beforeAll(async () => {
  io = await readIo(join(golden.folder, 'io.safetensors'));
  values = new Map(['pixel_values', 'tgt_sizes', 'input_ids'].map((name) => [name, io.get(`in.${name}`)]));
  dynamic = await build({});
  compiled = await build({ resolution: { width: 96, height: 190 } });
});

const changed = (changes: Readonly<Record<string, RunTensor>>) =>
  new Map([...values, ...Object.entries(changes)]);

it('are one picture, whose views stand where the ids have places', () => {
  const { media: pictures, prompts } = recordedSample(values, dynamic, 1, 'io');
  expect(pictures.map(({ feeds }) => Object.fromEntries(feeds))).toEqual([
    { pixel_values: io.get('in.pixel_values'), tgt_sizes: io.get('in.tgt_sizes') },
  ]);
  expect(prompts.map(({ ids }) => ids)).toEqual([io.ints('in.input_ids')]);
  expect(prompts[0]?.spans.flatMap(({ first, count }) => [first, first + count])).toEqual(
    io.ints('in.image_bound'),
  );
  expect(prompts[0]?.spans.map(({ media: picture }) => picture)).toEqual([0, 0, 0, 0]);
});

it('are as many pictures as a compiled graph takes them for', () => {
  const each = 3 * 14 * 700;
  const six = float32Value(
    [6, 3, 14, 700],
    Float32Array.from({ length: 6 * each }, (_, i) => i % 7),
  );
  const { media: pictures } = recordedSample(new Map([['pixel_values', six]]), compiled, 1, 'io');
  expect(pictures.map(({ feeds }) => [...feeds].map(([name, { shape }]) => [name, ...shape]))).toEqual([
    [['pixel_values', 3, 3, 14, 700]],
    [['pixel_values', 3, 3, 14, 700]],
  ]);
});

const sizes = (...numbers: readonly number[]): RunTensor => int64Value([numbers.length / 2, 2], numbers);
const wrong: readonly (readonly [
  string,
  string,
  'dynamic' | 'compiled',
  () => ReadonlyMap<string, RunTensor>,
])[] = [
  ['no sizes', 'tgt_sizes', 'dynamic', () => new Map([...values].filter(([name]) => name !== 'tgt_sizes'))],
  ['sizes of fewer views', 'tgt_sizes', 'dynamic', () => changed({ tgt_sizes: sizes(10, 5, 7, 7, 7, 7) })],
  [
    'a view without columns',
    'tgt_sizes',
    'dynamic',
    () => changed({ tgt_sizes: sizes(10, 0, 7, 7, 7, 7, 8, 6) }),
  ],
  [
    'a view longer than the pixels',
    'tgt_sizes',
    'dynamic',
    () => changed({ tgt_sizes: sizes(10, 6, 7, 7, 7, 7, 8, 6) }),
  ],
  [
    'pixels that are no whole patches',
    'pixel_values',
    'dynamic',
    () => changed({ pixel_values: float32Value([1, 3, 14, 15], new Float32Array(630)) }),
  ],
  ['four views for pictures of three', 'pixel_values', 'compiled', () => values],
  [
    'a place for one view of a picture less',
    'input_ids',
    'dynamic',
    () => changed({ input_ids: int64Value([1, 18], io.ints('in.input_ids').slice(0, 18)) }),
  ],
];

describe('are refused:', () => {
  it.each(wrong)('%s', (_, where, form, made) => {
    let error: unknown;
    try {
      recordedSample(made(), form === 'dynamic' ? dynamic : compiled, 1, 'io');
    } catch (caught) {
      error = caught;
    }
    if (!(error instanceof VlmError)) throw new Error(`not refused: ${error}`);
    expect(error.code).toBe('VC6109');
    expect(error.record.where).toContain(where);
  });
});
