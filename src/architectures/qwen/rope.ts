/**
 * Rotary frequencies under dynamic NTK scaling. The scale depends on the prefill's length alone:
 * alpha = max(2^ceil(log2(length / seq_length) + 1) - 1, 1), base' = base · alpha^(d / (d - 2)), d = rotary
 * channels; decoding keeps it. So alpha takes one value per doubling of the length, and the steps fit a table.
 *
 * Source of the math: get_ntk_alpha and RotaryEmbedding of the published modeling_qwen.py. The base is computed
 * in double, the powers in float32, as there.
 */
import { inverseFrequencies } from '../blocks/rotary.ts';

/** float32 counts positions exactly up to here; no longer prompt can be rotated right. */
const maxSlots = 2 ** 24;

export interface NtkTable {
  /** Step s + 1 begins above thresholds[s] slots. */
  readonly thresholds: readonly number[];
  /** One row per step: [steps, d / 2]. */
  readonly rows: readonly Float32Array[];
}

/** float32 [d / 2]: 1 / base'^(2i / d) */
export function scaledFrequencies(base: number, rotaryDim: number, alpha: number): Float32Array {
  return inverseFrequencies(base * alpha ** (rotaryDim / (rotaryDim - 2)), rotaryDim);
}

/** The table for every prefill length up to 2^24 slots. */
export function ntkTable(base: number, rotaryDim: number, seqLength: number): NtkTable {
  const thresholds: number[] = [];
  for (let slots = seqLength; slots < maxSlots; slots *= 2) thresholds.push(slots);
  // Up to seq_length alpha is 1; in (seq_length · 2^k, seq_length · 2^(k+1)] it is 2^(k+2) - 1.
  const alphas = [1, ...thresholds.map((_, k) => 2 ** (k + 2) - 1)];
  return { thresholds, rows: alphas.map((alpha) => scaledFrequencies(base, rotaryDim, alpha)) };
}
