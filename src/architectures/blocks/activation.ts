/** Activation functions, element by element, as data: blocks take them by name. */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';

/** `gelu` is the exact one (error function). */
export type Activation = 'gelu' | 'silu';

const spelled: Readonly<Record<Activation, (b: GraphBuilder, x: Value) => Value>> = {
  gelu: (b, x) => b.op('Gelu', [x], { attributes: { approximate: 'none' } }),
  silu: (b, x) => b.op('Mul', [x, b.op('Sigmoid', [x])]),
};

export function activate(b: GraphBuilder, x: Value, activation: Activation): Value {
  return spelled[activation](b, x);
}
