/** Feed-forward layers on the last axis, x [..., hidden] → [..., hidden]: plain (two linears) and gated. */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { type Activation, activate } from './activation.ts';
import { type LinearWeights, linear } from './linear.ts';

export interface MlpWeights {
  readonly up: LinearWeights;
  readonly down: LinearWeights;
}

/** down(activation(up(x))) */
export function mlp(b: GraphBuilder, x: Value, weights: MlpWeights, activation: Activation): Value {
  return linear(b, activate(b, linear(b, x, weights.up), activation), weights.down);
}

export interface GatedMlpWeights extends MlpWeights {
  readonly gate: LinearWeights;
}

/** down(up(x) · activation(gate(x))) */
export function gatedMlp(b: GraphBuilder, x: Value, weights: GatedMlpWeights, activation: Activation): Value {
  const up = linear(b, x, weights.up);
  const gate = activate(b, linear(b, x, weights.gate), activation);
  return linear(b, b.op('Mul', [up, gate]), weights.down);
}
