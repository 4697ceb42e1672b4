/**
 * Adapters on checkpoints: what is refused with which code, and forms that no recorded case has (shares, several
 * adapters, convolutions, DoRA over stored columns, tied tables), against sums in float64.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyAdapters, type WeightedAdapter } from '../../../../src/formats/checkpoint/adapters/apply.ts';
import { openAdapter } from '../../../../src/formats/checkpoint/adapters/open-adapter.ts';
import type { Checkpoint } from '../../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../../src/report/diagnostics.ts';
import { cast } from '../../../../src/tensor/derived/cast.ts';
import { readAll } from '../../../../src/tensor/tensor.ts';
import { peftCase } from '../../../support/peft-cases.ts';
import { type Floats, floats, writeAdapter } from '../../../support/write-adapter.ts';

type Config = Readonly<Record<string, unknown>>;
type Tensors = Readonly<Record<string, Floats>>;

let root: string;
const bases = new Map<string, Checkpoint>();
let written = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vlm-adapters-'));
  for (const name of ['llama-layers', 'llama-embedding-tied', 'gpt2-fan-in-fan-out', 'llava-lora']) {
    bases.set(name, await openCheckpoint(peftCase(name).checkpoint));
  }
});
afterAll(async () => {
  for (const base of bases.values()) await base.close();
  await rm(root, { recursive: true, force: true });
});

/** Applies adapters, in order, to the base of a recorded case, and gives what `body` makes of the result. */
async function applied<T>(
  base: string,
  adapters: readonly { readonly config: Config; readonly tensors: Tensors; readonly share?: number }[],
  body: (checkpoint: Checkpoint, before: Checkpoint) => Promise<T>,
): Promise<T> {
  const before = bases.get(base);
  if (before === undefined) throw new Error(`no base ${base}`);
  const opened: WeightedAdapter[] = [];
  try {
    for (const { config, tensors, share = 1 } of adapters) {
      written += 1;
      const folder = await writeAdapter(join(root, `a${written}`), config, tensors);
      opened.push({ adapter: await openAdapter(folder), share });
    }
    return await body(applyAdapters(before, opened).checkpoint, before);
  } finally {
    for (const { adapter } of opened) await adapter.close();
  }
}

async function valuesOf({ tensors }: Checkpoint, name: string): Promise<Float32Array> {
  const tensor = tensors.get(name)?.tensor;
  if (tensor === undefined) throw new Error(`no ${name}`);
  return new Float32Array((await readAll(cast(tensor, 'float32'))).slice().buffer);
}

/** Largest difference over the largest value. */
function worst(found: Float32Array, expected: readonly number[]): number {
  const scale = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, at) => Math.abs(value - (found[at] ?? Number.NaN)))) / scale;
}

/** b [rows, rank] · a [rank, columns], in float64 */
function product(b: Floats, a: Floats): number[] {
  const [rows = 0, rank = 0] = b.shape;
  const columns = a.data.length / rank;
  return Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += (b.data[row * rank + r] ?? 0) * (a.data[r * columns + column] ?? 0);
    return sum;
  });
}

const pair = (module: string, a: Floats, b: Floats): Tensors => ({
  [`${module}.lora_A.weight`]: a,
  [`${module}.lora_B.weight`]: b,
});
const layer = (index: number): string => `model.layers.${index}.self_attn.q_proj`;
/** Rank 2 on a [64, 64] weight of every layer. */
const whole = (seed = 1): Tensors =>
  Object.assign(
    {},
    ...[0, 1, 2].map((index) =>
      pair(layer(index), floats([2, 64], seed + index), floats([64, 2], seed + 9 + index)),
    ),
  );
const targets: Config = { target_modules: ['q_proj'] };
const name = `${layer(1)}.weight`;

