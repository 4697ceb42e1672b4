/**
 * The parts of a MiniGPT-v2 model as one checkpoint: names, low-rank factors against what the original merges, what was
 * trained over what it was trained from, and what is refused, each with its code and place.
 */
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors, safetensorsSource } from '../../../src/formats/safetensors/read.ts';
import { writeSafetensors } from '../../../src/formats/safetensors/write.ts';
import { convert, type VlmError } from '../../../src/index.ts';
import { openSource, type Source } from '../../../src/pipeline/open-source.ts';
import { resolveOptions } from '../../../src/pipeline/options.ts';
import { cast } from '../../../src/tensor/derived/cast.ts';
import { lowRankParts } from '../../../src/tensor/derived/low-rank-update.ts';
import { inlineTensor, readAll, type Tensor } from '../../../src/tensor/tensor.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { openCase } from '../../support/open-case.ts';
import { readIo } from '../../support/read-io.ts';
import { floats, writeAdapter } from '../../support/write-adapter.ts';

const golden = goldenCase('minigpt-v2/tiny');
const trainedFile = 'minigptv2_checkpoint.safetensors';
const towerFile = 'eva_vit_g.safetensors';
const llama = 'llama-2-tiny-chat';
const factorsOf = (module: string) => `llama_model.base_model.model.model.layers.${module}`;
const ownPrefix = 'language_model.model.layers.0.self_attn';

let root = '';
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vlm-minigpt-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Changes {
  readonly config?: Readonly<Record<string, unknown>>;
  /** Of the file of what was trained. */
  readonly trained?: (tensors: Map<string, Tensor>) => void;
  readonly folder?: (path: string) => Promise<unknown>;
}

/** A copy of the recorded checkpoint, changed. */
async function changed({ config, trained, folder }: Changes): Promise<string> {
  count += 1;
  const path = join(root, String(count), 'checkpoint');
  await cp(golden.checkpoint, path, { recursive: true });
  const file = join(path, 'config.json');
  const own = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...own, ...config }));
  if (trained !== undefined) {
    const source = await safetensorsSource(join(golden.checkpoint, trainedFile), trainedFile);
    const tensors = new Map((await openSafetensors(source)).tensors);
    trained(tensors);
    await rm(join(path, trainedFile));
    await writeSafetensors(join(path, trainedFile), tensors);
    await source.close();
  }
  await folder?.(path);
  return path;
}

async function opened<T>(changes: Changes, look: (source: Source) => Promise<T> | T): Promise<T> {
  const source = await openSource(resolveOptions({ checkpoint: await changed(changes) }));
  try {
    return await look(source);
  } finally {
    await source.close();
  }
}

async function refusal(changes: Changes): Promise<VlmError['record'] | undefined> {
  const checkpoint = await changed(changes);
  return openSource(resolveOptions({ checkpoint })).then(
    async (source) => {
      await source.close();
      return undefined;
    },
    (error: VlmError) => error.record,
  );
}

async function valuesOf({ tensors }: Pick<Source, 'tensors'>, name: string): Promise<Float32Array> {
  const tensor = tensors.get(name)?.tensor;
  if (tensor === undefined) throw new Error(`no ${name}`);
  return new Float32Array((await readAll(cast(tensor, 'float32'))).slice().buffer);
}

const filled = (shape: readonly number[], value: number): Tensor => {
  const data = new Float32Array(shape.reduce((product, dim) => product * dim, 1)).fill(value);
  return inlineTensor('float32', shape, new Uint8Array(data.buffer));
};

/** Puts `insert` before the last part of every factor's name. */
function renameFactors(tensors: Map<string, Tensor>, insert: string): void {
  for (const [name, tensor] of [...tensors]) {
    if (!name.includes('.lora_')) continue;
    tensors.delete(name);
    tensors.set(name.replace(/\.weight$/, `${insert}.weight`), tensor);
  }
}

