/** MiniGPT-v2's own factors as inputs of the decoder: those of the checkpoint, and others that leave the base as it is. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { convert } from '../../src/index.ts';
import { readInputs } from '../../src/pipeline/read-inputs.ts';
import { openSession } from '../../src/runtime/session.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../../src/runtime/values.ts';
import { deviation } from '../support/deviation.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';
import { failedGates } from './convert-case.ts';

it('runs with the factors of the checkpoint as inputs, and without', async () => {
  const golden = goldenCase('minigpt-v2/tiny');
  const folder = await mkdtemp(join(tmpdir(), 'vlm-minigpt-'));
  try {
    const output = join(folder, 'out');
    const result = await convert({ checkpoint: golden.checkpoint, output, lora: 'runtime' });
    expect(failedGates(result)).toEqual([]);
    const factors = await readInputs(join(output, 'adapter.safetensors'));
    const modules = [0, 1].flatMap((layer) =>
      ['q_proj', 'v_proj'].map((name) => `lora.language_model.model.layers.${layer}.self_attn.${name}`),
    );
    const names = modules.flatMap((module) => ['A', 'B', 'scale'].map((part) => `${module}.${part}`));
    expect([...factors.keys()].sort()).toEqual(names.sort());

    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const embeds = io.get('mid.inputs_embeds');
    const [, tokens = 0] = embeds.shape;
    const decoder = await openSession(join(output, 'onnx/decoder_model_merged.onnx'), { device: 'cpu' });
    const off = async (adapter: ReadonlyMap<string, RunTensor>): Promise<number> => {
      const mask = int64Value(
        [1, tokens],
        Array.from({ length: tokens }, () => 1),
      );
      const empty = float32Value([1, 3, 0, 32], new Float32Array(0));
      const past = [0, 1].flatMap((layer) =>
        ['key', 'value'].map((part) => [`past_key_values.${layer}.${part}`, empty] as const),
      );
      const feeds = new Map([['inputs_embeds', embeds], ['attention_mask', mask], ...past, ...adapter]);
      const logits = (await decoder.run(feeds)).get('logits');
      return logits === undefined ? Number.NaN : deviation(toFloat32(logits), io.float32('out.logits'));
    };
    try {
      expect(await off(factors)).toBeLessThan(1e-4);
      const silent = [...factors].map(([name, tensor]): [string, RunTensor] => [
        name,
        name.endsWith('.scale') ? float32Value([1, 1, 1], Float32Array.of(0)) : tensor,
      ]);
      expect(await off(new Map(silent))).toBeGreaterThan(0.1);
    } finally {
      await decoder.release();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
