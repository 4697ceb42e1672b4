/** What hangs on TextMonkey's switches and on the size: views, adapters, tokens, side files, and what is refused. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildOptions, BuiltModel } from '../../../src/architectures/architecture.ts';
import { textMonkey } from '../../../src/architectures/textmonkey/textmonkey.ts';
import { tileViews } from '../../../src/architectures/textmonkey/tile-views.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import { toFloat32 } from '../../../src/runtime/values.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase, pixelFormula } from '../../support/golden-cases.ts';
import { picturePixels } from '../../support/pixel-values.ts';
import { readIo } from '../../support/read-io.ts';
import { get, withSession } from '../../support/run-recipe.ts';
import { writeModel } from '../../support/write-models.ts';

const golden = goldenCase('textmonkey/resized-896');
const own: BuildOptions = { tiling: 'fit', loraTiles: 'nearest' };
const size = (width: number, height: number, more: Partial<BuildOptions> = {}): BuildOptions => ({
  ...own,
  resolution: { width, height },
  ...more,
});
let checkpoint: Checkpoint;

beforeAll(async () => {
  checkpoint = await openCheckpoint(golden.checkpoint);
});
afterAll(() => checkpoint.close());

function built(changes: Changes = {}, options: BuildOptions = own): BuiltModel {
  return textMonkey.build(changed(checkpoint, changes), options);
}

/** What a graph gives, as it says. */
function featureShape({ components }: BuiltModel): unknown {
  const type = components[0]?.model.graph.outputs[0]?.type;
  return type?.kind === 'tensor' ? type.shape : undefined;
}

const withoutGlobal = { visual: { use_global: false, n_queries: 30 } };
const withoutResampler = { visual: { resampler: false, n_queries: 512 } };

describe('tokens', () => {
  it.each([
    ['of both', {}, 286, 5],
    ['of no global view', withoutGlobal, 30, 4],
    ['of no resampler', withoutResampler, 5 * 256, 5],
    ['of neither', { visual: { resampler: false, use_global: false, n_queries: 256 } }, 4 * 256, 4],
    [
      'of the defaults of the class',
      { visual: { resampler: undefined, use_global: undefined, n_queries: undefined } },
      4 * 256,
      4,
    ],
  ])('%s', (_name, changes: Changes, tokens, views) => {
    const model = built(changes, size(896, 896));
    expect(model.image).toMatchObject({ tokens, tokensPerView: 256 });
    expect(model.image?.views).toHaveLength(views);
    expect(featureShape(model)).toEqual(['batch_size', tokens, 128]);
    const config = model.sideFiles.find(({ name }) => name === 'config.json');
    expect(config).toMatchObject({ value: { visual: { n_queries: tokens, image_size: [896, 896] } } });
  });

  it('are as many at every size where they are chosen, and the picture need not be a square', () => {
    for (const [width, height] of [
      [448, 448],
      [1344, 896],
      [448, 1344],
    ] as const) {
      const { image } = built({}, size(width, height));
      expect(image).toMatchObject({ tokens: 286, input: { width, height } });
      expect(image?.grid).toMatchObject({ columns: width / 448, rows: height / 448 });
    }
  });

  it('stay out of what fills no tile, as asked', () => {
    const at = (tiling: 'fit' | 'crop' | 'cover') => built(withoutGlobal, size(1000, 500, { tiling })).image;
    expect(at('fit')).toMatchObject({ input: { width: 896, height: 448 }, grid: { rows: 1, columns: 2 } });
    expect(at('crop')).toMatchObject({ input: { width: 1000, height: 500 }, grid: { rows: 1, columns: 2 } });
    expect(at('crop')?.summary).toContain('nothing sees the right 104 columns');
    expect(at('cover')).toMatchObject({ input: { width: 1000, height: 500 }, grid: { rows: 2, columns: 3 } });
  });
});

describe('attention across tiles', () => {
  it('leaves its modules unread where it is switched off', () => {
    const reads = (model: BuiltModel) =>
      model.unusedTensors.filter((name) => /window_attention\.[01]\./.test(name));
    expect(reads(built())).toEqual([]);
    expect(reads(built({ visual: { add_window: false } }))).toHaveLength(28);
    expect(reads(built({ visual: { add_window: undefined } }))).toHaveLength(28);
  });
});

