/**
 * Rotary frequencies of models whose context was lengthened after training: `linear` slows all of them down, `llama3`
 * (Llama 3.1 and later) only the slow ones. Every step is rounded to float32, as torch does it. Source of the math:
 * modeling_rope_utils.py of transformers.
 */
import { type ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { requireVariant } from '../variants.ts';

export type RopeScaling =
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      /** Turns within the trained length: what turns less is slowed down, what turns more is left alone. */
      readonly lowFactor: number;
      readonly highFactor: number;
      readonly trainedLength: number;
    };

/** Of `rope_parameters` or `rope_scaling`. Throws VC1201 to VC1204, VC1232 for another kind. */
export function readRopeScaling(reader: ConfigReader): RopeScaling | undefined {
  const key = reader.has('type') ? 'type' : 'rope_type';
  requireVariant(reader, key, ['default', 'linear', 'llama3'], 'default');
  const kind = reader.string(key, { default: 'default' });
  const range = { above: 0, max: 1e6 };
  if (kind === 'linear') return { kind, factor: reader.number('factor', range) };
  if (kind !== 'llama3') return undefined;
  const scaling = {
    kind,
    factor: reader.number('factor', range),
    lowFactor: reader.number('low_freq_factor', range),
    highFactor: reader.number('high_freq_factor', range),
    trainedLength: reader.int('original_max_position_embeddings', { min: 1, max: configLimits.slots }),
  } as const;
  if (scaling.highFactor <= scaling.lowFactor) {
    throw reader.conflict(
      ['low_freq_factor', 'high_freq_factor'],
      `${scaling.lowFactor} and ${scaling.highFactor}`,
      'the first below the second',
    );
  }
  return scaling;
}

/** Inverse frequencies, float32. */
export function scaleFrequencies(frequencies: Float32Array, scaling: RopeScaling | undefined): Float32Array {
  const { fround } = Math;
  if (scaling === undefined) return frequencies;
  const { factor } = scaling;
  if (scaling.kind === 'linear') return frequencies.map((frequency) => frequency / factor);
  const { lowFactor, highFactor, trainedLength } = scaling;
  return frequencies.map((frequency) => {
    const length = fround(fround(2 * Math.PI) / frequency);
    if (length > trainedLength / lowFactor) return frequency / factor;
    if (length < trainedLength / highFactor) return frequency;
    const turns = fround(trainedLength / length);
    const smooth = fround(fround(turns - lowFactor) / fround(highFactor - lowFactor));
    const slow = fround(fround(fround(1 - smooth) * frequency) / factor);
    return slow + fround(smooth * frequency);
  });
}
