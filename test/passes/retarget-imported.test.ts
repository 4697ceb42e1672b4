/**
 * Vision towers that were exported at one size, rewritten for another, against what PyTorch computes there with the
 * family's own way to resize positions (`interpolate_pos_encoding` of transformers, `get_abs_pos` of Qwen-VL).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { float32Value } from '../../src/runtime/values.ts';
import { fixtures } from '../golden-folders.ts';
import { withModel } from '../graph/onnx-cases.ts';
import { deviation } from '../support/deviation.ts';
import { readIo } from '../support/read-io.ts';
import { runModel } from '../support/run-model.ts';
import { runPasses } from './run-pass.ts';

interface Case {
  readonly name: string;
  readonly to: string;
  readonly refused: boolean;
  /** Element type of the pictures; recorded as float32. */
  readonly input: 'float32' | 'uint8';
}

const root = process.env.RETARGET ?? join(fixtures, 'onnx-retarget');
const cases = readdirSync(root).map(
  (name) => JSON.parse(readFileSync(join(root, name, 'case.json'), 'utf8')) as Case,
);

describe('an exported tower at another size', () => {
  it.each(cases.filter(({ refused }) => !refused))('$name at $to', async ({ name, to, input }) => {
    const folder = join(root, name);
    const io = await readIo(join(folder, 'io.safetensors'));
    await withModel(join(folder, 'model.onnx'), async (model) => {
      await runPasses(model, `retarget-resolution{${to}},dead-code`);
      const { shape } = io.get('b.in.pixel_values');
      const pixels = io.float32('b.in.pixel_values');
      const feeds = {
        pixel_values:
          input === 'uint8'
            ? { dtype: input, shape, data: Uint8Array.from(pixels) }
            : float32Value(shape, pixels),
      };
      const outputs = await runModel(model, feeds);
      expect(outputs.size).toBeGreaterThan(0);
      for (const [output, { data, shape: found }] of outputs) {
        expect(found).toEqual(io.get(`b.out.${output}`).shape);
        expect(deviation(data as Float32Array, io.float32(`b.out.${output}`)), output).toBeLessThan(1e-4);
      }
    });
  });
});