describe('the parts of MiniGPT-v2', () => {
  it('are merged as the original merges them, as an adapter of its own', async () => {
    const { source } = await openCase(golden);
    try {
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      for (const module of ['q_proj', 'v_proj']) {
        const found = await valuesOf(source, `${ownPrefix}.${module}.weight`);
        const wanted = io.float32(`mid.merged.model.layers.0.self_attn.${module}.weight`);
        const scale = Math.max(...wanted.map(Math.abs));
        const worst = Math.max(...wanted.map((value, at) => Math.abs(value - (found[at] ?? Number.NaN))));
        expect(worst / scale).toBeLessThan(1e-6);
      }
      const [own, ...more] = source.adapters;
      expect(more).toEqual([]);
      expect(own).toMatchObject({ name: 'minigptv2_checkpoint', share: 1, tensors: 8 });
      expect(own?.changes.map(({ name, kind, rank, scale }) => ({ name, kind, rank, scale }))).toEqual(
        [0, 1].flatMap((layer) =>
          ['q_proj', 'v_proj'].map((module) => ({
            name: `language_model.model.layers.${layer}.self_attn.${module}.weight`,
            kind: 'low-rank',
            rank: 8,
            scale: 0.75,
          })),
        ),
      );
    } finally {
      await source.close();
    }
  });

  it.each([
    ['factors of a named adapter', { trained: (all) => renameFactors(all, '.default') }],
    [
      'paths, of which the last part counts',
      {
        config: {
          llama_model: `/data/models/${llama}/`,
          ckpt: `../other/${trainedFile}`,
          vit_ckpt: undefined,
        },
      },
    ],
    [
      'a language model beside the folder',
      {
        folder: (path) => rename(join(path, llama), join(path, '..', llama)),
      },
    ],
  ] satisfies [string, Changes][])('%s', async (_, changes) => {
    const { source } = await openCase(golden);
    const name = `${ownPrefix}.q_proj.weight`;
    try {
      expect(await opened(changes, (own) => valuesOf(own, name))).toEqual(await valuesOf(source, name));
    } finally {
      await source.close();
    }
  });

  it('let what was trained go over what it was trained from', async () => {
    const bias = filled([176], 0.5);
    const head = filled([320, 96], 0.25);
    const trained = (all: Map<string, Tensor>) => {
      all.set('visual_encoder.blocks.0.norm1.bias', bias);
      all.set('llama_model.base_model.model.lm_head.weight', head);
    };
    await opened({ trained }, async (source) => {
      expect((await valuesOf(source, 'vision_tower.blocks.0.norm1.bias'))[7]).toBe(0.5);
      expect((await valuesOf(source, 'language_model.lm_head.weight'))[7]).toBe(0.25);
      expect(source.tensors.get('vision_tower.blocks.0.norm1.weight')?.file).toBe(towerFile);
    });
  });

  it('take an adapter of the user on top', async () => {
    const module = 'model.layers.1.self_attn.v_proj';
    const adapter = await writeAdapter(
      join(root, 'adapter'),
      { target_modules: [module] },
      { [`${module}.lora_A.weight`]: floats([2, 96], 1), [`${module}.lora_B.weight`]: floats([96, 2], 2) },
    );
    const options = resolveOptions({ checkpoint: golden.checkpoint, adapter: [{ path: adapter, share: 1 }] });
    const source = await openSource(options);
    try {
      expect(source.adapters.map(({ name, changes }) => [name, changes.length])).toEqual([
        ['minigptv2_checkpoint', 4],
        ['adapter', 1],
      ]);
      const tensor = source.tensors.get(`language_model.${module}.weight`)?.tensor;
      expect(tensor && lowRankParts(tensor)?.updates.map(({ a }) => a.shape)).toEqual([
        [8, 96],
        [2, 96],
      ]);
    } finally {
      await source.close();
    }
  });

  it('leave factors out where lora_r is 0, as the original does', async () => {
    await opened({ config: { lora_r: 0 } }, (source) => {
      expect(source.adapters).toEqual([]);
      expect(source.tensors.get(`${ownPrefix}.q_proj.weight`)?.tensor.origin.kind).toBe('source');
      expect(source.tensors.has(`${factorsOf('0.self_attn.q_proj')}.lora_A.weight`)).toBe(true);
    });
  });
});

const pickled = (path: string, file: string, pickle: string) => rename(join(path, file), join(path, pickle));
const drop =
  (...endings: readonly string[]) =>
  (all: Map<string, Tensor>) => {
    for (const name of [...all.keys()]) if (endings.some((ending) => name.endsWith(ending))) all.delete(name);
  };

