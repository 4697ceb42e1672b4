/** What a conversion says of its adapters: how far weights move, what float16 leaves of it, and what it refuses. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { writeSafetensors } from '../../src/formats/safetensors/write.ts';
import { type ConvertOptions, convert, type Manifest, type VlmError } from '../../src/index.ts';
import { cast } from '../../src/tensor/derived/cast.ts';
import { inlineTensor, readAll } from '../../src/tensor/tensor.ts';
import { peftCase } from '../support/peft-cases.ts';
import { type Floats, floats, writeAdapter } from '../support/write-adapter.ts';

let root: string;
let count = 0;
const golden = peftCase('llama-layers');
const module = (layer: number): string => `model.layers.${layer}.self_attn.q_proj`;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vlm-measure-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** An adapter on every q_proj: A and B times `size`. */
async function adapter(size: number, change: (tensors: Record<string, Floats>) => void = () => {}) {
  const tensors: Record<string, Floats> = {};
  for (const layer of [0, 1, 2]) {
    const scaled = (shape: readonly number[], seed: number): Floats => {
      const { data } = floats(shape, seed);
      return { shape, data: data.map((value) => value * size) };
    };
    tensors[`${module(layer)}.lora_A.weight`] = scaled([2, 64], layer + 1);
    tensors[`${module(layer)}.lora_B.weight`] = scaled([64, 2], layer + 11);
  }
  change(tensors);
  count += 1;
  const path = await writeAdapter(join(root, `adapter${count}`), { target_modules: ['q_proj'] }, tensors);
  return [{ path, share: 1 }];
}

const run = (options: Partial<ConvertOptions>) => {
  count += 1;
  return convert({
    checkpoint: golden.checkpoint,
    output: join(root, `out${count}`),
    parity: false,
    ...options,
  });
};

it('measures every weight that is changed, and writes it into the manifest', async () => {
  const result = await run({ adapter: await adapter(0.1) });
  const manifest = JSON.parse(await readFile(join(result.output, 'vlm-convert.json'), 'utf8')) as Manifest;
  const [record] = manifest.adapters ?? [];
  expect(record).toMatchObject({ share: 1, tensors: 6 });
  expect(record?.changes.map(({ tensor }) => tensor)).toEqual(
    [0, 1, 2].map((layer) => `${module(layer)}.weight`),
  );
  // By hand: 4 / 2 · B · A.
  const base = await openCheckpoint(golden.checkpoint);
  try {
    const stored = base.tensors.get(`${module(1)}.weight`)?.tensor;
    if (stored === undefined) throw new Error('no weight');
    const weight = new Float32Array((await readAll(cast(stored, 'float32'))).slice().buffer);
    const [a, b] = [floats([2, 64], 2).data, floats([64, 2], 12).data];
    let change = 0;
    for (let row = 0; row < 64; row++) {
      for (let column = 0; column < 64; column++) {
        const sum = (b[row * 2] ?? 0) * (a[column] ?? 0) + (b[row * 2 + 1] ?? 0) * (a[64 + column] ?? 0);
        change += (2 * 0.01 * sum) ** 2;
      }
    }
    const expected = Math.sqrt(change / weight.reduce((sum, value) => sum + value * value, 0));
    expect(record?.changes[1]?.change).toBeCloseTo(expected, 6);
  } finally {
    await base.close();
  }
});

it('warns where float16 takes changes back, with the share that is left', async () => {
  // Weights in bfloat16 lie on the coarser grid: a change below half a step of float16 rounds away.
  const adapters = await adapter(2e-3);
  const { plan } = await run({ adapter: adapters, precision: 'fp16' });
  const [warning] = plan.warnings.filter(({ code }) => code === 'VC1320');
  expect(warning?.found).toMatch(/^3 of 3 weights keep less than half .* keeps \d+ %$/);
  const kept = plan.adapters?.[0]?.changes.map((change) => change.kept ?? Number.NaN) ?? [];
  expect(Math.max(...kept)).toBeLessThan(0.5);
  // In float32, and apart from the weights, nothing is lost.
  for (const options of [{}, { precision: 'fp16', lora: 'factored' }] as const) {
    const other = await run({ adapter: adapters, ...options });
    expect(other.plan.warnings).toEqual([]);
    expect(other.plan.adapters?.[0]?.changes[0]?.change).toBeGreaterThan(0);
  }
  const large = await run({ adapter: await adapter(0.3), precision: 'fp16' });
  expect(large.plan.warnings).toEqual([]);
  expect(large.plan.adapters?.[0]?.changes[0]?.kept).toBeCloseTo(1, 2);
});

