/**
 * Default limits of the gates, by level, precision and output.
 *
 * Implementation compares with the plain graph that has the same rounded weights, so only the order of sums, the
 * fused operators and (fp16) the rounding of activations differ: packing, zero points and operators are right or
 * the numbers are far away. Fidelity compares with the original weights and has to let the rounding of the
 * precision through, but not a fault of all weights. Rewrite compares two float32 graphs whatever the output is, so
 * its limits are the same at every precision.
 */
import type { BlockMetricName, Level, Limits, Precision } from './gates.ts';
import type { OutputKind } from './outputs.ts';

type OutputLimits = Readonly<Partial<Record<OutputKind, Limits>>>;

/**
 * From equal scores, and from such that tie, the same is chosen: nothing is rounded there, whatever the precision. What the
 * output chooses from its own scores has no limit, for how near these are to each other decides what an error makes of
 * them; the errors of the scores have those of blocks.
 */
const chosenAlike = { agreement: 1, 'in-place': 1 } as const;

interface PrecisionLimits {
  readonly local: OutputLimits;
  /** Where the errors of the components before add up. */
  readonly chain: OutputLimits;
}

/**
 * float32 sums in another order: about 1e-6 of std at the worst element of a few layers, more in deep models. Guidance
 * multiplies what two rows of logits differ by, and its errors. Drawn pictures of small models were measured at 126 dB
 * and 121 in the worst block, 1.6e-5 and 2.2e-6: their maps are large, and group norms sum over all of them.
 */
const reordered: OutputLimits = {
  choices: chosenAlike,
  features: { max: 1e-4, relative: 3e-5 },
  embeds: { max: 1e-6 },
  logits: { max: 1e-4, relative: 3e-5, kl: 1e-8, top1: 0.999 },
  cache: { max: 1e-4, relative: 3e-5 },
  hidden: { max: 1e-4, relative: 3e-5 },
  'code-logits': { max: 1e-4, relative: 3e-5, kl: 1e-8, top1: 0.999 },
  'guided-logits': { max: 1e-3, relative: 3e-4 },
  'code-embeds': { max: 1e-4, relative: 3e-5 },
  pixels: { max: 1e-3, relative: 1e-4, psnr: 100, 'worst-block': 95 },
};

/**
 * The same, but the runtime's block kernels sum in an order of their own, and a large scale makes its rounding
 * larger. A single zero point of one block that is off by one moves a small model by 1e-3 of std or more.
 */
const unpacked: OutputLimits = {
  choices: chosenAlike,
  features: { max: 1e-3, relative: 1e-4 },
  embeds: { max: 1e-6 },
  logits: { max: 1e-3, relative: 1e-4, kl: 1e-7, top1: 0.99 },
  cache: { max: 1e-3, relative: 1e-4 },
  hidden: { max: 1e-3, relative: 1e-4 },
  'code-logits': { max: 1e-3, relative: 1e-4, kl: 1e-7 },
  'guided-logits': { max: 1e-2, relative: 1e-3 },
  'code-embeds': { max: 1e-3, relative: 1e-4 },
  pixels: { max: 1e-3, relative: 1e-4, psnr: 100, 'worst-block': 95 },
};

/**
 * float16 activations: each operator rounds to 2^-11 of its result, which adds up over the layers; a fault of one
 * matrix is two orders away. A pick may flip where the two best logits are closer than that.
 */
const rounded: OutputLimits = {
  choices: chosenAlike,
  features: { max: 5e-2, relative: 5e-3 },
  embeds: { max: 1e-6 },
  logits: { max: 5e-2, relative: 5e-3, kl: 1e-4, top1: 0.95 },
  cache: { max: 5e-2, relative: 5e-3 },
  hidden: { max: 5e-2, relative: 5e-3 },
  'code-logits': { max: 5e-2, relative: 5e-3, kl: 1e-4 },
  'guided-logits': { max: 0.5, relative: 5e-2 },
  'code-embeds': { max: 5e-2, relative: 5e-3 },
  pixels: { max: 5e-2, relative: 5e-3, psnr: 60, 'worst-block': 55 },
};

/**
 * The same graph on another device: its kernels' sums, and what its shading language promises. WGSL gives sines and
 * cosines, which rotary angles go through, to 2^-11 only: logits of small models were measured at 2e-3 of std.
 */
const driven: OutputLimits = {
  features: { max: 1e-3, relative: 1e-4 },
  embeds: { max: 1e-6 },
  logits: { max: 2e-2, relative: 2e-3, kl: 1e-5, top1: 0.95 },
  cache: { max: 2e-2, relative: 2e-3 },
  hidden: { max: 2e-2, relative: 2e-3 },
  'code-logits': { max: 2e-2, relative: 2e-3, kl: 1e-5 },
  'guided-logits': { relative: 2e-2 },
  'code-embeds': { max: 1e-3, relative: 1e-4 },
  pixels: { max: 2e-2, relative: 2e-3, psnr: 70, 'worst-block': 65 },
};

/** The same limits however the components are fed. */
const both = (limits: OutputLimits): PrecisionLimits => ({ local: limits, chain: limits });

