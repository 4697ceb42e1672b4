import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type InspectedCheckpoint,
  type InspectedOnnx,
  type InspectedSafetensors,
  type Manifest,
  optimizePasses,
} from '../../src/index.ts';
import { meanings } from '../../src/passes/census.ts';
import { fixtures, malformedCases } from '../golden-folders.ts';
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
      join(fixtures, 'qwen2-vl/tiny-two-images/checkpoint'),
    );
    expect(new Set(found.tensors.map(({ file }) => file)).size).toBe(2);
  });

  it('knows a safetensors file', async () => {
    const found = await inspectJson<InspectedSafetensors>(join(monkey, 'model.safetensors'));
    expect(found).toMatchObject({ kind: 'safetensors', name: 'model.safetensors' });
    expect(found.tensors).toHaveLength(181);
  });

  it('knows the graphs that a conversion writes', async () => {
    const out = join(root, 'out');
    expect((await runMain([monkey, out, '--no-parity', '--precision', 'int4'])).code).toBe(0);
    const { components } = JSON.parse(readFileSync(join(out, 'vlm-convert.json'), 'utf8')) as Manifest;
    expect(components?.map(({ id, holds }) => [id, ...holds])).toEqual([
      ['vision', { kind: 'encoder', modality: 'image' }, { kind: 'projector', modality: 'image' }],
      ['embed', { kind: 'embed', modality: 'text' }],
      ['decoder', { kind: 'decoder', modality: 'text' }],
    ]);
    const found = await inspectJson<InspectedOnnx>(join(out, 'onnx/decoder_model_merged.onnx'));
    expect(found).toMatchObject({ ok: true, kind: 'onnx', problems: [] });
    expect(found.operators).toMatchObject({
      'com.microsoft::MultiHeadAttention': { nodes: 2, bytes: 0 },
      'com.microsoft::MatMulNBits': { nodes: 11 },
    });
    expect(found.outputs[0]).toBe('logits float32[batch_size,sequence_length,504]');
  });

  it('prints layers that are alike in one line', async () => {
    const { out, code } = await runMain(['inspect', monkey]);
    expect(code).toBe(0);
    expect(out).toMatch(/transformer\.h\.\*\.attn\.c_attn\.weight +bfloat16 +\[384,128\] +x2 +192\.0 KiB/);
    expect(out).toMatch(/vision \(image encoder \+ projector, \d+ nodes\)/);
    expect(out.split('\n').length).toBeLessThan(220);
  });

  it('refuses what it does not know', async () => {
    for (const path of [join(root, 'nothing'), join(fixtures, 'monkey/tiny-896/case.json')]) {
      const ran = await runMain(['inspect', path]);
      expect(ran.code).toBe(4);
      expect(ran.err).toContain('error VC4008');
    }
  });

  const bert = join(fixtures, 'onnx-import/bert-ts14-eager-mask/model.onnx');

  it('knows what an exported graph means, and what the passes find in it', async () => {
    const found = await inspectJson<InspectedOnnx>(bert);
    const { expected } = JSON.parse(readFileSync(join(dirname(bert), 'case.json'), 'utf8')) as {
      expected: Record<string, number>;
    };
    for (const meaning of meanings) {
      expect(found.meanings[meaning]?.optimized ?? 0, meaning).toBe(expected[meaning] ?? 0);
    }
    expect(found.meanings.attention_blocks?.found).toBe(0);
    const nodes = Object.values(found.operators).reduce((sum, operator) => sum + operator.nodes, 0);
    expect(nodes).toBe(found.nodes);
    // Every weight is read by some operator, and counts once.
    const bytes = Object.values(found.operators).reduce((sum, operator) => sum + operator.bytes, 0);
    expect(bytes).toBe(found.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0));
    expect(found.weights).toEqual(found.dtypes);
    const ids = ['input_ids', 'attention_mask', 'token_type_ids'];
    expect(found.shapes.symbols).toEqual({
      batch: ids.map((name) => `${name}[0]`),
      seq: ids.map((name) => `${name}[1]`),
    });
    expect(found.passes.map(({ name }) => name)).toEqual(optimizePasses.split(','));
    expect(found.passes.at(-1)?.nodes).toBeLessThan(found.nodes / 2);
    const attention = found.passes.find(({ name }) => name === 'fuse-attention');
    expect(attention?.stats.attention).toBe(expected.attention_blocks);
  });

  it('says the same of the components of a checkpoint', async () => {
    const { components } = await inspectJson<InspectedCheckpoint>(monkey);
    const [vision, embed, decoder] = components;
    expect(vision?.meanings.attention_blocks?.optimized).toBeGreaterThan(0);
    expect(decoder?.meanings.rms_norm).toMatchObject({ optimized: 5 });
    expect(embed?.operators).toEqual({ Gather: { nodes: 1, bytes: 504 * 128 * 4 } });
    expect(decoder?.weights[0]?.dtype).toBe('float32');
  });

  it('prints the graph, and nothing else', async () => {
    const { out, err, code } = await runMain(['inspect', bert, '--graph']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^model ai\.onnx 14\ngraph \S+ \{\n/);
    expect(out).toMatch(/\}\n$/);
    const found = await runMain(['inspect', bert, '--graph', '--json']);
    expect(Object.values((JSON.parse(found.out) as InspectedOnnx).graphs ?? {})).toEqual([out]);
    const both = await runMain(['inspect', monkey, '--graph']);
    expect([...both.out.matchAll(/^# (\w+)$/gm)].map(([, id]) => id)).toEqual(['vision', 'embed', 'decoder']);
  });

  it('draws what is around a node of any component, and names the nearest where there is none', async () => {
    const { out, code } = await runMain(['inspect', monkey, '--around', 'logits', '--depth', '1']);
    expect(code).toBe(0);
    expect(out).toMatch(/^flowchart TD\n {2}n0\["MatMul<br\/>/);
    const node = /<br\/>([^"]+)"\]/.exec(out)?.[1] ?? '';
    expect((await runMain(['inspect', monkey, '--around', node, '--depth', '1'])).out).toBe(out);
    const missing = await runMain(['inspect', monkey, '--around', `${node}x`]);
    expect(missing.code).toBe(3);
    expect(missing.err).toContain('error VC4020');
    expect(missing.err).toContain(node);
  });

  it('says what is wrong with a graph beside what can be said of it', async () => {
    const wrong = malformedCases('onnx/').find(({ name }) => name === 'onnx/graph-shape-mismatch.onnx');
    const ran = await runMain(['inspect', wrong?.path ?? '', '--json']);
    expect(ran.code).toBe(4);
    const found = JSON.parse(ran.out) as InspectedOnnx;
    expect(found.problems.map(({ code }) => code)).toEqual(['VC3101']);
    expect(found.passes).toEqual([]);
    expect(Object.keys(found.operators)).not.toEqual([]);
  });
});