describe('what is refused', () => {
  it.each<[string, string, string, Changes]>([
    [
      'a pickle that the config names',
      'VC1131',
      'config.json: ckpt',
      { config: { ckpt: 'x/checkpoint_stage3.pth' } },
    ],
    [
      "a tower's pickle that the config names",
      'VC1131',
      'config.json: vit_ckpt',
      { config: { vit_ckpt: 'eva.pt' } },
    ],
    [
      'a pickle under the name of the config',
      'VC1131',
      'config.json: ckpt',
      {
        folder: (path) => pickled(path, trainedFile, 'minigptv2_checkpoint.pth'),
      },
    ],
    [
      'nothing but pickles',
      'VC1131',
      'config.json: ckpt',
      {
        folder: async (path) => {
          await pickled(path, trainedFile, 'minigptv2_checkpoint.pth');
          await pickled(path, towerFile, 'eva_vit_g.pth');
        },
      },
    ],
    ['a file that is not there', 'VC1315', 'config.json: ckpt', { config: { ckpt: 'other.safetensors' } }],
    ['a file outside the folder', 'VC1315', 'config.json: ckpt', { config: { ckpt: '..' } }],
    ['no language model', 'VC1315', 'config.json: llama_model', { config: { llama_model: '' } }],
    [
      'no key of a language model',
      'VC1201',
      'config.json: llama_model',
      { config: { llama_model: undefined } },
    ],
    ['another rank', 'VC1308', trainedFile, { config: { lora_r: 4 } }],
    [
      'a layer without factors',
      'VC1314',
      trainedFile,
      {
        trained: drop('layers.1.self_attn.v_proj.lora_A.weight', 'layers.1.self_attn.v_proj.lora_B.weight'),
      },
    ],
    [
      'half of the factors',
      'VC1314',
      trainedFile,
      { trained: drop('layers.1.self_attn.v_proj.lora_B.weight') },
    ],
    ['no factors', 'VC1301', trainedFile, { trained: drop('.lora_A.weight', '.lora_B.weight') }],
    ['factors of other modules', 'VC1305', trainedFile, { config: { lora_target_modules: ['k_proj'] } }],
    [
      'factors of a layer that is not there',
      'VC1307',
      trainedFile,
      {
        trained: (all) => {
          all.set(`${factorsOf('7.self_attn.q_proj')}.lora_A.weight`, filled([8, 96], 1));
          all.set(`${factorsOf('7.self_attn.q_proj')}.lora_B.weight`, filled([96, 8], 1));
        },
      },
    ],
  ])('%s', async (_, code, where, changes) => {
    const record = await refusal(changes);
    expect(record?.code).toBe(code);
    expect(record?.where).toContain(where);
  });

  it('tells how a pickle becomes what is read', async () => {
    const ckpt = await refusal({ config: { ckpt: 'x/checkpoint_stage3.pth' } });
    expect(ckpt?.hint).toContain(
      'torch.load("checkpoint_stage3.pth", map_location="cpu", weights_only=True)["model"]',
    );
    expect(ckpt?.hint).toContain('"ckpt": "checkpoint_stage3.safetensors" in config.json');
    const tower = await refusal({ folder: (path) => pickled(path, towerFile, 'eva_vit_g.pth') });
    expect(tower?.hint).toContain('torch.load("eva_vit_g.pth", map_location="cpu", weights_only=True)\n');
    expect(tower?.hint).toContain('"vit_ckpt": "eva_vit_g.safetensors" in config.json');
  });

  it('tells what a folder lacks that has the YAML alone', async () => {
    const folder = join(root, 'yaml');
    await mkdir(folder);
    await writeFile(join(folder, 'minigptv2_eval.yaml'), 'model:\n  arch: minigpt_v2\n');
    const error = await openSource(resolveOptions({ checkpoint: folder })).catch((cause: VlmError) => cause);
    expect(error).toMatchObject({
      code: 'VC1110',
      record: { hint: expect.stringContaining('docs/models.md') },
    });
  });

  it('factors that are not finite', async () => {
    const checkpoint = await changed({
      trained: (all) =>
        all.set(`${factorsOf('0.self_attn.q_proj')}.lora_A.weight`, filled([8, 96], Number.NaN)),
    });
    for (const lora of ['merge', 'factored'] as const) {
      const error = await convert({ checkpoint, output: join(root, `nan-${lora}`), lora }).catch(
        (cause: VlmError) => cause,
      );
      expect(error).toMatchObject({ code: 'VC1311' });
    }
  });
});
