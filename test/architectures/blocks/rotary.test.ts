import { expect, it } from 'vitest';
import { rotaryTables, rotate } from '../../../src/architectures/blocks/rotary.ts';
import type { Value } from '../../../src/graph/value.ts';
import { float32Value, int64Value, toFloat32 } from '../../../src/runtime/values.ts';
import { noise, runGraph } from '../../support/run-graph.ts';

it.each([
  { rotaryDim: 8, headDim: 8 },
  { rotaryDim: 4, headDim: 8 },
])('turns channel i with channel i + $rotaryDim / 2 of $headDim', async ({ rotaryDim, headDim }) => {
  const positions = [5, 6, 7];
  const frequencies = [1, 0.5, 0.25, 0.125].slice(0, rotaryDim / 2);
  const data = noise(2 * 3 * 2 * headDim);
  const { y } = await runGraph(
    { x: float32Value([2, 3, 2, headDim], data), positions: int64Value([3], positions) },
    (b, inputs) => ({
      y: rotate(b, inputs.x as Value, rotaryTables(b, inputs.positions as Value, b.float32(frequencies)), {
        rotaryDim,
        headDim,
      }),
    }),
  );
  const half = rotaryDim / 2;
  const found = toFloat32(y);
  for (const [i, value] of data.entries()) {
    const channel = i % headDim;
    const slot = Math.floor(i / (2 * headDim)) % 3;
    const angle = (positions[slot] ?? 0) * (frequencies[channel % half] ?? 0);
    const partner = data[channel < half ? i + half : i - half] ?? 0;
    const sign = channel < half ? -1 : 1;
    const turned = value * Math.cos(angle) + sign * partner * Math.sin(angle);
    expect(found[i]).toBeCloseTo(channel < rotaryDim ? turned : value, 5);
  }
});