it('warns of an adapter that changes nothing, which --strict refuses', async () => {
  const zero = await adapter(1, (tensors) => {
    for (const [key, { data }] of Object.entries(tensors)) if (key.includes('lora_B')) data.fill(0);
  });
  const { plan } = await run({ adapter: zero });
  expect(plan.warnings.map(({ code }) => code)).toEqual(['VC1321']);
  const refused = await run({ adapter: zero, strict: true }).catch((error: VlmError) => error);
  expect((refused as VlmError).code).toBe('VC4007');
});

it.each<[string, (tensors: Record<string, Floats>) => void]>([
  [
    'holds a value that is not finite',
    (tensors) => {
      const { data } = tensors[`${module(2)}.lora_B.weight`] ?? { data: new Float32Array(0) };
      data[5] = Number.NaN;
    },
  ],
  [
    'gives one though all of its own are',
    (tensors) => {
      for (const { data } of Object.values(tensors)) data.fill(1e30);
    },
  ],
])('refuses an adapter that %s, also where such weights are kept', async (_, change) => {
  const adapters = await adapter(1, change);
  for (const allowNonfinite of [false, true]) {
    const error = await run({ adapter: adapters, allowNonfinite }).catch((cause: VlmError) => cause);
    expect((error as VlmError).code).toBe('VC1311');
  }
});

it('looks at bands of a large weight, and says at how many rows', async () => {
  const folder = join(root, 'wide');
  await cp(golden.checkpoint, folder, { recursive: true });
  const base = await openCheckpoint(golden.checkpoint);
  try {
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
    const rows = 40000;
    const table = (seed: number) => {
      const { data } = floats([rows, 64], seed);
      return inlineTensor('float32', [rows, 64], new Uint8Array(data.buffer));
    };
    const tensors = new Map([...base.tensors].map(([name, { tensor }]) => [name, tensor]));
    tensors.set('model.embed_tokens.weight', table(1));
    tensors.set('lm_head.weight', table(2));
    await writeSafetensors(join(folder, 'model.safetensors'), tensors);
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, vocab_size: rows }));
  } finally {
    await base.close();
  }
  count += 1;
  const path = await writeAdapter(
    join(root, `adapter${count}`),
    { target_modules: ['lm_head'] },
    { 'lm_head.lora_A.weight': floats([2, 64], 3), 'lm_head.lora_B.weight': floats([40000, 2], 4) },
  );
  const { plan } = await run({ checkpoint: folder, adapter: [{ path, share: 1 }] });
  const [change] = plan.adapters?.[0]?.changes ?? [];
  expect(change?.sampled).toEqual({ rows: 4096, of: 40000 });
  // ‖B · A‖² over all rows, from the products of their columns and rows; a sample of 4096 is within some hundredths.
  const [a, b] = [floats([2, 64], 3).data, floats([40000, 2], 4).data];
  const dot = (at: (index: number) => number, length: number): number =>
    Array.from({ length }, (_, index) => at(index)).reduce((sum, value) => sum + value, 0);
  let square = 0;
  for (const i of [0, 1]) {
    for (const j of [0, 1]) {
      const rowsOfA = dot((k) => (a[i * 64 + k] ?? 0) * (a[j * 64 + k] ?? 0), 64);
      square += rowsOfA * dot((k) => (b[k * 2 + i] ?? 0) * (b[k * 2 + j] ?? 0), 40000);
    }
  }
  const weights = floats([40000, 64], 2).data.reduce((sum, value) => sum + value * value, 0);
  const expected = Math.sqrt((4 * square) / weights);
  expect(Math.abs((change?.change ?? 0) / expected - 1)).toBeLessThan(0.03);
});
