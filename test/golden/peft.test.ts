/**
 * Recorded PEFT adapters through the whole conversion: what is written gives PEFT's logits, merged and factored, and
 * passes every gate at every precision.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findArchitecture } from '../../src/architectures/registry.ts';
import { type ConvertOptions, type ConvertResult, convert } from '../../src/index.ts';
import { type PeftCase, peftCases, withAdapted } from '../support/peft-cases.ts';
import { peftDeviations } from '../support/run-peft.ts';
import { failedGates } from './convert-case.ts';

const limit = 1e-4;

describe.each(peftCases)('$name', (golden) => {
  it.each(['merge', 'factored'] as const)('in fp32, %s', async (lora) => {
    await withConverted(golden, { lora }, async (result, output) => {
      expect(failedGates(result)).toEqual([]);
      await withAdapted(golden, async (checkpoint) => {
        const { components, recipe } = findArchitecture(
          checkpoint.config,
          new Set(checkpoint.tensors.keys()),
        ).build(checkpoint, { tiling: 'fit', loraTiles: 'error' });
        const files = components.map(({ id, fileName }) => [id, join(output, 'onnx', `${fileName}.onnx`)]);
        const { peft, base } = await peftDeviations(golden, recipe, Object.fromEntries(files));
        expect(peft).toBeLessThanOrEqual(limit);
        expect(base).toBeGreaterThan(100 * limit);
      });
    });
  });

  it.each(['fp16', 'int8', 'int4'] as const)('passes every gate in %s', async (precision) => {
    await withConverted(golden, { precision }, async (result) => {
      expect(failedGates(result)).toEqual([]);
    });
  });
});

async function withConverted(
  { checkpoint, adapter }: PeftCase,
  options: Omit<ConvertOptions, 'checkpoint' | 'output'>,
  body: (result: ConvertResult, output: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vlm-peft-'));
  try {
    const output = join(folder, 'out');
    const adapters = [{ path: adapter, share: 1 }];
    await body(await convert({ checkpoint, adapter: adapters, output, ...options }), output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
