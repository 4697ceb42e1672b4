/** What is refused, with its reason, of configs, parts and options; and what configs may say in other words. */
import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildOptions } from '../../../src/architectures/architecture.ts';
import { recognise } from '../../../src/architectures/registry.ts';
import { vila } from '../../../src/architectures/vila/vila.ts';
import type { JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openSource, type Source } from '../../../src/pipeline/open-source.ts';
import { resolveOptions } from '../../../src/pipeline/options.ts';
import type { DiagnosticRecord, VlmError } from '../../../src/report/diagnostics.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { openCase } from '../../support/open-case.ts';

const options: BuildOptions = { tiling: 'crop', loraTiles: 'error' };
let older: Source;
let newer: Source;
let scaled: Source;

beforeAll(async () => {
  older = (await openCase(goldenCase('vila/tiny-mlp_downsample'))).source;
  newer = (await openCase(goldenCase('vila/tiny-mlp_downsample_3x3_fix'))).source;
  scaled = (await openCase(goldenCase('vila/nvila-dynamic_s2'))).source;
});
afterAll(() => Promise.all([older, newer, scaled].map((source) => source.close())));

function refusal(source: Source, changes: Changes, asked: Partial<BuildOptions> = {}): DiagnosticRecord {
  try {
    vila.build(changed(source, changes), { ...options, ...asked });
  } catch (error) {
    return (error as VlmError).record;
  }
  throw new Error('it was not refused');
}

const part = (source: Source, key: string, values: JsonObject): Changes => ({
  config: { [key]: { ...(source.config[key] as JsonObject), ...values } },
});

describe('variants', () => {
  it.each([
    ['ps3', { ps3: true }],
    ['image_encoder', { image_encoder: '{"_target_": "llava.model.encoders.TSPImageEncoder"}' }],
    ['image_encoder', { image_encoder: { end_tokens: 'no such token' } }],
  ])('%s', (key, config) => {
    expect(refusal(newer, { config })).toMatchObject({
      code: 'VC1232',
      where: expect.stringContaining(`config.json: ${key}`),
    });
  });

  it.each([
    ['llm_cfg', { model_type: 'mistral' }, 'llm/config.json: model_type'],
    ['vision_tower_cfg', { model_type: 'intern_vit_6b' }, 'vision_tower/config.json: model_type'],
    ['mm_projector_cfg', { mm_projector_type: 'qformer' }, 'mm_projector/config.json: mm_projector_type'],
  ])('%s', (key, values, where) => {
    expect(refusal(older, part(older, key, values))).toMatchObject({ code: 'VC1232', where });
  });

  it('tiles before there were any', () => {
    const found = refusal(older, { config: { image_aspect_ratio: 'dynamic' } });
    expect(found).toMatchObject({ code: 'VC1232', where: 'config.json: image_aspect_ratio' });
  });
});