export const defaultLimits: Readonly<Record<Level, Readonly<Record<Precision, PrecisionLimits>>>> = {
  device: { fp32: both(driven), fp16: both(driven), int8: both(driven), int4: both(driven) },
  // Merging and tables too are sums in another order: at most 1e-5 of std at the worst element on small models, at
  // any picture size. Faults are far beyond: a table resized with a = -0.5 gives 0.24, the scale of one adapter of
  // one layer left out 0.45 to 1.3.
  rewrite: {
    fp32: both(reordered),
    fp16: both(reordered),
    int8: both(reordered),
    int4: both(reordered),
  },
  implementation: {
    fp32: both(reordered),
    fp16: both(rounded),
    int8: both(unpacked),
    int4: both(unpacked),
  },
  fidelity: {
    fp32: both({ ...reordered, choices: {} }),
    // Weights and activations to 2^-11. Small models were measured at 1e-3 in chain; deep ones add up more.
    fp16: both({
      features: { relative: 1e-2, 'worst-cosine': 0.999 },
      embeds: { relative: 1e-3 },
      logits: { relative: 1e-2, kl: 1e-3, top1: 0.95 },
      cache: { relative: 1e-2 },
      hidden: { relative: 1e-2 },
      'code-logits': { relative: 1e-2, kl: 1e-3 },
      'guided-logits': { relative: 5e-2 },
      'code-embeds': { relative: 1e-2 },
      // Measured: 57 dB, 53 in the worst block, 6.4e-3.
      pixels: { relative: 3e-2, psnr: 40, 'worst-block': 35 },
    }),
    // Weights to 1/255 of a block's range and activations to int8: each matrix is off by 0.01 of its norm for
    // bell-shaped weights. Small models with random weights, which have nothing to spare, were measured at 0.055
    // (features), 0.10 (logits in chain) and 0.021 (cache), most of it where an adapter changes weights by more than they
    // are; 0.019 and 0.035 without. KL has no limit of its own below float16: it grows with the square of both the error
    // and the spread of the logits, which differs from model to model. Whoever knows the model sets it.
    int8: {
      local: {
        features: { relative: 0.08, 'worst-cosine': 0.98 },
        embeds: { relative: 0.01 },
        cache: { relative: 0.04 },
        'code-embeds': { relative: 0.04 },
        // Convolutions are stored neither in eight bits nor in four: 126 dB, 121 in the worst block.
        pixels: { relative: 1e-3, psnr: 80, 'worst-block': 75 },
      },
      // Guidance has no limit from here on: how near both rows are to each other decides what it makes of an error.
      chain: {
        logits: { relative: 0.15 },
        cache: { relative: 0.06 },
        hidden: { relative: 0.15 },
        'code-logits': { relative: 0.15 },
      },
    },
    // Weights to 1/15 of a block's range: each matrix is off by 0.08 of its norm. The same models were measured at
    // 0.36 (features), 0.73 (logits in chain) and 0.28 (cache), without such adapters at 0.22 and 0.44, the largest over
    // blocks of 32 to 128, symmetric or not; all 48 and 32 layers of Monkey with drawn weights at 0.29, 0.91 and 0.74. Zero points left out, scales of the next block or codes cut instead of rounded
    // give 0.6 to 0.9 (features) and 0.7 to 1.5 (logits), nibbles out of order 1.4: single blocks, which are held to less
    // (`blockLimits`), tell more than logits do. The worst row and top-1 say little here.
    int4: {
      local: {
        features: { relative: 0.37 },
        embeds: { relative: 0.15 },
        cache: { relative: 0.35 },
        'code-embeds': { relative: 0.3 },
        pixels: { relative: 1e-3, psnr: 80, 'worst-block': 75 },
      },
      chain: {
        logits: { relative: 0.95 },
        cache: { relative: 0.8 },
        hidden: { relative: 0.95 },
        'code-logits': { relative: 0.95 },
      },
    },
  },
};

type BlockLimits = Readonly<Partial<Record<BlockMetricName, number>>>;

/**
 * One block, fed alike on both sides, in another order of sums or by kernels that sum in their own. Measured at every
 * precision of the weights: at most 5e-6 (`max`) and 7e-7 (`relative`) over all recorded Monkey, Qwen-VL and LLaVA models
 * and a drawn one of 0.2 billion parameters, 1.5e-5 and 2.1e-6 at Monkey's own widths, whose sums are 8192 and 11008
 * long. One zero point of one block of 32 that is off by one gives ten times as much and more.
 */
const exactBlock: BlockLimits = { max: 1e-4, relative: 1e-5 };

const sameBlock: Readonly<Record<Precision, BlockLimits>> = {
  fp32: exactBlock,
  fp16: exactBlock,
  int8: exactBlock,
  int4: exactBlock,
};

/** What the worst block of a component is held to; the level device compares no blocks. */
export const blockLimits: Readonly<Record<Level, Readonly<Record<Precision, BlockLimits>>>> = {
  device: { fp32: {}, fp16: {}, int8: {}, int4: {} },
  rewrite: sameBlock,
  // float16 rounds each result to 2^-11 of itself: 4.1e-3 and 4.4e-4 were measured.
  implementation: { ...sameBlock, fp16: { max: 2e-2, relative: 2e-3 } },
  // A block by itself, which where cuts do not hold may be all of a decoder: 5.9e-4 (fp16), 0.018 (int8) and 0.19 (int4)
  // were measured, and of whole decoders 0.029 (int8) and 0.34 (int4).
  fidelity: {
    fp32: exactBlock,
    fp16: { relative: 1e-2 },
    int8: { relative: 0.06 },
    int4: { relative: 0.45 },
  },
};
