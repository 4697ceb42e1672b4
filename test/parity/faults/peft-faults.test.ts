/** A PEFT adapter that merge-lora merges with a wrong scale: exit code 2 at int4, and a finding that names the weight. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { runMain } from '../../cli/run-main.ts';
import { peftCase } from '../../support/peft-cases.ts';

const planted = vi.hoisted(() => ({ wrong: false, updates: 0 }));

/** The adapter changes four weights: first where it is applied to the checkpoint, then where it is merged. */
const faultyUpdate = 4 + 2;

vi.mock('../../../src/tensor/derived/low-rank-update.ts', async (original) => {
  const real = await original<typeof import('../../../src/tensor/derived/low-rank-update.ts')>();
  const { inlineTensor } = await import('../../../src/tensor/tensor.ts');
  const lowRankUpdate: typeof real.lowRankUpdate = (base, updates) => {
    planted.updates += 1;
    if (!planted.wrong || planted.updates !== faultyUpdate) return real.lowRankUpdate(base, updates);
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

it.each([false, true])('is found out (planted: %s)', async (wrong) => {
  planted.wrong = wrong;
  planted.updates = 0;
  const { checkpoint, adapter } = peftCase('llama-layers');
  const output = join(folder, String(wrong));
  const ran = await runMain([checkpoint, output, '--adapter', adapter, '--precision', 'int4', '--jobs', '1']);
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
      tensors: [
        {
          name: 'model.layers.1.self_attn.q_proj.weight@lora',
          what: 'its adapter is 1.05 times what it should be',
        },
      ],
    },
  ]);
});
