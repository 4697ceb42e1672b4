/**
 * Default limits of the gates, by level, precision and output.
 *
 * Implementation compares with the plain graph that has the same rounded weights, so only the order of sums, the
 * fused operators and (fp16) the rounding of activations differ: packing, zero points and operators are right or
 * the numbers are far away. Fidelity compares with the original weights and has to let the rounding of the
 * precision through, but not a fault of all weights.
 */
import type { Level, Limits, Precision } from './gates.ts';
import type { OutputKind } from './runner.ts';

type OutputLimits = Readonly<Partial<Record<OutputKind, Limits>>>;

/** float32 sums in another order: about 1e-6 of std a layer at the worst element. */
const exact: OutputLimits = {
  features: { max: 1e-4, relative: 1e-5 },
  embeds: { max: 1e-6 },
  logits: { max: 1e-4, relative: 1e-5, kl: 1e-8, top1: 0.999 },
  cache: { max: 1e-4, relative: 1e-5 },
};

export const defaultLimits: Readonly<Record<Level, Readonly<Record<Precision, OutputLimits>>>> = {
  implementation: {
    fp32: exact,
    fp16: {
      features: { max: 5e-2, relative: 5e-3 },
      embeds: { max: 1e-6 },
      logits: { max: 5e-2, relative: 5e-3, kl: 1e-4, top1: 0.95 },
      cache: { max: 5e-2, relative: 5e-3 },
    },
    int8: {
      features: { max: 1e-3, relative: 1e-4 },
      embeds: { max: 1e-6 },
      logits: { max: 1e-3, relative: 1e-4, kl: 1e-6, top1: 0.99 },
      cache: { max: 1e-3, relative: 1e-4 },
    },
    int4: {
      features: { max: 1e-3, relative: 1e-4 },
      embeds: { max: 1e-6 },
      logits: { max: 1e-3, relative: 1e-4, kl: 1e-6, top1: 0.99 },
      cache: { max: 1e-3, relative: 1e-4 },
    },
  },
  fidelity: {
    fp32: exact,
    fp16: {
      features: { relative: 1e-2, 'worst-cosine': 0.999 },
      embeds: { relative: 1e-3 },
      logits: { relative: 1e-2, kl: 1e-3, top1: 0.95 },
      cache: { relative: 1e-2 },
    },
    int8: {
      features: { relative: 0.05, 'worst-cosine': 0.995 },
      embeds: { relative: 0.01 },
      logits: { relative: 0.05, kl: 0.01 },
      cache: { relative: 0.05 },
    },
    int4: {
      features: { relative: 0.4, cosine: 0.9, 'worst-cosine': 0.8 },
      embeds: { relative: 0.15 },
      logits: { relative: 0.4, cosine: 0.9, kl: 0.2 },
      cache: { relative: 0.4 },
    },
  },
};
