/**
 * A PEFT adapter that merge-lora merges with a wrong scale: exit code 2 at int4, and a finding that names the weight. The
 * same in language models alone, and in those that hear and draw.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { runMain } from '../../cli/run-main.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { peftCase } from '../../support/peft-cases.ts';
import { floats, writeAdapter } from '../../support/write-adapter.ts';

/** `faulty`: which update is wrong, counted from 1 on; 0: none. */
const planted = vi.hoisted(() => ({ faulty: 0, updates: 0 }));

vi.mock('../../../src/tensor/derived/low-rank-update.ts', async (original) => {
  const real = await original<typeof import('../../../src/tensor/derived/low-rank-update.ts')>();
  const { inlineTensor } = await import('../../../src/tensor/tensor.ts');
  const lowRankUpdate: typeof real.lowRankUpdate = (base, updates) => {
    planted.updates += 1;
    if (planted.updates !== planted.faulty) return real.lowRankUpdate(base, updates);
    const bytes = new Uint8Array(Float32Array.of(1.05).buffer);
    return real.lowRankUpdate(
      base,
      updates.map((update) => ({ ...update, scale: inlineTensor('float32', update.scale.shape, bytes) })),
    );
  };
  return { ...real, lowRankUpdate };
});

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-peft-faults-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Adapted {
  readonly name: string;
  readonly checkpoint: string;
  readonly adapter: () => Promise<string>;
  /** So many weights it changes, each first where it is applied to the checkpoint, then where it is merged. */
  readonly weights: number;
  /** The second of them. */
  readonly weight: string;
}

/** An adapter of rank 2, with a scale of 1, of the first two query projections. */
function ofQueries(name: string, layers: string): Adapted {
  const modules = [0, 1].map((layer) => `${layers}.${layer}.self_attn.q_proj`);
  return {
    name,
    checkpoint: goldenCase(name).checkpoint,
    adapter: () =>
      writeAdapter(
        join(folder, 'adapter', name),
        { target_modules: ['q_proj'], lora_alpha: 2 },
        Object.fromEntries(
          modules.flatMap((module, at) => [
            [`${module}.lora_A.weight`, floats([2, 64], 1 + at)],
            [`${module}.lora_B.weight`, floats([64, 2], 11 + at)],
          ]),
        ),
      ),
    weights: 2,
    weight: `${layers}.1.self_attn.q_proj.weight`,
  };
}

const llama = peftCase('llama-layers');

const adapted: readonly Adapted[] = [
  {
    name: llama.name,
    checkpoint: llama.checkpoint,
    adapter: async () => llama.adapter,
    weights: 4,
    weight: 'model.layers.1.self_attn.q_proj.weight',
  },
  ofQueries('qwen2-audio/tiny', 'language_model.model.layers'),
  ofQueries('janus/tiny-hf', 'model.language_model.layers'),
];

describe.each(adapted)('$name', ({ name, checkpoint, adapter, weights, weight }) => {
  it.each([false, true])('is found out (planted: %s)', async (wrong) => {
    planted.faulty = wrong ? weights + 2 : 0;
    planted.updates = 0;
    const output = join(folder, name, String(wrong));
    await mkdir(join(folder, name), { recursive: true });
    const argv = [checkpoint, output, '--adapter', await adapter(), '--precision', 'int4', '--jobs', '1'];
    const ran = await runMain(argv);
    const report = JSON.parse(await readFile(join(output, 'parity-report.json'), 'utf8')) as ParityReport;
    if (!wrong) {
      expect([ran.code, report.findings]).toEqual([0, []]);
      return;
    }
    expect(ran.code).toBe(2);
    expect(report.findings).toMatchObject([
      {
        level: 'rewrite',
        component: 'decoder',
        kind: 'adapter',
        tensors: [{ name: `${weight}@lora`, what: 'its adapter is 1.05 times what it should be' }],
      },
    ]);
  });
});