describe('what does not fit together', () => {
  it('a first patch that is dropped, and blocks of patches', () => {
    expect(refusal(older, { config: { mm_vision_select_feature: 'patch' } })).toMatchObject({
      code: 'VC1204',
      where: expect.stringContaining('mm_vision_select_feature'),
      expected: expect.stringContaining('"cls_patch" for SigLIP'),
    });
  });

  it.each([
    ['dynamic_s2', { dynamic_s2: false }],
    ['mm_vision_select_feature', { mm_vision_select_feature: 'patch' }],
    ['s2_scales', { s2_scales: '70,140' }],
  ])('%s and tiles at scales', (key, config) => {
    const found = refusal(scaled, { config });
    expect(found).toMatchObject({ code: 'VC1204', where: expect.stringContaining(key) });
  });

  it.each([
    ['no tiles of the tower', { s2_scales: '70,150', s2_max_split_size: 75 }],
    ['tiles of two sizes', { s2_scales: '70,144', s2_max_split_size: 72 }],
    ['a patch left out', { s2_scales: '70,140', s2_max_split_size: 70, mm_vision_select_feature: 'patch' }],
  ])('scales of one square: %s', (_, config) => {
    expect(refusal(older, { config: { s2: true, ...config } })).toMatchObject({
      code: 'VC1204',
      where: expect.stringContaining('s2_scales'),
    });
  });

  it.each(['112,56', '56,x', '0,56', '56,1000000', ''])('scales "%s"', (s2_scales) => {
    expect(refusal(scaled, { config: { s2_scales } }).code).toMatch(/VC120[34]/);
  });

  it.each([3, -4, 0.5])('scale %d of three', (index) => {
    const config = { s2_resize_output_to_scale_idx: index };
    expect(refusal(scaled, { config }).code).toBe('VC1203');
  });

  it('views of another size than the tower has positions for', () => {
    const settings = { size: { height: 84, width: 84 } };
    expect(refusal(older, { json: { 'preprocessor_config.json': settings } })).toMatchObject({
      code: 'VC1204',
      where: expect.stringContaining('preprocessor_config.json: size'),
    });
  });

  it('a hidden state that the tower does not have', () => {
    expect(refusal(older, { config: { mm_vision_select_layer: -5 } }).code).toBe('VC1203');
    expect(refusal(older, { config: { mm_vision_select_layer: 4 } }).code).toBe('VC1203');
  });

  it('features that are no embeddings', () => {
    const found = refusal(older, part(older, 'mm_projector_cfg', { mm_projector_type: 'identity' }));
    expect(found).toMatchObject({ code: 'VC1204', found: 'identity for 72 channels and 96' });
  });

  it('a vocabulary without the token of a picture', () => {
    const without = { 'added_tokens.json': {}, 'tokenizer_config.json': {}, 'tokenizer.json': {} };
    expect(refusal(newer, { json: without }).code).toBe('VC1201');
    const beyond = { ...without, 'added_tokens.json': { '<image>': 320 } };
    expect(refusal(newer, { json: beyond })).toMatchObject({ code: 'VC1203', found: '320' });
  });
});

describe('a picture size', () => {
  const resolution = { width: 140, height: 70 };

  it('is none of views that are cut from any', () => {
    const dynamic: Changes = { config: { image_aspect_ratio: 'dynamic' } };
    expect(refusal(newer, dynamic, { resolution })).toMatchObject({
      code: 'VC4201',
      expected: expect.stringContaining('views of their own'),
    });
  });

  it('is none where a picture is seen as squares of several sizes', () => {
    const s2: Changes = { config: { s2: true, s2_scales: '70,140', s2_max_split_size: 70 } };
    expect(refusal(older, s2, { resolution })).toMatchObject({
      code: 'VC4201',
      expected: expect.stringContaining('70, 140'),
    });
    // Twice the channels as the projector of the checkpoint takes.
    expect(refusal(older, s2)).toMatchObject({ code: 'VC1222', expected: '[576]' });
  });

  it('has at least a patch', () => {
    expect(refusal(older, {}, { resolution: { width: 140, height: 13 } }).code).toBe('VC4202');
  });
});

describe('what configs say in other words', () => {
  const count = (source: Source, config: JsonObject): number | undefined =>
    vila.build(changed(source, { config }), options).image?.tokens;

  it('an encoder as JSON, as an object, or not at all', () => {
    const splice = (config: JsonObject | { image_encoder: undefined }) => {
      const { splice: rule } = vila.build(changed(newer, { config }), options).recipe;
      return rule?.rule === 'image-token' ? rule : undefined;
    };
    expect(
      splice({ image_encoder: { _target_: 'x.BasicImageEncoder', end_tokens: null } })?.after,
    ).toBeUndefined();
    expect(splice({ image_encoder: undefined })?.after).toEqual([198]);
    const both = { image_encoder: '{"start_tokens": "<|im_start|>", "end_tokens": "\\n"}' };
    expect(splice(both)).toMatchObject({ before: [301], after: [198], tokenId: 306 });
  });

  it('another way of resizing', () => {
    const steps = (value: string | undefined) =>
      vila.build(changed(older, { config: { image_aspect_ratio: value } }), options).image?.steps;
    expect(steps('pad')?.map(({ step }) => step)).toEqual(['pad-square', 'resize']);
    expect(steps('square')).toEqual(steps('resize'));
    expect(steps(undefined)).toEqual(steps('resize'));
  });

  it('a processor of another size than the smallest scale, which is set', () => {
    const settings = { size: { height: 384, width: 384 } };
    const { recipe } = vila.build(
      changed(scaled, { json: { 'preprocessor_config.json': settings } }),
      options,
    );
    expect(recipe.encoder?.feed).toMatchObject({ form: 'tiles', side: 56 });
  });

  it('which scale the others are brought to', () => {
    const tokens = (index: number | null) => count(scaled, { s2_resize_output_to_scale_idx: index });
    // The picture that is drawn becomes 4x3 tiles of 2x2 tokens.
    expect([null, 0, 1, 2, -1, -2, -3].map(tokens)).toEqual([4, 4, 16, 48, 48, 16, 4]);
  });
});

