import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embedIds, emptyCaches, slotFeeds, splice } from '../../src/parity/components.ts';
import { decode } from '../../src/parity/decoding.ts';
import { argMax } from '../../src/parity/metrics.ts';
import { evenly, featureGrids, featurePlace, nextTokens, sampledRows } from '../../src/parity/places.ts';
import { float32Value, int64Value, toFloat32 } from '../../src/runtime/values.ts';
import { get, withSession } from '../support/run-recipe.ts';
import type { ComponentFiles } from '../support/write-models.ts';
import { dims, image, recipe, writeTinyVlm } from './tiny-vlm.ts';

let folder = '';
let files: ComponentFiles = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-decoding-'));
  files = await writeTinyVlm(folder);
});

afterAll(() => rm(folder, { recursive: true }));

describe('decode', () => {
  it('gives with the cache what one prefill over all tokens gives, and picks greedily', async () => {
    const { vocab } = dims;
    const prompt = [3, 14, 15, 9, 2, 6, 5];
    const asked = { ids: prompt };
    const steps = 4;
    await withSession(files, 'embed', 'cpu', (embed) =>
      withSession(files, 'decoder', 'cpu', async (decoder) => {
        const run = await decode(decoder, recipe, asked, await embedIds(embed, prompt), steps, (pick) =>
          embedIds(embed, [pick]),
        );
        // The oracle: no cache, all tokens at once, the length of the prompt as the prefill's.
        const all = await embedIds(embed, [...prompt, ...run.picks.slice(0, steps)]);
        const wholeOf = async (length: number) => {
          const slots = slotFeeds(recipe, { ids: [...prompt, ...run.picks.slice(0, steps)] });
          const own = [
            ['inputs_embeds', all],
            ['rope_length', int64Value([], [length])],
          ] as const;
          const outputs = await decoder.run(new Map([...slots, ...emptyCaches(recipe), ...own]));
          return toFloat32(get(outputs, 'logits'));
        };
        const whole = await wholeOf(prompt.length);
        expect(run.positions).toEqual(Array.from({ length: prompt.length + steps }, (_, at) => at));
        expect(run.logits.length).toBe(whole.length);
        for (const [at, value] of whole.entries()) expect(run.logits[at]).toBeCloseTo(value, 4);
        const row = (at: number) => whole.subarray(at * vocab, (at + 1) * vocab);
        expect(run.picks).toEqual(
          Array.from({ length: steps + 1 }, (_, at) => argMax(row(prompt.length - 1 + at))),
        );
        expect([...run.cache.keys()]).toEqual([
          'present.0.key',
          'present.0.value',
          'present.1.key',
          'present.1.value',
        ]);
        expect(run.cache.get('present.1.value')?.shape[2]).toBe(prompt.length + steps);
        // The oracle sees the length at all: another one gives other logits.
        const other = await wholeOf(prompt.length + 1);
        expect(Math.abs((other[0] ?? 0) - (whole[0] ?? 0))).toBeLessThan(1e-5);
        expect(Math.abs((other.at(-1) ?? 0) - (whole.at(-1) ?? 0))).toBeGreaterThan(1e-4);
      }),
    );
  });
});

