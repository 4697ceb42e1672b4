/**
 * Positions and mask of a decoder step with a cache. The step feeds S new tokens after P cached ones; slot p
 * counts from the start of the cache, padding included. `attention_mask` is int64 [B, P + S], 1 on tokens that
 * count; a key is seen by queries of its own and later slots.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { codeOfDType } from '../../tensor/dtype.ts';

/** Most negative float32: added to a score it leaves weight 0, and a row that sees nothing stays finite. */
export const float32Min = -3.4028234663852886e38;

export interface DecoderSlots {
  /** int64 [S]: P … P + S - 1 */
  readonly positions: Value;
  /** float32 [B, 1, S, P + S], 0 or the most negative float32 */
  readonly mask: Value;
}

/** From `inputs_embeds` [B, S, hidden] and `attention_mask` [B, P + S]. */
export function decoderSlots(b: GraphBuilder, embeds: Value, attentionMask: Value): DecoderSlots {
  const lengthOf = (value: Value): Value => {
    const dims = b.op('Shape', [value], { attributes: { start: 1, end: 2 } });
    return b.op('Squeeze', [dims, b.int64([0])]);
  };
  const total = lengthOf(attentionMask);
  const past = b.op('Sub', [total, lengthOf(embeds)]);
  const one = b.int64([1], []);
  const positions = b.op('Range', [past, total, one]);
  const keys = b.op('Range', [b.int64([0], []), total, one]);

  const queries = b.op('Unsqueeze', [positions, b.int64([1])]);
  const causal = b.op('LessOrEqual', [keys, queries]);
  const counted = b.op('Cast', [attentionMask], { attributes: { to: codeOfDType('bool') } });
  const visible = b.op('And', [causal, b.op('Unsqueeze', [counted, b.int64([1, 2])])]);
  return { positions, mask: b.op('Where', [visible, b.scalar(0), b.scalar(float32Min)]) };
}

/**
 * Positions of tokens rather than slots: how many tokens that count stand before each in its row, so that
 * padding on the left moves nothing. int64 [B, S], 0 on padding.
 */
export function tokenPositions(b: GraphBuilder, { positions }: DecoderSlots, attentionMask: Value): Value {
  const counted = b.op('CumSum', [attentionMask, b.int64([1], [])]);
  const before = b.op('Max', [b.op('Sub', [counted, b.int64([1], [])]), b.int64([0], [])]);
  return b.op('Gather', [before, positions], { attributes: { axis: 1 } });
}
