import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InspectedCheckpoint, InspectedOnnx, InspectedSafetensors } from '../../src/index.ts';
import { fixtures } from '../golden-folders.ts';
import { runMain } from './run-main.ts';

let root = '';
beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'vlm-inspect-')));
});
afterAll(() => rmSync(root, { recursive: true }));

const monkey = join(fixtures, 'monkey/tiny-896/checkpoint');

async function inspectJson<T>(path: string): Promise<T & { ok: boolean }> {
  const ran = await runMain(['inspect', path, '--json']);
  expect(ran.err).toBe('');
  return JSON.parse(ran.out) as T & { ok: boolean };
}

describe('inspect', () => {
  it('knows a checkpoint: tensors, bytes, components', async () => {
    const found = await inspectJson<InspectedCheckpoint>(monkey);
    expect(found).toMatchObject({ ok: true, kind: 'checkpoint', architecture: 'monkey', unusedTensors: [] });
    expect(found.tensors).toHaveLength(181);
    expect(found.tensors).toContainEqual({
      name: 'transformer.wte.weight',
      dtype: 'bfloat16',
      shape: [504, 128],
      bytes: 504 * 128 * 2,
      file: 'model.safetensors',
    });
    const bytes = found.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
    expect(found.dtypes).toEqual([{ dtype: 'bfloat16', tensors: 181, bytes }]);
    expect(found.components.map(({ id }) => id)).toEqual(['vision', 'embed', 'decoder']);
    expect(found.components[0]?.outputs).toEqual(['image_features float32[batch_size,80,128]']);
    expect(found.config.model_type).toBe('monkey');
  });

  it('takes the current folder when nothing is named', async () => {
    const ran = await runMain(['inspect', '--json'], { cwd: monkey });
    expect(JSON.parse(ran.out)).toMatchObject({ kind: 'checkpoint', architecture: 'monkey' });
  });

  it('knows the files of a sharded checkpoint', async () => {
    const found = await inspectJson<InspectedCheckpoint>(
      join(fixtures, 'monkey/chat-f16-sharded/checkpoint'),
    );
    expect(new Set(found.tensors.map(({ file }) => file)).size).toBe(3);
  });

  it('knows a safetensors file', async () => {
    const found = await inspectJson<InspectedSafetensors>(join(monkey, 'model.safetensors'));
    expect(found).toMatchObject({ kind: 'safetensors', name: 'model.safetensors' });
    expect(found.tensors).toHaveLength(181);
  });

  it('knows the graphs that a conversion writes', async () => {
    const out = join(root, 'out');
    expect((await runMain([monkey, out, '--no-parity', '--precision', 'int4'])).code).toBe(0);
    const found = await inspectJson<InspectedOnnx>(join(out, 'onnx/decoder_model_merged.onnx'));
    expect(found).toMatchObject({ ok: true, kind: 'onnx', problems: [] });
    expect(found.operators).toMatchObject({
      'com.microsoft::MultiHeadAttention': 2,
      'com.microsoft::MatMulNBits': 11,
    });
    expect(found.outputs[0]).toBe('logits float32[batch_size,sequence_length,504]');
  });

  it('prints layers that are alike in one line', async () => {
    const { out, code } = await runMain(['inspect', monkey]);
    expect(code).toBe(0);
    expect(out).toMatch(/transformer\.h\.\*\.attn\.c_attn\.weight +bfloat16 +\[384,128\] +x2 +192\.0 KiB/);
    expect(out).toMatch(/vision \(image encoder, \d+ nodes\)/);
    expect(out.split('\n').length).toBeLessThan(150);
  });

  it('refuses what it does not know', async () => {
    for (const path of [join(root, 'nothing'), join(fixtures, 'monkey/tiny-896/case.json')]) {
      const ran = await runMain(['inspect', path]);
      expect(ran.code).toBe(4);
      expect(ran.err).toContain('error VC4008');
    }
  });
});
