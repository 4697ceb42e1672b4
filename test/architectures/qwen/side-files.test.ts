import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildOptions, BuiltModel } from '../../../src/architectures/architecture.ts';
import type { Size } from '../../../src/architectures/media.ts';
import { monkey } from '../../../src/architectures/monkey/monkey.ts';
import { qwenVl } from '../../../src/architectures/qwen-vl/qwen-vl.ts';
import { sideFilesOf } from '../../../src/architectures/side-files.ts';
import type { Checkpoint, JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';

let checkpoint: Checkpoint;
let qwen: Checkpoint;
beforeAll(async () => {
  checkpoint = await openCheckpoint(goldenCase('monkey/tiny-896').checkpoint);
  qwen = await openCheckpoint(goldenCase('qwen-vl/tiny-long').checkpoint);
});
afterAll(() => Promise.all([checkpoint.close(), qwen.close()]));

const at = (resolution?: Size): BuildOptions => ({
  tiling: 'fit',
  loraTiles: 'nearest',
  ...(resolution === undefined ? {} : { resolution }),
});

function json(built: BuiltModel, name: string): JsonObject {
  const file = built.sideFiles.find((candidate) => candidate.name === name);
  if (file?.kind !== 'json') throw new Error(`${name} is not written`);
  return file.value as JsonObject;
}

describe('side files of Monkey', () => {
  it('move with the resolution', () => {
    const built = monkey.build(checkpoint, at({ width: 1544, height: 896 }));
    expect(json(built, 'config.json')).toEqual({
      ...checkpoint.config,
      visual: { ...(checkpoint.config.visual as JsonObject), image_size: [896, 1344] },
    });
    expect(json(built, 'preprocessor_config.json')).toMatchObject({
      size: { height: 896, width: 1344 },
      resample: 3,
      rescale_factor: 1 / 255,
      image_mean: [0.48145466, 0.4578275, 0.40821073],
      image_std: [0.26862954, 0.26130258, 0.27577711],
      vlm_convert: {
        requested: { height: 896, width: 1544 },
        tiling: 'fit',
        grid: { rows: 2, columns: 3, tile: 448 },
        image_token_span: 112,
      },
    });
    expect(json(built, 'tokenizer_config.json')).toEqual({
      ...(checkpoint.json.get('tokenizer_config.json') as JsonObject),
      image_token_span: 112,
    });
  });

  it('keep a square size as the number it was', () => {
    const sizeOf = (built: BuiltModel) => (json(built, 'config.json').visual as JsonObject).image_size;
    expect(sizeOf(monkey.build(checkpoint, at()))).toBe(896);
    expect(sizeOf(monkey.build(checkpoint, at({ width: 1344, height: 1344 })))).toBe(1344);
    const paired = changed(checkpoint, { visual: { image_size: [896, 896] } });
    expect(sizeOf(monkey.build(paired, at()))).toEqual([896, 896]);
  });

  it('say how the picture was really cut where nothing was asked for', () => {
    const preprocessor = json(monkey.build(checkpoint, at()), 'preprocessor_config.json');
    expect(preprocessor.vlm_convert).toMatchObject({ tiling: 'crop' });
  });

  it('include tokenizer and generation settings as they are', () => {
    const copied = monkey
      .build(checkpoint, at())
      .sideFiles.flatMap((file) => (file.kind === 'copy' ? [file.from] : []));
    expect(copied).toEqual(['generation_config.json', 'qwen.tiktoken', 'special_tokens_map.json']);
  });

  it('warn where the span is longer than what the model was trained for', () => {
    const codes = (seq_length: number) =>
      monkey
        .build(changed(checkpoint, { config: { seq_length } }), at())
        .warnings.map((warning) => warning.code);
    expect(codes(82)).toEqual([]);
    expect(codes(81)).toEqual(['VC4310']);
  });
});

it('describe the picture of Qwen-VL without tiles', () => {
  const built = qwenVl.build(qwen, at({ width: 500, height: 301 }));
  const preprocessor = json(built, 'preprocessor_config.json');
  expect(preprocessor.size).toEqual({ height: 294, width: 490 });
  expect(preprocessor.vlm_convert).not.toHaveProperty('grid');
  expect(json(built, 'tokenizer_config.json')).toMatchObject({
    image_token_span: 16,
    model_max_length: 8192,
  });
});

it('never copies code, weights or files of our own', () => {
  const names = [
    'modeling_qwen.py',
    'model.safetensors',
    'pytorch_model.bin',
    'model.safetensors.index.json',
    'config.json',
    'tokenizer_config.json',
    'preprocessor_config.json',
    'vlm-convert.json',
    '.gitattributes',
    'tokenizer.model',
    'LICENSE',
  ];
  expect(sideFilesOf({ files: names }, {}, []).map((file) => file.name)).toEqual([
    'tokenizer.model',
    'LICENSE',
  ]);
});
