/**
 * Parity with the converted model on WebGPU. Needs a Vulkan driver: a GPU's own, or SwiftShader (Debian's
 * chromium: VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json, LD_LIBRARY_PATH to its libvulkan.so.1).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runParity } from '../../src/parity/run-parity.ts';
import { chooseDevice } from '../../src/runtime/devices.ts';
import { missingWebgpu } from '../support/webgpu.ts';
import { image, recipe, writeTinyVlm } from './tiny-vlm.ts';

it('passes on WebGPU what passes on the CPU, or says that there is no driver', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'vlm-webgpu-'));
  try {
    const reference = await writeTinyVlm(join(folder, 'reference'));
    const plain = await writeTinyVlm(join(folder, 'plain'), { bits: 4, dequantized: true });
    const converted = await writeTinyVlm(join(folder, 'converted'), { bits: 4 });
    const reason = await missingWebgpu();
    context.skip(reason !== undefined, `no WebGPU: ${reason}`);
    const report = await runParity({
      subject: {
        tool: { name: 'vlm-convert', version: '0.0.0' },
        model: { name: 'tiny' },
        options: {},
        precision: { vision: 'int4', embed: 'fp32', decoder: 'int4' },
        passes: [],
        coverage: [],
        warnings: [],
      },
      recipe,
      image,
      fidelity: { reference, converted },
      implementation: { reference: plain, converted },
      device: await chooseDevice('webgpu'),
      decodeSteps: 2,
    });
    expect(report.gates.filter((gate) => !gate.passed)).toEqual([]);
    expect(report.runtime.providers).toEqual(['webgpu']);
    // Another machine than the CPU: its sums are not the CPU's to the last bit.
    const level = report.levels.find((found) => found.level === 'device');
    const features = level?.outputs.find(({ output }) => output === 'features');
    expect(features?.metrics.maxAbs.value).toBeGreaterThan(0);
    expect(report.placement?.map(({ component, build, proven }) => [component, build, proven])).toEqual(
      ['reference', 'converted'].flatMap((build) =>
        ['vision', 'embed', 'decoder'].map((component) => [component, build, true]),
      ),
    );
    const vision = report.placement?.find((one) => one.component === 'vision' && one.build === 'converted');
    expect(vision?.providers[0]).toMatchObject({
      provider: 'WebGpuExecutionProvider',
      operators: { Conv: 1, MatMulNBits: 4 },
    });
    expect(vision?.fellBack).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 600_000);
