/** One checkpoint under every spelling of its names: all of it is found, and a missing one is named as spelt. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { llava } from '../../../src/architectures/llava/llava.ts';
import type { Checkpoint, CheckpointTensor } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { goldenCase } from '../../support/golden-cases.ts';

let checkpoint: Checkpoint;
beforeAll(async () => {
  checkpoint = await openCheckpoint(goldenCase('llava/hf-tiny').checkpoint);
});
afterAll(() => checkpoint.close());

const options = { tiling: 'fit', loraTiles: 'nearest' } as const;

/** What stands for the released prefixes of tower, projector, language model and head. */
type Spelling = readonly [tower: string, projector: string, text: string, head: string];

const released: Spelling = [
  'vision_tower.vision_model',
  'multi_modal_projector',
  'language_model.model',
  'language_model.lm_head',
];

const spellings: readonly Spelling[] = [
  released,
  ['vision_tower', 'multi_modal_projector', 'language_model.model', 'lm_head'],
  ['model.vision_tower.vision_model', 'model.multi_modal_projector', 'model.language_model', 'lm_head'],
  ['model.vision_tower', 'model.multi_modal_projector', 'model.language_model', 'model.lm_head'],
  [
    'model.vision_tower',
    'model.multi_modal_projector',
    'model.language_model.model',
    'model.language_model.lm_head',
  ],
  ['vision_tower', 'multi_modal_projector', 'language_model', 'lm_head'],
];

function spelt(spelling: Spelling): Checkpoint {
  const tensors = [...checkpoint.tensors].map(([name, entry]): [string, CheckpointTensor] => {
    const part = released.findIndex((prefix) => name.startsWith(`${prefix}.`));
    return [`${spelling[part]}${name.slice(released[part]?.length)}`, entry];
  });
  return { ...checkpoint, tensors: new Map(tensors) };
}

describe.each(spellings)('%s, %s, %s, %s', (...spelling) => {
  it('is read whole', () => {
    const plain = llava.build(checkpoint, options);
    const other = llava.build(spelt(spelling), options);
    expect(other.unusedTensors.length).toBe(plain.unusedTensors.length);
    expect(other.unusedTensors.every((name) => name.startsWith(spelling[0]))).toBe(true);
  });

  it('names what is missing as it is spelt', () => {
    const other = spelt(spelling);
    const name = `${spelling[2]}.layers.1.mlp.up_proj.weight`;
    const tensors = new Map(other.tensors);
    expect(tensors.delete(name)).toBe(true);
    expect(() => llava.build({ ...other, tensors }, options)).toThrowError(
      expect.objectContaining({ code: 'VC1221', record: expect.objectContaining({ where: `"${name}"` }) }),
    );
  });
});
