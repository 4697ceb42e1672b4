/** Recorded tensors as a sample: goldens' own inputs, and everything that does not fit. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { recordedSample } from '../../src/parity/inputs/recorded.ts';
import { findSpans, widenSpans } from '../../src/parity/inputs/spans.ts';
import { readInputs } from '../../src/pipeline/read-inputs.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../../src/runtime/values.ts';
import { type GoldenCase, goldenCase } from '../support/golden-cases.ts';
import { withBuiltCase } from '../support/open-case.ts';
import { readIo } from '../support/read-io.ts';
import { get } from '../support/run-recipe.ts';
import { image, markers, recipe } from './tiny-vlm.ts';

async function recorded(golden: GoldenCase) {
  return withBuiltCase(golden, async ({ recipe: own, image: geometry }) => {
    const values = await readInputs(join(golden.folder, 'io.safetensors'));
    return recordedSample(values, { recipe: own, image: geometry }, 1, 'io.safetensors');
  });
}

describe('recorded inputs of goldens', () => {
  it('are pictures and prompts, row after row, without padding', async () => {
    const golden = goldenCase('llava/hf-variants-70x56');
    const sample = await recorded(golden);
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    expect(sample.source).toBe('recorded');
    expect(sample.media.map(({ feeds }) => get(feeds, 'pixel_values').shape)).toEqual(
      Array(3).fill([1, 3, 56, 70]),
    );
    const all = sample.media.flatMap(({ feeds }) => [...toFloat32(get(feeds, 'pixel_values'))]);
    expect(Float32Array.from(all)).toEqual(io.float32('in.pixel_values'));
    expect(sample.prompts.map(({ spans }) => spans)).toEqual([
      [
        { first: 5, count: 21, media: 0 },
        { first: 28, count: 21, media: 1 },
      ],
      // 27 slots of the second row are padding on the left.
      [{ first: 4, count: 21, media: 2 }],
    ]);
    const ids = io.ints('in.input_ids');
    expect(sample.prompts[0]?.ids).toEqual(ids.slice(0, 58));
    expect(sample.prompts[1]?.ids).toEqual(ids.slice(58 + 27));
  });

  it('draw the picture where there are ids only', async () => {
    const sample = await recorded(goldenCase('qwen-vl/batch-left-pad'));
    expect(sample.media.length).toBe(1);
    expect(sample.prompts.map(({ spans }) => spans)).toEqual([[{ first: 1, count: 16, media: 0 }], []]);
    // The path's bytes stand in the span, which the features overwrite.
    expect(new Set(sample.prompts[0]?.ids.slice(12, 17))).toEqual(new Set([506]));
  });
});

describe('recorded tensors', () => {
  const side = image.input.width;
  const pixels = (count: number): RunTensor =>
    float32Value([count, 3, side, side], new Float32Array(count * 3 * side * side).fill(0.5));
  const { startId, endId, padId } = markers;
  const span = [startId, ...Array<number>(image.tokens).fill(padId), endId];
  const ids = (rows: readonly (readonly number[])[]): RunTensor =>
    int64Value([rows.length, rows[0]?.length ?? 0], rows.flat());
  const take = (values: Readonly<Record<string, RunTensor>>) =>
    recordedSample(new Map(Object.entries(values)), { recipe, image }, 1, 'io');

  it('without ids are shown by drawn prompts, each picture at least once', () => {
    const sample = take({ pixel_values: pixels(4) });
    expect(sample.media.length).toBe(4);
    const shown = sample.prompts.flatMap(({ spans }) => spans.map(({ media: picture }) => picture));
    expect(new Set(shown)).toEqual(new Set([0, 1, 2, 3]));
    expect(take({ pixel_values: pixels(1) }).prompts.length).toBe(3);
  });

  it('may be text alone', () => {
    const sample = take({ input_ids: ids([[1, 2, 3]]), attention_mask: ids([[0, 1, 1]]) });
    expect(sample.prompts).toEqual([{ ids: [2, 3], spans: [] }]);
  });

  it.each<[string, Record<string, RunTensor>, string]>([
    ['none of the names', { x: pixels(1) }, 'pixel_values, input_ids or both'],
    [
      'pictures of another size',
      { pixel_values: float32Value([1, 3, 2, 2], new Float32Array(12)) },
      '[1,3,2,2]',
    ],
    ['fewer places than pictures', { pixel_values: pixels(2), input_ids: ids([span]) }, '2 pictures'],
    ['a place too short', { input_ids: ids([[startId, padId, endId]]) }, `${image.tokens}, as many`],
    ['ids beyond the vocabulary', { input_ids: ids([[1, 9999]]) }, 'the id 9999'],
    ['padding only', { input_ids: ids([[1, 2]]), attention_mask: ids([[0, 0]]) }, 'no token'],
    ['a mask of another size', { input_ids: ids([[1, 2]]), attention_mask: ids([[1]]) }, 'attention_mask'],
    ['ids that are no integers', { input_ids: float32Value([1, 1], Float32Array.of(1)) }, 'int64'],
  ])('are refused: %s', (_what, values, says) => {
    expect(() => take(values)).toThrow('VC6109');
    expect(() => take(values)).toThrow(says);
  });
});

describe('spans', () => {
  const between = { rule: 'between-markers', startId: 90, endId: 91, padId: 92 } as const;
  const token = { rule: 'image-token', tokenId: 90 } as const;

  /** Pictures of so many tokens each, in order. */
  const pictures = (...tokens: readonly number[]) => {
    let index = -1;
    return (video: boolean) => {
      if (video) return { index: 9, tokens: 2 };
      index += 1;
      const own = tokens[index];
      return own === undefined ? undefined : { index, tokens: own };
    };
  };

  it('lie between markers, whatever stands there, and need both', () => {
    expect(findSpans([1, 90, 5, 6, 91, 2, 90, 92, 91, 90, 3], between, pictures(2, 2))).toEqual([
      { first: 2, count: 2, picture: { index: 0, tokens: 2 }, wanted: 2 },
      { first: 7, count: 1, picture: { index: 1, tokens: 2 }, wanted: 2 },
    ]);
    expect(widenSpans([1, 90, 7, 91, 2, 90, 91], between, pictures(3, 1))).toEqual([
      1, 90, 92, 92, 92, 91, 2, 90, 92, 91,
    ]);
  });

  it('are so many neighbours of one token', () => {
    expect(findSpans([90, 90, 90, 90, 1, 90], token, pictures(2, 2, 2))).toEqual([
      { first: 0, count: 2, picture: { index: 0, tokens: 2 }, wanted: 2 },
      { first: 2, count: 2, picture: { index: 1, tokens: 2 }, wanted: 2 },
      { first: 5, count: 1, picture: { index: 2, tokens: 2 }, wanted: 2 },
    ]);
    expect(widenSpans([1, 90, 2], token, pictures(3))).toEqual([1, 90, 90, 90, 2]);
  });

  it('are of the size of their picture, and of a video where its token stands', () => {
    const rule = { ...token, videoTokenId: 80 };
    expect(findSpans([90, 90, 90, 90, 80, 80, 90], rule, pictures(3, 1))).toEqual([
      { first: 0, count: 3, picture: { index: 0, tokens: 3 }, wanted: 3 },
      { first: 3, count: 1, picture: { index: 1, tokens: 1 }, wanted: 1 },
      { first: 4, count: 2, picture: { index: 9, tokens: 2 }, wanted: 2 },
      { first: 6, count: 1, picture: undefined, wanted: 0 },
    ]);
    expect(widenSpans([90, 80, 90], rule, pictures(3, 1))).toEqual([90, 90, 90, 80, 80, 90]);
  });

  it('are of one view each where views have spans of their own', () => {
    const rule = { ...between, slices: { startId: 80, endId: 81 } };
    const shown = [
      { index: 0, tokens: 4, tokensPerView: 2 },
      { index: 1, tokens: 2, tokensPerView: 2 },
    ];
    const inTurn = () => {
      const left = [...shown];
      return () => left.shift();
    };
    const ids = [90, 92, 92, 91, 80, 90, 92, 92, 91, 81, 5, 90, 92, 92, 91];
    expect(findSpans(ids, rule, inTurn())).toEqual([
      { first: 1, count: 2, picture: shown[0], wanted: 2 },
      { first: 6, count: 2, picture: shown[0], wanted: 2 },
      { first: 12, count: 2, picture: shown[1], wanted: 2 },
    ]);
    const narrow = [90, 91, 80, 90, 92, 91, 81, 5, 90, 91];
    expect(widenSpans(narrow, rule, inTurn())).toEqual(ids);
  });
});
