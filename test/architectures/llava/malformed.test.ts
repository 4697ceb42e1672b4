/** Recorded checkpoints with something wrong in config or tensors: each refused with its code, naming the place. */
import { describe, expect, it } from 'vitest';
import { findArchitecture } from '../../../src/architectures/registry.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import { malformedCases } from '../../golden-folders.ts';

const q = 'language_model.model.layers.0.self_attn.q_proj.weight';

/** Code, part of `where`, part of `found`, part of `expected`. */
const refusals: Readonly<Record<string, readonly [string, string, string, string]>> = {
  'config-empty-object': ['VC1201', 'model_type', 'nothing', '"llava"'],
  'config-no-model-type': ['VC1201', 'model_type', 'nothing', '"llava"'],
  'config-unknown-model-type': ['VC1231', 'model_type', '"llavaa"', '"llava"'],
  'config-hidden-0': ['VC1203', 'text_config.hidden_size', '0', 'from 1'],
  'config-hidden-string': ['VC1202', 'text_config.hidden_size', '"16"', 'an integer'],
  'config-hidden-not-the-weights': ['VC1222', 'linear_1.weight', '[16, 16]', '[32, 16]'],
  'config-layers-1e12': ['VC1203', 'text_config.num_hidden_layers', '1000000000000', 'to 4096'],
  'config-layers-more-than-weights': ['VC1221', 'layers.1.input_layernorm', 'layers.0.', '[16]'],
  'config-heads-not-dividing': ['VC1204', 'text_config.num_attention_heads', '16 and 5', 'divide'],
  'config-heads-0': ['VC1203', 'text_config.num_attention_heads', '0', 'from 1'],
  'config-kv-heads-not-dividing': ['VC1204', 'text_config.num_key_value_heads', '4 and 3', 'divide'],
  'config-patch-0': ['VC1203', 'vision_config.patch_size', '0', 'from 1'],
  'config-no-vision-config': ['VC1201', 'vision_config', 'null', 'an object'],
  'config-feature-layer-out-of-range': ['VC1203', 'vision_feature_layer', '-9', 'from -3 to 2'],
  'config-act-unknown': ['VC1203', 'vision_config.hidden_act', 'gelu_fast_exact', 'quick_gelu'],
  'config-rope-0': ['VC1203', 'text_config.rope_theta', '0', 'above 0'],
  'weights-tensor-missing': ['VC1221', q, 'k_proj', '[16, 16]'],
  'weights-tensor-shape': ['VC1222', q, '[8, 16]', '[16, 16]'],
  'weights-tensor-integer': ['VC1223', q, 'int64', 'float32'],
};

/** These are refused before an architecture sees them. */
const unopened = /^(index-|config-(broken|empty|missing)$|weights-missing)/;

const cases = malformedCases('checkpoint/')
  .map((entry) => ({ ...entry, id: entry.name.replace('checkpoint/', '') }))
  .filter(({ id }) => !unopened.test(id));

async function build(path: string): Promise<number> {
  const checkpoint = await openCheckpoint(path);
  try {
    const architecture = findArchitecture(checkpoint.config, new Set(checkpoint.tensors.keys()));
    const built = architecture.build(checkpoint, { tiling: 'fit', loraTiles: 'nearest' });
    return built.components.length;
  } finally {
    await checkpoint.close();
  }
}

describe.each(cases)('$id: $wrong', ({ id, path, must }) => {
  const refusal = refusals[id];
  if (must === 'accept') {
    it('builds', async () => {
      expect(await build(path)).toBe(3);
    });
    return;
  }
  it('is refused', async () => {
    const error = await build(path).catch((cause: unknown) => cause);
    if (!(error instanceof VlmError)) throw new Error(`no VlmError: ${String(error)}`);
    const [code, where, found, expected] = refusal ?? [];
    expect(error.code).toBe(code);
    expect(error.exitCode).toBe(4);
    expect(error.record.where).toContain(where);
    expect(error.record.found).toContain(found);
    expect(error.record.expected).toContain(expected);
    if (id === 'config-unknown-model-type') expect(error.record.hint).toBe('did you mean "llava"?');
  });
});

it('has a case of every refusal, and the controls', () => {
  const ids = new Set(cases.map(({ id }) => id));
  expect([...ids].sort()).toEqual([...Object.keys(refusals), 'control', 'control-sharded'].sort());
});
