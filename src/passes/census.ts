/**
 * What a graph means, counted by kind: the attention, norms, activations and rotary embeddings that its operators stand
 * for. A meaning that was recognised but stays spelled out, since no operator may take its place, is counted by the
 * metadata `vlm-convert.means` of its last node.
 */
import type { Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import { allNodes } from '../rewrite/driver.ts';
import { metadataKeys } from '../rewrite/rewriter.ts';

export const meanings = [
  'attention_blocks',
  'layer_norm',
  'rms_norm',
  'gelu_exact',
  'gelu_tanh',
  'gelu_quick',
  'silu',
  'rotary',
] as const;

export type Meaning = (typeof meanings)[number];

/** x · sigmoid(1.702 x) (Hendrycks and Gimpel, Gaussian Error Linear Units). */
const quickAlpha = 1.702;

/** An operator that means one thing, or one thing for each way its attributes may be. */
const operators: Readonly<Record<string, Meaning | ((node: Node) => Meaning | undefined)>> = {
  Attention: 'attention_blocks',
  'com.microsoft::Attention': 'attention_blocks',
  'com.microsoft::QAttention': 'attention_blocks',
  'com.microsoft::MultiHeadAttention': 'attention_blocks',
  'com.microsoft::DecoderMaskedMultiHeadAttention': 'attention_blocks',
  'com.microsoft::PackedMultiHeadAttention': 'attention_blocks',
  'com.microsoft::GroupQueryAttention': 'attention_blocks',
  LayerNormalization: 'layer_norm',
  'com.microsoft::SkipLayerNormalization': 'layer_norm',
  'com.microsoft::EmbedLayerNormalization': 'layer_norm',
  RMSNormalization: 'rms_norm',
  SimplifiedLayerNormalization: 'rms_norm',
  'com.microsoft::SkipSimplifiedLayerNormalization': 'rms_norm',
  Gelu: (node) => (node.string('approximate') === 'tanh' ? 'gelu_tanh' : 'gelu_exact'),
  'com.microsoft::Gelu': 'gelu_exact',
  'com.microsoft::BiasGelu': 'gelu_exact',
  'com.microsoft::FastGelu': 'gelu_tanh',
  'com.microsoft::QuickGelu': (node) => sigmoidGate(node.float('alpha') ?? quickAlpha),
  Swish: (node) => sigmoidGate(node.float('alpha') ?? 1),
  RotaryEmbedding: 'rotary',
  'com.microsoft::RotaryEmbedding': 'rotary',
  'com.microsoft::GemmaRotaryEmbedding': 'rotary',
};

/** x · sigmoid(alpha x) */
export function sigmoidGate(alpha: number): Meaning | undefined {
  if (Math.abs(alpha - 1) < 1e-6) return 'silu';
  return Math.abs(alpha - quickAlpha) < 2e-3 ? 'gelu_quick' : undefined;
}

export interface Count {
  /** All, however they stand in the graph. */
  readonly found: number;
  /** Those that are one operator: its name to how many. */
  readonly operators: ReadonlyMap<string, number>;
}

/** Every meaning has an entry. Bodies of control flow count once; local functions are not looked into. */
export function census(model: Model): ReadonlyMap<Meaning, Count> {
  const counts = new Map(
    meanings.map((meaning) => [meaning, { found: 0, operators: new Map<string, number>() }]),
  );
  for (const node of allNodes(model.graph)) {
    const operator = operators[node.op];
    const known = typeof operator === 'function' ? operator(node) : operator;
    const said = node.metadata.get(metadataKeys.means);
    const meaning = known ?? meanings.find((each) => each === said);
    const count = meaning === undefined ? undefined : counts.get(meaning);
    if (count === undefined) continue;
    count.found += 1;
    if (known !== undefined) count.operators.set(node.op, (count.operators.get(node.op) ?? 0) + 1);
  }
  return counts;
}
