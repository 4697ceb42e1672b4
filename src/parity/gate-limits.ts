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

/** float32 sums in another order: about 1e-6 of std at the worst element of a few layers, more in deep models. */
const reordered: OutputLimits = {
  features: { max: 1e-4, relative: 3e-5 },
  embeds: { max: 1e-6 },
  logits: { max: 1e-4, relative: 3e-5, kl: 1e-8, top1: 0.999 },
  cache: { max: 1e-4, relative: 3e-5 },
};

/**
 * The same, but the runtime's block kernels sum in an order of their own, and a large scale makes its rounding
 * larger. A single zero point of one block that is off by one moves a small model by 1e-3 of std or more.
 */
const unpacked: OutputLimits = {
  features: { max: 1e-3, relative: 1e-4 },
  embeds: { max: 1e-6 },
  logits: { max: 1e-3, relative: 1e-4, kl: 1e-7, top1: 0.99 },
  cache: { max: 1e-3, relative: 1e-4 },
};

/**
 * float16 activations: each operator rounds to 2^-11 of its result, which adds up over the layers; a fault of one
 * matrix is two orders away. A pick may flip where the two best logits are closer than that.
 */
const rounded: OutputLimits = {
  features: { max: 5e-2, relative: 5e-3 },
  embeds: { max: 1e-6 },
  logits: { max: 5e-2, relative: 5e-3, kl: 1e-4, top1: 0.95 },
  cache: { max: 5e-2, relative: 5e-3 },
};

export const defaultLimits: Readonly<Record<Level, Readonly<Record<Precision, OutputLimits>>>> = {
  implementation: { fp32: reordered, fp16: rounded, int8: unpacked, int4: unpacked },
  fidelity: {
    fp32: reordered,
    fp16: {
      features: { relative: 1e-2, 'worst-cosine': 0.999 },
      embeds: { relative: 1e-3 },
      logits: { relative: 1e-2, kl: 1e-3, top1: 0.95 },
      cache: { relative: 1e-2 },
    },
    // Weights to 1/255 of a block's range and activations to int8: 1e-2 of the norm for bell-shaped weights.
    int8: {
      features: { relative: 0.05, 'worst-cosine': 0.99 },
      embeds: { relative: 0.01 },
      logits: { relative: 0.05, kl: 0.01 },
      cache: { relative: 0.05 },
    },
    // Weights to 1/15 of a block's range: a matrix is off by 0.08 of its norm for bell-shaped weights, a few
    // layers by 0.1 to 0.2. Blocks with the wrong zero points, scales or nibble order are off by 0.4 to 1.4.
    // Top-1 says little: the picks of a model with random weights hang on far less.
    int4: {
      features: { relative: 0.35, 'worst-cosine': 0.85 },
      embeds: { relative: 0.15 },
      logits: { relative: 0.35, kl: 0.1 },
      cache: { relative: 0.35 },
    },
  },
};
