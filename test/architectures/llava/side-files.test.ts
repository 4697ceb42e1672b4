/** The JSON that LLaVA's output folder holds beside the graphs: moved to the resolution, else as it was. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../../src/architectures/architecture.ts';
import { llava } from '../../../src/architectures/llava/llava.ts';
import type { Size } from '../../../src/architectures/media.ts';
import type { Checkpoint, JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';

let checkpoint: Checkpoint;
beforeAll(async () => {
  checkpoint = await openCheckpoint(goldenCase('llava/hf-tiny').checkpoint);
});
afterAll(() => checkpoint.close());

function build(resolution: Size | undefined, changes: Changes = {}): BuiltModel {
  const options = { tiling: 'fit', loraTiles: 'nearest' } as const;
  const source = changed(checkpoint, changes);
  return llava.build(source, resolution === undefined ? options : { ...options, resolution });
}

function json(built: BuiltModel, name: string): JsonObject {
  const file = built.sideFiles.find((candidate) => candidate.name === name);
  if (file?.kind !== 'json') throw new Error(`${name} is not written`);
  return file.value as JsonObject;
}

const copies = (built: BuiltModel) =>
  built.sideFiles.flatMap((file) => (file.kind === 'copy' ? [file.from] : [])).sort();

const preprocessor = 'preprocessor_config.json';

describe('side files of LLaVA', () => {
  it('keep everything at the own size', () => {
    const built = build(undefined);
    expect(json(built, 'config.json')).toEqual({ ...checkpoint.config, image_seq_length: 16 });
    const { vlm_convert, ...settings } = json(built, preprocessor);
    expect(settings).toEqual(checkpoint.json.get(preprocessor));
    expect(vlm_convert).toMatchObject({ keep_aspect_ratio: true, image_token_span: 16 });
    expect(copies(built)).toEqual([
      'added_tokens.json',
      'generation_config.json',
      'processor_config.json',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer.model',
      'tokenizer_config.json',
    ]);
  });

  it('resize the shortest edge and crop for a square', () => {
    const built = build({ width: 84, height: 84 });
    expect(json(built, 'config.json')).toMatchObject({
      image_seq_length: 36,
      vision_config: { ...(checkpoint.config.vision_config as JsonObject), image_size: 84 },
    });
    const settings = json(built, preprocessor);
    expect(settings.size).toEqual({ shortest_edge: 84 });
    expect(settings.crop_size).toEqual({ height: 84, width: 84 });
  });

  it('resize to the shape itself where it is no square', () => {
    const built = build({ width: 90, height: 44 });
    expect(built.image).toMatchObject({
      requested: { width: 90, height: 44 },
      input: { width: 84, height: 42 },
      tokens: 18,
    });
    expect(json(built, 'config.json').vision_config).toMatchObject({ image_size: [42, 84] });
    const settings = json(built, preprocessor);
    expect(settings.size).toEqual({ height: 42, width: 84 });
    expect(settings.crop_size).toEqual({ height: 42, width: 84 });
    expect(settings.vlm_convert).toEqual({
      requested: { height: 44, width: 90 },
      keep_aspect_ratio: false,
      tiling: 'fit',
      image_token_span: 18,
    });
  });

  it('follow settings that are nested in the processor', () => {
    const nested = {
      image_processor: { image_mean: [0.5, 0.4, 0.3], size: { shortest_edge: 56 } },
      patch_size: 14,
    };
    const built = build(
      { width: 84, height: 84 },
      { json: { [preprocessor]: undefined, 'processor_config.json': nested } },
    );
    expect(built.image?.mean).toEqual([0.5, 0.4, 0.3]);
    const settings = json(built, 'processor_config.json');
    expect(settings.patch_size).toBe(14);
    expect(settings.image_processor).toMatchObject({
      image_mean: [0.5, 0.4, 0.3],
      size: { shortest_edge: 84 },
    });
    expect(settings.image_processor).toEqual(json(built, preprocessor));
    expect(copies(built)).not.toContain('processor_config.json');
  });

  it("describe CLIP's preprocessing where the checkpoint says nothing of it", () => {
    const built = build(undefined, { json: { [preprocessor]: undefined } });
    expect(json(built, preprocessor)).toMatchObject({
      resample: 3,
      do_center_crop: true,
      size: { shortest_edge: 56 },
      image_mean: [0.48145466, 0.4578275, 0.40821073],
      image_std: [0.26862954, 0.26130258, 0.27577711],
    });
  });

  it.each([
    ['VC1202', 'image_mean', [0.5, '0.5', 0.5]],
    ['VC1203', 'image_mean', [0.5, 0.5]],
    ['VC1203', 'image_std', [0.5, 0, 0.5]],
    ['VC1202', 'image_std', 0.5],
  ] as const)('are refused with %s: %s %j', (code, key, value) => {
    expect(() => build(undefined, { json: { [preprocessor]: { [key]: value } } })).toThrowError(
      expect.objectContaining({
        code,
        record: expect.objectContaining({ where: `${preprocessor}: ${key}` }),
      }),
    );
  });

  it('warn where the picture leaves no room in what the model was trained for', () => {
    const codes = (max_position_embeddings: number) =>
      build(undefined, { text: { max_position_embeddings } }).warnings.map(({ code }) => code);
    expect(codes(16)).toEqual([]);
    expect(codes(15)).toEqual(['VC4310']);
  });
});
