/** Elements of values inside a graph are named as people find them again, whatever the value's layout. */
import { describe, expect, it } from 'vitest';
import type { PictureLayout } from '../../../src/architectures/media.ts';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { inferNode } from '../../../src/graph/infer/infer.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { picturePlace, promptPlace } from '../../../src/parity/ranges/places.ts';

/** Flat index of coordinates. */
const flat = (shape: readonly number[], at: readonly number[]): number =>
  shape.reduce((index, size, axis) => index * size + (at[axis] ?? 0), 0);

const tiles: PictureLayout = {
  input: { width: 896, height: 448 },
  views: [{ kind: 'tile', row: 0, column: 0 }, { kind: 'tile', row: 0, column: 1 }, { kind: 'global' }],
  tokensPerView: 4,
  tokens: 12,
};
const whole: PictureLayout = { ...tiles, views: [{ kind: 'global' }], tokens: 4 };

describe('of a picture with tiles', () => {
  it.each([
    [[1, 3, 16, 8], [0, 1, 5, 7], 'tile row 0 column 1, token 5, channel 7'],
    [[3, 2, 16, 16], [2, 1, 5, 7], 'global view, head 1, token 5, channel 7'],
    [[3, 4, 8], [0, 3, 7], 'tile row 0 column 0, token 3, channel 7'],
    // The features, view after view.
    [[1, 12, 8], [0, 9, 7], 'global view, token 1, channel 7'],
    // Of no view: what the resampler asks with.
    [[4, 8], [3, 7], 'token 3, channel 7'],
  ] as const)('%j at %j', (shape, at, text) => {
    expect(picturePlace(tiles, 0, 1)(shape, flat(shape, at), undefined)).toBe(text);
  });

  /** Views 0 and 1 run one weight, the last one another. */
  const split = (): readonly Value[] => {
    const b = new GraphBuilder('views', inferNode);
    const x = b.input('x', tensorType('float32', [1, 3, 16, 8]));
    const parts = b.ops('Split', [x, b.int64([2, 1])], 2, { attributes: { axis: 1 } });
    return parts.map((part) => b.op('MatMul', [part, b.float32(new Float32Array(64), [8, 8])]));
  };

  it('knows the views of what was split by them', () => {
    const [first, second] = split();
    const place = picturePlace(tiles, 0, 1);
    const two = [1, 2, 16, 8];
    expect(place(two, flat(two, [0, 1, 5, 7]), first)).toBe('tile row 0 column 1, token 5, channel 7');
    const one = [1, 1, 16, 8];
    expect(place(one, flat(one, [0, 0, 5, 7]), second)).toBe('global view, token 5, channel 7');
  });

  it('says which picture where there are several', () => {
    const shape = [1, 3, 16, 8];
    const text = picturePlace(tiles, 1, 2)(shape, flat(shape, [0, 2, 0, 0]), undefined);
    expect(text).toBe('picture 1, global view, token 0, channel 0');
  });
});

describe('of a picture seen whole', () => {
  it.each([
    [[1, 16, 8], [0, 5, 7], 'token 5, channel 7'],
    [[1, 2, 16, 16], [0, 1, 5, 7], 'head 1, token 5, channel 7'],
  ] as const)('%j at %j', (shape, at, text) => {
    expect(picturePlace(whole, 0, 1)(shape, flat(shape, at), undefined)).toBe(text);
  });

  it('names pixels of a convolution', () => {
    const b = new GraphBuilder('patches', inferNode);
    const x = b.input('x', tensorType('float32', [1, 3, 8, 8]));
    const conv = b.op('Conv', [x, b.float32(new Float32Array(5 * 3 * 4), [5, 3, 2, 2])], {
      attributes: { strides: [2, 2] },
    });
    const shape = [1, 5, 4, 4];
    const text = picturePlace(whole, 0, 1)(shape, flat(shape, [0, 2, 1, 3]), conv);
    expect(text).toBe('row 1, column 3, channel 2');
  });
});

describe('of a prompt', () => {
  const prompt = {
    ids: Array.from({ length: 10 }, (_, id) => id),
    spans: [{ first: 2, count: 4, media: 0 }],
  };

  it.each([
    [[1, 10, 8], [0, 3, 7], 'prompt 1, position 3 (image), channel 7'],
    [[1, 2, 10, 8], [0, 1, 8, 7], 'prompt 1, position 8 (text), head 1, channel 7'],
    [[1, 10, 2, 8], [0, 8, 1, 7], 'prompt 1, position 8 (text), head 1, channel 7'],
    // Queries before keys.
    [[1, 2, 10, 10], [0, 0, 1, 9], 'prompt 1, position 1 (text), head 0, channel 9'],
    [[3, 8], [2, 7], 'prompt 1, token 2, channel 7'],
  ] as const)('%j at %j', (shape, at, text) => {
    expect(promptPlace(1, prompt)(shape, flat(shape, at), undefined)).toBe(text);
  });
});