describe('splice', () => {
  const embeds = float32Value([1, 4, 2], Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7));
  const prompt = { ids: [1, 2, 3, 4], spans: [{ first: 1, count: 2, media: 0 }] };

  it('puts the features over the span and nothing else', () => {
    const features = float32Value([1, 2, 2], Float32Array.of(-1, -2, -3, -4));
    expect([...toFloat32(splice(embeds, prompt, [features]))]).toEqual([0, 1, -1, -2, -3, -4, 6, 7]);
    expect([...toFloat32(embeds)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('puts each picture over its own span', () => {
    const one = float32Value([1, 1, 2], Float32Array.of(-1, -2));
    const two = float32Value([1, 1, 2], Float32Array.of(-3, -4));
    const spans = [
      { first: 0, count: 1, media: 1 },
      { first: 3, count: 1, media: 0 },
    ];
    const spliced = splice(embeds, { ids: [1, 2, 3, 4], spans }, [one, two]);
    expect([...toFloat32(spliced)]).toEqual([-3, -4, 2, 3, 4, 5, -1, -2]);
  });

  it('leaves a prompt without a picture as it is', () => {
    expect(splice(embeds, { ids: [1, 2, 3, 4], spans: [] }, [])).toBe(embeds);
  });

  it('refuses features that do not fill the span', () => {
    expect(() => splice(embeds, prompt, [float32Value([1, 1, 2], Float32Array.of(1, 2))])).toThrow('VC6102');
    expect(() => splice(embeds, prompt, [])).toThrow('VC6102');
  });
});

describe('what is known about rows', () => {
  const spans = [{ first: 2, count: 2, media: 0 }];

  it('is the token that the teacher feeds next, but for what stands for a picture', () => {
    const prompt = { ids: [10, 11, 12, 13, 14, 15], spans };
    // Positions 1 and 2 are followed by the picture, 5 and 6 by picks, 7 by the pick after the last step.
    expect(nextTokens(prompt, [0, 1, 2, 3, 4, 5, 6, 7], [20, 21, 22])).toEqual([
      11,
      undefined,
      undefined,
      14,
      15,
      20,
      21,
      22,
    ]);
  });

  it('is the place of each view among the features, picture after picture', () => {
    const gridded = { ...image, tokenGrid: { rows: 1, columns: 3, leading: 1 } };
    expect(featureGrids([gridded, gridded], [0, 1])).toEqual([
      { view: 'picture 0, tile row 0 column 0', rows: 1, columns: 3, first: 1 },
      { view: 'picture 0, global view', rows: 1, columns: 3, first: 5 },
      { view: 'picture 1, tile row 0 column 0', rows: 1, columns: 3, first: 9 },
      { view: 'picture 1, global view', rows: 1, columns: 3, first: 13 },
    ]);
    expect(featureGrids([gridded, gridded, gridded], [2])).toMatchObject([
      { view: 'picture 2, tile row 0 column 0', first: 1 },
      { view: 'picture 2, global view', first: 5 },
    ]);
    expect(featureGrids([image], [0])).toEqual([]);
    expect(featurePlace(image)(5)).toBe('global view, token 1');
    expect(featurePlace(image, 1, 2)(5)).toBe('picture 1, global view, token 1');
  });

  it('is nowhere for tokens that are chosen of those of all tiles', () => {
    const few = { ...image, tokenGrid: { rows: 2, columns: 2, leading: 0 }, chosen: 3, tokens: 7 };
    expect(featureGrids([few, few], [0, 1])).toEqual([
      { view: 'picture 0, global view', rows: 2, columns: 2, first: 3 },
      { view: 'picture 1, global view', rows: 2, columns: 2, first: 10 },
    ]);
    expect([0, 2, 3, 6].map(featurePlace(few))).toEqual([
      'chosen token 0',
      'chosen token 2',
      'global view, token 0',
      'global view, token 3',
    ]);
  });
});

describe('samples of large outputs', () => {
  it('keep the first and the last, evenly spaced', () => {
    expect(evenly(5, 9)).toEqual([0, 1, 2, 3, 4]);
    expect(evenly(9, 3)).toEqual([0, 4, 8]);
    expect(evenly(3, 1)).toEqual([2]);
    expect(evenly(0, 3)).toEqual([]);
  });

  it('bound the logits that are kept, and never keep fewer than two rows', () => {
    const rows = sampledRows(1800, 151_936);
    expect(rows.length * 151_936).toBeLessThanOrEqual(2 ** 23);
    expect(rows.length).toBeGreaterThan(50);
    expect(rows.at(-1)).toBe(1799);
    expect(sampledRows(1800, 2 ** 30)).toEqual([0, 1799]);
  });
});
