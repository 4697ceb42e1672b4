/** Ranges on WebGPU: those of the CPU, and measured there. Where there is no driver the test skips, saying so. */
import { describe, expect, it } from 'vitest';
import { encodeModel } from '../../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../../src/formats/onnx/layout.ts';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { inferNode } from '../../../src/graph/infer/infer.ts';
import { createModel } from '../../../src/graph/model.ts';
import { tensorType } from '../../../src/graph/types.ts';
import { Random } from '../../../src/parity/inputs/random.ts';
import { measurable } from '../../../src/parity/ranges/choose.ts';
import { instrument, readRanges } from '../../../src/parity/ranges/instrument.ts';
import { openSession } from '../../../src/runtime/session.ts';
import { float32Value } from '../../../src/runtime/values.ts';
import { missingWebgpu } from '../../support/webgpu.ts';

const missing = await missingWebgpu();
if (missing !== undefined) console.log(`ranges on WebGPU are not tested: ${missing}`);

describe.skipIf(missing !== undefined)('ranges on WebGPU', () => {
  it.each([0.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'are those of the CPU, of what holds %f',
    async (one) => {
      const b = new GraphBuilder('small', inferNode);
      const random = new Random(2);
      const draw = (n: number): number[] => Array.from({ length: n }, () => 2 * random.unit() - 1);
      const x = b.input('x', tensorType('float32', [1, 'rows', 32]));
      const product = b.op('MatMul', [x, b.float32(draw(32 * 48), [32, 48])]);
      const bent = b.op('Tanh', [product]);
      b.output('y', b.op('Mul', [bent, b.float32(draw(48))]));
      const model = createModel(b.graph, 20);
      const names = measurable(model.graph);
      expect(names).toHaveLength(3);
      const instrumented = instrument(model, names, []);
      const layout = layoutModel(instrumented.model, { fileName: 'small', inlineLimit: 2 ** 30 });
      const bytes = await encodeModel(instrumented.model, layout);
      const data = Float32Array.from(draw(7 * 32));
      data[40] = one;
      const read = async (device: 'cpu' | 'webgpu') => {
        const session = await openSession({ bytes }, { device, recordPlacement: true });
        try {
          const outputs = await session.run(new Map([['x', float32Value([1, 7, 32], data)]]));
          const left = session.placement?.filter(({ provider }) => provider !== 'WebGpuExecutionProvider');
          return {
            ranges: [...readRanges(instrumented, outputs)],
            left: left?.map(({ operator }) => operator),
          };
        } finally {
          await session.release();
        }
      };
      const [there, here] = [await read('webgpu'), await read('cpu')];
      // Places alone are put together on the CPU.
      expect(new Set(there.left)).toEqual(new Set(['Concat']));
      for (const [at, [name, wanted]] of here.ranges.entries()) {
        const [, found] = there.ranges[at] ?? [];
        expect(found?.shape, name).toEqual([1, 7, name === 'x' ? 32 : 48]);
        expect(wanted.suspect, name).toBe(found?.suspect);
        if (wanted.suspect) continue;
        expect(found?.max, name).toBeCloseTo(wanted.max, 4);
        expect(found?.index, name).toBe(wanted.index);
      }
      expect(here.ranges[0]?.[1].suspect).toBe(!Number.isFinite(one));
    },
  );
});
