/** A learned token before the others: x [N, S, size] and token [1, size] → [N, 1 + S, size]. */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';

export function prependToken(b: GraphBuilder, x: Value, token: Value, size: number): Value {
  const batch = b.op('Shape', [x], { attributes: { start: 0, end: 1 } });
  const shape = b.op('Concat', [batch, b.int64([1, size])], { attributes: { axis: 0 } });
  return b.op('Concat', [b.op('Expand', [token, shape]), x], { attributes: { axis: 1 } });
}