describe('the choice', () => {
  it('is the recorded one, of scores that are recorded', async () => {
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const model = built({}, size(896, 896, { tiling: 'crop' })).components[0]?.model;
    if (model === undefined) throw new Error('no vision component');
    const { graph } = model;
    for (const name of ['resampler/selected_out', 'resampler/select/node_max_out']) {
      const value = graph.value(name);
      if (value === undefined) throw new Error(`no ${name}`);
      graph.setOutputs([...graph.outputs, value]);
    }
    const { mean, std, stored_as, sha256_of_fp32_little_endian_chw } = pixelFormula(golden);
    const pixels = picturePixels(
      stored_as.map((name) => join(golden.folder, name)),
      mean,
      std,
      sha256_of_fp32_little_endian_chw,
    );
    const folder = await mkdtemp(join(tmpdir(), 'vlm-choice-'));
    try {
      const file = await writeModel(folder, 'vision', model);
      const outputs = await withSession({}, file, 'cpu', (session) =>
        session.run(new Map([['pixel_values', pixels]])),
      );
      const chosen = Array.from(get(outputs, 'resampler/selected_out').data, Number);
      expect(chosen).toEqual(io.ints('mid.resampler.selected'));
      const scores = toFloat32(get(outputs, 'resampler/select/node_max_out'));
      const recorded = io.float32('mid.resampler.node_max');
      expect(scores).toHaveLength(recorded.length);
      const worst = Math.max(...scores.map((score, at) => Math.abs(score - (recorded[at] ?? 0))));
      expect(worst).toBeLessThan(1e-5);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('adapters', () => {
  const grid = { rows: 1, columns: 3 };
  const of = (count: number, policy: 'nearest' | 'base' | 'error' = 'error', whole = true) =>
    tileViews(grid, count, { rows: 1, columns: Math.max(count, 1) }, policy, whole);
  const adapters = ({ views }: ReturnType<typeof of>) => views.map(({ adapter }) => adapter);

  it('are none, one for all tiles, or one per tile', () => {
    expect(adapters(of(0))).toEqual([undefined, undefined, undefined, undefined]);
    expect(adapters(of(1))).toEqual([0, 0, 0, null]);
    expect(of(1).warnings).toEqual([]);
    expect(adapters(of(3))).toEqual([0, 1, 2, null]);
    expect(adapters(of(3, 'error', false))).toEqual([0, 1, 2]);
  });

  it('that are fewer than tiles follow the policy', () => {
    expect(() => of(2)).toThrow('VC4302');
    expect(adapters(of(2, 'base'))).toEqual([0, 1, null, null]);
    expect(adapters(of(2, 'nearest'))).toEqual([0, 1, 1, null]);
    expect(of(2, 'nearest').warnings.map(({ code }) => code)).toEqual(['VC4301']);
  });
});

describe('refused', () => {
  const blank = (...shape: readonly number[]) => ({
    file: 'model.safetensors',
    tensor: inlineTensor('float32', shape, new Uint8Array(4 * shape.reduce((a, b) => a * b, 1))),
  });
  const windows = 'transformer.visual.transformer.window_attention.0';
  const resampler = 'transformer.visual.downresampler';
  const refusals: readonly (readonly [string, string, string, Changes, BuildOptions?])[] = [
    ['another patch', 'VC1232', 'patch_size', { visual: { patch_size: 28 } }],
    ['a span of other tokens', 'VC1204', 'n_queries', { visual: { n_queries: 285 } }],
    ['more to keep than there are', 'VC1204', 'visual.r', { visual: { r: 257, n_queries: 513 } }],
    ['nothing to keep', 'VC1203', 'visual.r', { visual: { r: 0 } }],
    ['a size without whole tiles', 'VC1204', 'image_size', { visual: { image_size: [448, 500] } }],
    ['a switch that is none', 'VC1202', 'use_global', { visual: { use_global: 'yes' } }],
    [
      'adapters that the config has not',
      'VC1204',
      'in_proj_lora',
      { visual: { lora_repeat_num: undefined } },
    ],
    [
      'a module that is missing',
      'VC1221',
      windows,
      { tensors: (map) => map.delete(`${windows}.shift_attn.attn.relative_position_bias_table`) },
    ],
    [
      'another window',
      'VC1222',
      'relative_position_bias_table',
      { tensors: (map) => map.set(`${windows}.shift_attn.attn.relative_position_bias_table`, blank(169, 1)) },
    ],
    [
      'heads that do not divide',
      'VC1222',
      'relative_position_bias_table',
      { tensors: (map) => map.set(`${windows}.shift_attn.attn.relative_position_bias_table`, blank(529, 7)) },
    ],
    [
      'a resampler without layers',
      'VC1221',
      `${resampler}.layers.0`,
      {
        tensors: (map) => {
          for (const name of map.keys()) if (name.startsWith(`${resampler}.layers.`)) map.delete(name);
        },
      },
    ],
    [
      'heads of another size',
      'VC1222',
      'to_q',
      { tensors: (map) => map.set(`${resampler}.layers.0.0.to_q.weight`, blank(1000, 32)) },
    ],
    [
      'adapters in the language model',
      'VC1232',
      'transformer.h.0.attn.c_attn_lora',
      { tensors: (map) => map.set('transformer.h.0.attn.c_attn_lora.lora_a.weight', blank(32, 128)) },
    ],
    [
      'a picture with too little to keep',
      'VC4202',
      'resolution',
      {
        visual: { r: 300, n_queries: 556, image_size: [896, 896] },
      },
      size(448, 448),
    ],
  ];

  it.each(
    refusals.map(([name, code, where, changes, options = own]) => ({ name, code, where, changes, options })),
  )('$name', ({ code, where, changes, options }) => {
    let error: unknown;
    try {
      built(changes, options);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(VlmError);
    const { record } = error as VlmError;
    expect(record.code).toBe(code);
    expect(record.where).toContain(where);
  });
});