describe('parts', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'vlm-parts-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  const open = (checkpoint: string) =>
    openSource(resolveOptions({ checkpoint })).then(
      async (source) => {
        await source.close();
        return source;
      },
      (error: VlmError) => error.record,
    );

  async function copied(name: string, config: JsonObject): Promise<string> {
    const folder = join(root, name);
    await cp(goldenCase('vila/tiny-mlp_downsample').checkpoint, folder, { recursive: true });
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...older.config, ...config }));
    return folder;
  }

  it('are folders of their names, whatever paths a config has', async () => {
    const elsewhere = '/etc/passwd';
    const folder = await copied('paths', {
      llm_cfg: elsewhere,
      vision_tower_cfg: '../vision_tower',
      mm_projector_cfg: {},
      resume_path: elsewhere,
      _name_or_path: elsewhere,
    });
    const found = await open(folder);
    expect('folders' in found ? found.folders : found).toEqual(
      ['', 'llm', 'vision_tower', 'mm_projector'].map((name) => join(folder, name)),
    );
    expect('config' in found ? found.config.llm_cfg : undefined).toMatchObject({ model_type: 'llama' });
  });

  it('have to be there, in the folder itself', async () => {
    const folder = await copied('moved', {});
    await rename(join(folder, 'mm_projector'), join(root, 'mm_projector'));
    expect(await open(folder)).toMatchObject({
      code: 'VC1315',
      where: 'config.json: mm_projector_cfg',
      expected: join(folder, 'mm_projector'),
    });
  });

  it('count before files of the same name beside them, but for licences', async () => {
    const folder = await copied('twice', {});
    for (const name of ['tokenizer_config.json', 'LICENSE', 'llm/LICENSE']) {
      await writeFile(join(folder, name), name.endsWith('.json') ? '{"legacy": 0}' : name);
    }
    const found = await open(folder);
    if (!('json' in found)) throw new Error(JSON.stringify(found));
    expect(found.json.get('tokenizer_config.json')).toEqual(older.json.get('tokenizer_config.json'));
    expect(found.partFolders?.get('tokenizer_config.json')).toBe(join(folder, 'llm'));
    expect(found.files).toContain('LICENSE');
    expect(found.partFolders?.get('LICENSE')).toBeUndefined();
  });

  it('belong to no other family that has the same model_type', () => {
    const names = new Set<string>();
    expect(recognise(older.config, names)?.id).toBe('vila');
    const { llm_cfg: _llm, vision_tower_cfg: _tower, mm_projector_cfg: _projector, ...rest } = older.config;
    expect(recognise(rest, names)?.id).toBe('llava');
  });

  it('lend the tokenizer, and the settings of pictures', () => {
    const { sideFiles } = vila.build(older, options);
    const names = sideFiles.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
    expect(names).toEqual(
      expect.arrayContaining(['tokenizer.model', 'generation_config.json', 'tokenizer.json']),
    );
    for (const file of sideFiles) {
      if (file.kind !== 'copy') continue;
      expect(older.partFolders?.get(file.from)).toMatch(/\/(llm|vision_tower)$/);
    }
    const made = sideFiles.find(({ name }) => name === 'tokenizer.json');
    const { added_tokens: added } = (made?.kind === 'json' ? made.value : {}) as JsonObject;
    expect(added).toContainEqual(expect.objectContaining({ id: 320, content: '<image>' }));
    const kept = vila.build(newer, options).sideFiles.find(({ name }) => name === 'tokenizer.json');
    expect(kept).toEqual({ name: 'tokenizer.json', kind: 'copy', from: 'tokenizer.json' });
  });
});
