/**
 * Targets are data: what a runtime's execution provider runs, as far as a pass has to choose. A pass asks for
 * what every target can do; it never asks which target it is.
 */

/** com.microsoft::MultiHeadAttention with q, k, v as [batch, sequence, heads * headSize]. */
export interface MultiHeadAttentionSupport {
  readonly dtypes: readonly string[];
  /** past_key / past_value inputs and present outputs. */
  readonly cache: boolean;
  /** attention_bias input, an additive mask. */
  readonly attentionBias: boolean;
}

/** com.microsoft::MatMulNBits with uint8 weights. */
export interface MatMulNBitsSupport {
  readonly bits: readonly number[];
  readonly activations: readonly string[];
  readonly smallestBlock: number;
  readonly largestBlock: number;
  /** The bias input. */
  readonly bias: boolean;
  /**
   * Bits to the accuracy_level that the provider's fast kernel wants for float32 activations; absent: the default
   * (float activations). A provider that wants none accepts any.
   */
  readonly accuracyLevel: Readonly<Record<number, number>>;
}

/** com.microsoft::GatherBlockQuantized with uint8 data. */
export interface GatherBlockQuantizedSupport {
  readonly bits: readonly number[];
  readonly smallestBlock: number;
  /** Packed 4-bit zero points may have an odd number of blocks per row. */
  readonly oddPackedZeroPoints: boolean;
}

export interface OperatorSupport {
  readonly 'com.microsoft::MultiHeadAttention': MultiHeadAttentionSupport;
  readonly 'com.microsoft::MatMulNBits': MatMulNBitsSupport;
  readonly 'com.microsoft::GatherBlockQuantized': GatherBlockQuantizedSupport;
}

export interface Target {
  readonly id: string;
  readonly title: string;
  /** An operator that is absent has no kernel there. */
  readonly support: Partial<OperatorSupport>;
}

/** The first reason why a target cannot run an operator as asked; undefined when every target can. */
export function unsupported<K extends keyof OperatorSupport>(
  targets: readonly Target[],
  operator: K,
  objection: (support: OperatorSupport[K]) => string | undefined,
): string | undefined {
  for (const target of targets) {
    const support = target.support[operator];
    const reason = support === undefined ? 'no kernel' : objection(support);
    if (reason !== undefined) return `${operator} on ${target.id}: ${reason}`;
  }
  return undefined;
}
