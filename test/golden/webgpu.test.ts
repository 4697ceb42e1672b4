/**
 * The GPU path: written graphs on onnxruntime's WebGPU provider. Any Vulkan device serves; in CI it is
 * SwiftShader, which Debian's chromium carries (see .ci/run). Where there is no driver the tests skip, saying so.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSession } from '../../src/runtime/session.ts';
import { float32Value } from '../../src/runtime/values.ts';
import { caseInputs } from '../support/case-inputs.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { beyond, goldenDeviations } from '../support/golden-deviations.ts';
import { readIo } from '../support/read-io.ts';
import { runGraph } from '../support/run-graph.ts';
import { withConverted } from './convert-case.ts';

/** One view of 448x448 and 172 tokens: what a software device runs in seconds. */
const golden = goldenCase('qwen-vl/tiny-long');

async function hasDevice(): Promise<boolean> {
  try {
    const x = float32Value([2], Float32Array.of(1, 1));
    await runGraph({ x }, (b, inputs) => ({ y: b.op('Neg', [inputs.x ?? null]) }), { device: 'webgpu' });
    return true;
  } catch (error) {
    console.log(`webgpu tests are skipped: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/**
 * Without fuse-attention: SwiftShader has subgroups of 4, for which the flash attention that the runtime uses in
 * MultiHeadAttention there is wrong beyond 16 tokens (0.1 to 1.5 of the output's norm, measured with 1.30).
 */
const plain = {
  vision: 'retarget-resolution{448x448},fold,dead-code',
  embed: 'fold,dead-code',
  decoder: 'fold,dead-code',
};

describe.skipIf(!(await hasDevice()))('on WebGPU', () => {
  it('fp32 graphs give what the original recorded', async () => {
    await withConverted(golden, { parity: false, passes: plain }, async ({ recipe, files }) => {
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      const inputs = caseInputs(golden, io);
      const deviations = await goldenDeviations({ recipe, files, inputs, io, device: 'webgpu' });
      const { features = Number.NaN, embeds = Number.NaN, ...decoder } = deviations;
      expect(beyond(1e-4, { features, embeds })).toEqual([]);
      // WGSL promises sines and cosines to 2^-11 only, and the decoder's rotary angles go through them.
      expect(beyond(5e-3, decoder)).toEqual([]);
      // Other kernels than the CPU's ran: their sums are not the same to the last bit.
      const onCpu = await goldenDeviations({ recipe, files, inputs, io });
      expect(features).not.toBe(onCpu.features);
    });
  });

  it('runs the int4 embedding whole, nothing left to the CPU', async () => {
    await withConverted(golden, { parity: false, precision: 'int4' }, async ({ files }) => {
      const session = await openSession(files.embed ?? '', { device: 'webgpu', onlyOnDevice: true });
      await session.release();
    });
  });
});
