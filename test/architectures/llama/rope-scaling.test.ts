/** Scaled rotary frequencies: the numbers that numpy gives, in float32, by the formulas that Llama 3.1 and 3.2 publish. */
import { describe, expect, it } from 'vitest';
import { inverseFrequencies } from '../../../src/architectures/blocks/rotary.ts';
import { readLlamaConfig } from '../../../src/architectures/llama/config.ts';
import { scaleFrequencies } from '../../../src/architectures/llama/rope-scaling.ts';
import { ConfigReader } from '../../../src/formats/checkpoint/config.ts';
import type { VlmError } from '../../../src/report/diagnostics.ts';
import type { JsonValue } from '../../../src/tensor/tensor.ts';

const llama31 = {
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
  rope_type: 'llama3',
};

/** By index: fast ones are left alone, slow ones divided, those between blended. */
const recorded = [
  [
    { rope_theta: 500000, head_dim: 128, rope_scaling: llama31 },
    {
      0: 1.0,
      1: 0.8146172165870667,
      28: 0.0032114461064338684,
      29: 0.0021665706299245358,
      31: 0.0008567514596506953,
      33: 0.0003126936499029398,
      34: 0.0001785077911335975,
      35: 9.556212899042293e-5,
      63: 3.068925877869333e-7,
    },
  ],
  [
    { rope_parameters: { ...llama31, factor: 32, rope_theta: 500000 }, head_dim: 64 },
    {
      0: 1.0,
      14: 0.0032114461064338684,
      15: 0.0012905480107292533,
      16: 0.000429556705057621,
      17: 9.708286233944818e-5,
      31: 9.41830720080361e-8,
    },
  ],
  [
    { head_dim: 4, rope_scaling: { type: 'linear', factor: 4 } },
    { 0: 0.25, 1: 0.0025 },
  ],
] as const;

describe.each(recorded)('%j', (config, expected) => {
  it('gives these frequencies', () => {
    const { ropeBase, ropeScaling, headDim } = readLlamaConfig(new ConfigReader(config as never));
    const found = scaleFrequencies(inverseFrequencies(ropeBase, headDim), ropeScaling);
    for (const [index, value] of Object.entries(expected)) {
      expect(Math.abs((found[Number(index)] ?? Number.NaN) / value - 1)).toBeLessThan(2e-7);
    }
  });
});

it.each<[string, JsonValue]>([
  ['VC1232', { rope_type: 'yarn', factor: 4 }],
  ['VC1232', { type: 'dynamic', factor: 4 }],
  ['VC1201', { rope_type: 'llama3', factor: 8 }],
  ['VC1203', { rope_type: 'linear', factor: 0 }],
  ['VC1204', { ...llama31, low_freq_factor: 4 }],
])('refuses with %s: %j', (code, scaling) => {
  expect.assertions(1);
  try {
    readLlamaConfig(new ConfigReader({ rope_scaling: scaling }));
  } catch (error) {
    expect((error as VlmError).code).toBe(code);
  }
});