describe('sums', () => {
  it('take a share of an adapter, and adapters one after the other', async () => {
    const [one, other] = [whole(1), whole(50)];
    await applied(
      'llama-layers',
      [
        { config: targets, tensors: one, share: 0.7 },
        { config: { ...targets, lora_alpha: 6, use_rslora: true }, tensors: other },
      ],
      async (checkpoint, before) => {
        const base = await valuesOf(before, name);
        const part = (tensors: Tensors) =>
          product(
            tensors[`${layer(1)}.lora_B.weight`] as Floats,
            tensors[`${layer(1)}.lora_A.weight`] as Floats,
          );
        const [first, second] = [part(one), part(other)];
        const expected = [...base].map(
          (value, at) => value + 0.7 * 2 * (first[at] ?? 0) + (6 / Math.SQRT2) * (second[at] ?? 0),
        );
        expect(worst(await valuesOf(checkpoint, name), expected)).toBeLessThan(1e-6);
      },
    );
  });

  it('reach convolutions', async () => {
    const module = 'vision_tower.vision_model.embeddings.patch_embedding';
    const [a, b] = [floats([2, 3, 14, 14], 3), floats([32, 2, 1, 1], 4)];
    await applied(
      'llava-lora',
      [
        {
          config: { target_modules: ['patch_embedding'] },
          tensors: pair(`model.vision_tower.embeddings.patch_embedding`, a, b),
        },
      ],
      async (checkpoint, before) => {
        const base = await valuesOf(before, `${module}.weight`);
        const change = product(b, a);
        const expected = [...base].map((value, at) => value + 2 * (change[at] ?? 0));
        expect(worst(await valuesOf(checkpoint, `${module}.weight`), expected)).toBeLessThan(1e-6);
        expect(checkpoint.tensors.get(`${module}.weight`)?.tensor.shape).toEqual([32, 3, 14, 14]);
      },
    );
  });

  it('scale stored columns under DoRA where weights are stored [in, out]', async () => {
    const modules = [0, 1].map((index) => `transformer.h.${index}.attn.c_attn`);
    const [a, b, magnitude] = [floats([2, 64], 5), floats([192, 2], 6), floats([192], 7)];
    const tensors = Object.assign(
      {},
      ...modules.map((module) => ({
        ...pair(module, a, b),
        [`${module}.lora_magnitude_vector.weight`]: magnitude,
      })),
    );
    const config = { target_modules: ['c_attn'], fan_in_fan_out: true, use_dora: true };
    await applied('gpt2-fan-in-fan-out', [{ config, tensors }], async (checkpoint, before) => {
      const weight = `${modules[1]}.weight`;
      const base = await valuesOf(before, weight);
      const change = product(b, a);
      // [in, out]: the product is [out, in].
      const merged = [...base].map(
        (value, at) => value + 2 * (change[(at % 192) * 64 + Math.floor(at / 192)] ?? 0),
      );
      const lengths = Array.from({ length: 192 }, (_, column) =>
        Math.sqrt(merged.reduce((sum, value, at) => (at % 192 === column ? sum + value * value : sum), 0)),
      );
      const expected = merged.map(
        (value, at) => (value * (magnitude.data[at % 192] ?? 0)) / (lengths[at % 192] ?? 1),
      );
      expect(worst(await valuesOf(checkpoint, weight), expected)).toBeLessThan(1e-6);
    });
  });

  it('replace rows on both sides of a tied table, and only one side otherwise', async () => {
    const rows = floats([2, 64], 8);
    const table = 'model.embed_tokens';
    await applied(
      'llama-embedding-tied',
      [
        {
          config: { ...targets, trainable_token_indices: [7, 3] },
          tensors: { ...whole(), [`${table}.token_adapter.trainable_tokens_delta`]: rows },
        },
      ],
      async (checkpoint, before) => {
        expect(checkpoint.config.tie_word_embeddings).toBe(true);
        expect(checkpoint.tensors.has('lm_head.weight')).toBe(false);
        const [old, now] = [
          await valuesOf(before, `${table}.weight`),
          await valuesOf(checkpoint, `${table}.weight`),
        ];
        expect(now.slice(7 * 64, 8 * 64)).toEqual(rows.data.slice(0, 64));
        expect(now.slice(3 * 64, 4 * 64)).toEqual(rows.data.slice(64));
        expect(now.slice(8 * 64)).toEqual(old.slice(8 * 64));
        expect(now.slice(0, 3 * 64)).toEqual(old.slice(0, 3 * 64));
      },
    );
    const replacement = floats([112, 64], 9);
    await applied(
      'llama-embedding-tied',
      [
        {
          config: { ...targets, modules_to_save: ['embed_tokens'] },
          tensors: { ...whole(), [`${table}.weight`]: replacement },
        },
      ],
      async (checkpoint, before) => {
        expect(checkpoint.config.tie_word_embeddings).toBe(false);
        expect(await valuesOf(checkpoint, `${table}.weight`)).toEqual(replacement.data);
        expect(await valuesOf(checkpoint, 'lm_head.weight')).toEqual(
          await valuesOf(before, `${table}.weight`),
        );
      },
    );
  });

  it('are those of a raw state dict, too', async () => {
    const norm = floats([64], 10);
    const tensors = Object.fromEntries(
      Object.entries(whole()).map(([key, value]) => [key.replace('.weight', '.mine.weight'), value]),
    );
    await applied(
      'llama-layers',
      [
        {
          config: { ...targets, modules_to_save: ['model.norm'] },
          tensors: {
            ...tensors,
            'model.norm.modules_to_save.mine.weight': norm,
            'model.norm.original_module.weight': floats([64], 11),
          },
        },
      ],
      async (checkpoint) => expect(await valuesOf(checkpoint, 'model.norm.weight')).toEqual(norm.data),
    );
  });
});

