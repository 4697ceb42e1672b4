import { describe, expect, it } from 'vitest';
import { bindShapes, sizesToTry } from '../../../src/parity/compare/dimensions.ts';
import type { PortSpec } from '../../../src/runtime/session.ts';

const [sizes] = sizesToTry;
if (sizes === undefined) throw new Error('there are sizes to try');

const port = (name: string, ...shape: (number | string)[]): PortSpec => ({ name, dtype: 'float32', shape });

function bind(
  models: readonly (readonly PortSpec[])[],
  given: Readonly<Record<string, readonly number[]>> = {},
  fixed: Readonly<Record<string, number>> = {},
) {
  return Object.fromEntries(
    bindShapes(
      models,
      sizes ?? { batch: 1, sequence: 1, past: 1, channels: 3, side: 1 },
      new Map(Object.entries(given)),
      new Map(Object.entries(fixed)),
    ),
  );
}

describe('bindShapes', () => {
  it('knows what a decoder with a cache calls its dimensions, with past and total in step', () => {
    const ours = [
      port('inputs_embeds', 'batch_size', 'sequence_length', 128),
      port('attention_mask', 'batch_size', 'total_sequence_length'),
      port('past_key_values.0.key', 'batch_size', 4, 'past_sequence_length', 32),
      port('rope_length'),
    ];
    expect(bind([ours, ours])).toEqual({
      inputs_embeds: [1, 8, 128],
      attention_mask: [1, 12],
      'past_key_values.0.key': [1, 4, 4, 32],
      rope_length: [],
    });
    const optimum = [
      port('input_ids', 'batch_size', 'sequence_length'),
      port('attention_mask', 'batch_size', 'past_sequence_length + sequence_length'),
      port('past_key_values.0.key', 'batch_size', 2, 'past_sequence_length', 8),
    ];
    expect(bind([optimum, optimum]).attention_mask).toEqual([1, 12]);
    // A size that is given moves the sum.
    expect(bind([optimum, optimum], {}, { past_sequence_length: 30 })).toMatchObject({
      attention_mask: [1, 38],
      'past_key_values.0.key': [1, 2, 30, 8],
    });
  });

  it('gives as many parts as there are grids, which are drawn with one part each', () => {
    const ports = [port('pixel_values', 'tiles', 3, 56, 56), port('tile_grids', 4, 2)];
    expect(bind([ports, ports]).pixel_values).toEqual([4, 3, 56, 56]);
    expect(bind([ports, ports], {}, { tiles: 9 }).pixel_values).toEqual([9, 3, 56, 56]);
    const unknown = [port('pixel_values', 'tiles', 3, 56, 56), port('tile_grids', 'scales', 2)];
    expect(bind([unknown, unknown]).pixel_values).toEqual([1, 3, 56, 56]);
  });

  it('gives a symbol one size, wherever it stands, and takes fixed sizes from either model', () => {
    const first = [port('a', 'n', 'x'), port('b', 'x', 'n')];
    const second = [port('a', 'rows', 5), port('b', 'columns', 'rows')];
    // x is 5 because the second model says so of `a`, and so `columns` is.
    expect(bind([first, second], {}, { n: 3 })).toEqual({ a: [3, 5], b: [5, 3] });
  });

  it('follows the shapes of inputs that are given', () => {
    const ports = [port('ids', 'batch', 'seq'), port('mask', 'batch', 'seq'), port('other', 'batch')];
    expect(bind([ports, ports], { mask: [2, 17] })).toEqual({ ids: [2, 17], mask: [2, 17], other: [2] });
  });

  it('goes by place where a dimension has no name, or one that says nothing', () => {
    const ports = [
      port('pixel_values', '', '', '', ''),
      port('ids', 's0', 's1'),
      port('past.0', '', 4, '', 8),
    ];
    expect(bind([ports, ports])).toEqual({
      pixel_values: [1, 3, 224, 224],
      ids: [1, 8],
      'past.0': [1, 4, 4, 8],
    });
  });

  it('says where sizes contradict each other', () => {
    const refused = (body: () => unknown) => {
      try {
        body();
      } catch (error) {
        return (error as { record?: unknown }).record;
      }
      throw new Error('nothing was thrown');
    };
    expect(refused(() => bind([[port('a', 4)], [port('a', 5)]]))).toMatchObject({
      code: 'VC6107',
      where: 'a, axis 0',
      found: 'a dimension of 5',
    });
    const ports = [port('a', 'n'), port('b', 'n')];
    expect(refused(() => bind([ports, ports], { a: [2], b: [3] }))).toMatchObject({ code: 'VC6107' });
    expect(refused(() => bind([ports, ports], { a: [2] }, { n: 3 }))).toMatchObject({ code: 'VC6107' });
  });
});
