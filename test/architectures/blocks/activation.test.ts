/** Activations under the names that configs give them, against their definitions in double precision. */
import { expect, it } from 'vitest';
import { activate, readActivation } from '../../../src/architectures/blocks/activation.ts';
import { ConfigReader } from '../../../src/formats/checkpoint/config.ts';
import { float32Value, toFloat32 } from '../../../src/runtime/values.ts';
import { runGraph } from '../../support/run-graph.ts';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const tanhGelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** x · Φ(x), Φ integrated by Simpson's rule. */
function exactGelu(x: number): number {
  const steps = 2000;
  const density = (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(x);
  for (let i = 1; i < steps; i += 1) sum += (i % 2 === 0 ? 2 : 4) * density((x * i) / steps);
  return x * (0.5 + (sum * x) / steps / 3);
}

it.each<[string, (x: number) => number]>([
  ['gelu', exactGelu],
  ['gelu_new', tanhGelu],
  ['gelu_pytorch_tanh', tanhGelu],
  ['quick_gelu', (x) => x * sigmoid(1.702 * x)],
  ['silu', (x) => x * sigmoid(x)],
  ['swish', (x) => x * sigmoid(x)],
  ['relu', (x) => Math.max(x, 0)],
])('%s', async (name, definition) => {
  const points = Float32Array.from({ length: 41 }, (_, i) => (i - 20) / 4);
  const activation = readActivation(new ConfigReader({ hidden_act: name }), 'hidden_act', 'gelu');
  const { y } = await runGraph({ x: float32Value([41], points) }, (b, { x }) => {
    if (x === undefined) throw new Error('no input');
    return { y: activate(b, x, activation) };
  });
  const found = toFloat32(y);
  for (const [i, x] of points.entries()) expect(found[i]).toBeCloseTo(definition(x), 5);
});
