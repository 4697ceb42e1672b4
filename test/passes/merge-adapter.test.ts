/**
 * PEFT adapters merged into exported graphs, against what PyTorch computes with the adapter beside its base. The graphs
 * are exports of the base alone, by either exporter of torch, inside a wrapper that the adapter does not know.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openAdapter } from '../../src/formats/checkpoint/adapters/open-adapter.ts';
import type { Model } from '../../src/graph/model.ts';
import { verifyModel } from '../../src/graph/verify.ts';
import { type MergedWeight, mergeAdapterIntoGraph } from '../../src/passes/merge-adapter/merge-adapter.ts';
import { fixtures } from '../golden-folders.ts';
import { withModel } from '../graph/onnx-cases.ts';
import { deviation } from '../support/deviation.ts';
import { readIo } from '../support/read-io.ts';
import { runModel } from '../support/run-model.ts';

const root = process.env.LORA ?? join(fixtures, 'onnx-lora');

async function merged(
  name: string,
  use: (model: Model, weights: readonly MergedWeight[]) => Promise<void> | void,
): Promise<void> {
  const adapter = await openAdapter(join(root, name, 'adapter'));
  try {
    await withModel(join(root, name, 'model.onnx'), async (model) => {
      await use(model, mergeAdapterIntoGraph(model, { adapter, share: 1 }));
    });
  } finally {
    await adapter.close();
  }
}

describe('an adapter in an exported graph', () => {
  it.each(readdirSync(root))('%s', async (name) => {
    const io = await readIo(join(root, name, 'io.safetensors'));
    await merged(name, async (model) => {
      verifyModel(model);
      const [input] = [...io.tensors.keys()].flatMap((key) => /^in\.(.*)$/.exec(key)?.[1] ?? []);
      const outputs = await runModel(model, { [`${input}`]: io.get(`in.${input}`) });
      const data = outputs.get('out')?.data as Float32Array;
      expect(deviation(data, io.float32('merged.out'))).toBeLessThan(1e-4);
      // The base is far away: an adapter that is left out cannot pass.
      expect(deviation(io.float32('base.out'), io.float32('merged.out'))).toBeGreaterThan(0.5);
    });
  });
});