describe('refusals', () => {
  const q = whole();
  const without = (key: string): Tensors =>
    Object.fromEntries(Object.entries(q).filter(([own]) => own !== key));

  it.each<[string, string, Config, Tensors, number?]>([
    [
      'a layer that is missing in the file',
      'VC1314',
      targets,
      {
        ...pair(layer(0), floats([2, 64], 1), floats([64, 2], 2)),
        ...pair(layer(2), floats([2, 64], 1), floats([64, 2], 2)),
      },
    ],
    ['A without B', 'VC1314', targets, without(`${layer(1)}.lora_B.weight`)],
    ['DoRA without magnitudes', 'VC1314', { ...targets, use_dora: true }, q],
    [
      'magnitudes without DoRA',
      'VC1305',
      targets,
      { ...q, [`${layer(0)}.lora_magnitude_vector`]: floats([64], 1) },
    ],
    ['a module that is no target', 'VC1305', { target_modules: ['v_proj'] }, q],
    ['an excluded module', 'VC1305', { ...targets, exclude_modules: ['layers.1.self_attn.q_proj'] }, q],
    ['a layer that is not to be transformed', 'VC1305', { ...targets, layers_to_transform: [0, 2] }, q],
    ['a key of another kind', 'VC1305', targets, { ...q, [`${layer(0)}.lora_C`]: floats([2], 1) }],
    [
      'two adapters in one file',
      'VC1305',
      targets,
      {
        ...q,
        [`${layer(0)}.lora_A.second.weight`]: floats([2, 64], 1),
        [`${layer(1)}.lora_A.first.weight`]: floats([2, 64], 1),
      },
    ],
    ['a weight that nobody asked to save', 'VC1305', targets, { ...q, 'model.norm.weight': floats([64], 1) }],
    ['a bias under bias none', 'VC1305', targets, { ...q, [`${layer(0)}.base_layer.bias`]: floats([64], 1) }],
    [
      'a bias that the base lacks',
      'VC1310',
      { ...targets, lora_bias: true },
      { ...q, [`${layer(0)}.lora_B.bias`]: floats([64], 1) },
    ],
    ['another rank than the config has', 'VC1308', { ...targets, r: 4 }, q],
    [
      'a rank pattern that does not hold',
      'VC1308',
      { ...targets, rank_pattern: { 'layers.1.self_attn.q_proj': 3 } },
      q,
    ],
    [
      'factors of another width',
      'VC1308',
      targets,
      { ...q, ...pair(layer(1), floats([2, 60], 1), floats([64, 2], 1)) },
    ],
    [
      'a share of whole weights',
      'VC1312',
      { ...targets, modules_to_save: ['norm'] },
      { ...q, 'model.norm.weight': floats([64], 1) },
      0.5,
    ],
    [
      'a saved weight of another shape',
      'VC1308',
      { ...targets, modules_to_save: ['embed_tokens'] },
      { ...q, 'model.embed_tokens.weight': floats([113, 64], 1) },
    ],
    [
      'rows outside the table',
      'VC1308',
      { ...targets, trainable_token_indices: [112] },
      { ...q, 'model.embed_tokens.token_adapter.trainable_tokens_delta': floats([1, 64], 1) },
    ],
    [
      'rows that no index places',
      'VC1305',
      targets,
      { ...q, 'model.embed_tokens.token_adapter.trainable_tokens_delta': floats([1, 64], 1) },
    ],
    ['a pattern that is none', 'VC1309', { target_modules: '(q_proj' }, q],
    ['a pattern with back references', 'VC1309', { target_modules: '(.)\\1' }, q],
    ['another method', 'VC1303', { ...targets, peft_type: 'IA3' }, q],
    ['weights of parameters', 'VC1303', { ...targets, target_parameters: ['experts.gate_up_proj'] }, q],
    [
      'replicated layers',
      'VC1303',
      {
        ...targets,
        layer_replication: [
          [0, 2],
          [1, 3],
        ],
      },
      q,
    ],
    ['activated LoRA', 'VC1303', { ...targets, alora_invocation_tokens: [1] }, q],
    ['QA-LoRA', 'VC1303', { ...targets, use_qalora: true }, q],
    ['an option of the future', 'VC1303', { ...targets, use_quantum_lora: true }, q],
    ['an unknown initialisation', 'VC1303', { ...targets, init_lora_weights: 'magic' }, q],
    ...['pissa', 'pissa_niter_16', 'olora', 'corda', 'loftq', 'lora_ga'].map(
      (kind): [string, string, Config, Tensors] => [
        `${kind} without conversion`,
        'VC1304',
        { ...targets, init_lora_weights: kind },
        q,
      ],
    ),
  ])('refuses %s', async (_, code, config, tensors, share = 1) => {
    const error = await applied('llama-layers', [{ config, tensors, share }], async () => undefined).catch(
      (cause: unknown) => cause,
    );
    expect(error).toBeInstanceOf(VlmError);
    expect((error as VlmError).code).toBe(code);
  });

  it('lets options through that are not set, and those that change nothing', async () => {
    const config = {
      ...targets,
      use_qalora: false,
      alora_invocation_tokens: null,
      layers_pattern: [],
      eva_config: {},
      lora_dropout: 0.1,
      use_quantum_lora: null,
      init_lora_weights: 'gaussian',
    };
    await applied('llama-layers', [{ config, tensors: q }], async (checkpoint) =>
      expect(checkpoint.tensors.get(name)?.tensor.origin.kind).toBe('derived'),
    );
  });

  it('says what a folder lacks', async () => {
    const open = (folder: string) =>
      openAdapter(folder).then(
        (adapter) => adapter.close().then(() => 'opened'),
        (error: VlmError) => error.code,
      );
    const folder = await writeAdapter(join(root, 'folder'), targets, q);
    expect(await open(folder)).toBe('opened');
    await writeFile(join(folder, 'adapter_config.json'), '{');
    expect(await open(folder)).toBe('VC1302');
    await writeFile(join(folder, 'adapter_config.json'), '[]');
    expect(await open(folder)).toBe('VC1302');
    await rm(join(folder, 'adapter_config.json'));
    expect(await open(folder)).toBe('VC1301');
    const pickled = await writeAdapter(join(root, 'pickled'), targets, q);
    await rm(join(pickled, 'adapter_model.safetensors'));
    expect(await open(pickled)).toBe('VC1301');
    await writeFile(join(pickled, 'adapter_model.bin'), 'x');
    expect(await open(pickled)).toBe('VC1131');
  });
});
