/** The choice of a device, with and without a GPU; the parts that need one skip, saying so. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fail, type VlmError } from '../../src/report/diagnostics.ts';
import { chooseDevice, cudaRefusal, type Device, softwareDriver } from '../../src/runtime/devices.ts';
import { findDefects, runProbe } from '../../src/runtime/probes.ts';
import { missingWebgpu } from '../support/webgpu.ts';

const noWebgpu = await missingWebgpu();
if (noWebgpu !== undefined) console.log(`tests of WebGPU are skipped: ${noWebgpu}`);

describe('chooseDevice', () => {
  const only = (...working: readonly Device[]) => {
    const asked: Device[] = [];
    const works = async (device: Device) => {
      asked.push(device);
      if (!working.includes(device)) throw fail('VC6002', { where: device, found: `no ${device} here` });
      return [];
    };
    return { asked, works };
  };

  it('takes the best that works, and says why better ones do not', async () => {
    const environment = process.env.VK_DRIVER_FILES;
    delete process.env.VK_DRIVER_FILES;
    try {
      expect(await chooseDevice('auto', only('cuda', 'webgpu').works)).toEqual({
        device: 'cuda',
        requested: 'auto',
        passedOver: [],
        defects: [],
      });
      expect(await chooseDevice('auto', only('webgpu').works)).toEqual({
        device: 'webgpu',
        requested: 'auto',
        passedOver: [{ device: 'cuda', reason: 'no cuda here' }],
        defects: [],
      });
      const none = only();
      expect(await chooseDevice('auto', none.works)).toMatchObject({
        device: 'cpu',
        passedOver: [{ reason: 'no cuda here' }, { reason: 'no webgpu here' }],
      });
      expect(none.asked).toEqual(['cuda', 'webgpu']);
    } finally {
      if (environment !== undefined) process.env.VK_DRIVER_FILES = environment;
    }
  });

  it('does not take a GPU in software for a better device, unless it is asked for', async () => {
    expect(softwareDriver({ VK_DRIVER_FILES: '/usr/lib/chromium/vk_swiftshader_icd.json' })).toBe(
      'swiftshader',
    );
    expect(softwareDriver({ VK_ICD_FILENAMES: '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json' })).toBe(
      'lvp_icd',
    );
    expect(softwareDriver({ VK_DRIVER_FILES: '/etc/vulkan/icd.d/nvidia_icd.json' })).toBeUndefined();
    expect(softwareDriver({})).toBeUndefined();
  });

  it('refuses a device that is asked for and does not work; the CPU needs no proof', async () => {
    const { asked, works } = only();
    await expect(chooseDevice('webgpu', works)).rejects.toMatchObject({ code: 'VC6002' });
    expect(await chooseDevice('cpu', works)).toEqual({ device: 'cpu', requested: 'cpu', passedOver: [] });
    expect(asked).toEqual(['webgpu']);
  });

  it('passes on what is wrong with the runtime itself', async () => {
    const broken = async () => {
      throw fail('VC6001', { found: 'no library' });
    };
    await expect(chooseDevice('auto', broken)).rejects.toMatchObject({ code: 'VC6001' });
  });
});

describe('CUDA', () => {
  it('says which libraries are missing and how to get them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vlm-cuda-'));
    try {
      const none = cudaRefusal(folder);
      expect(none?.code).toBe('VC6002');
      expect(none?.record.found).toMatch(/providers_shared.* and .*providers_cuda/);
      expect(none?.record.hint).toMatch(
        /ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node.*cuDNN 9/,
      );
      const windows = process.platform === 'win32';
      for (const part of ['shared', 'cuda']) {
        const name = `onnxruntime_providers_${part}`;
        await writeFile(join(folder, windows ? `${name}.dll` : `lib${name}.so`), '');
      }
      expect(cudaRefusal(folder)).toBeUndefined();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is refused as a whole where it is not installed', async (context) => {
    context.skip(cudaRefusal() === undefined, 'CUDA is installed');
    const error = await chooseDevice('cuda').then(
      () => undefined,
      (caught: VlmError) => caught,
    );
    expect(error?.record).toMatchObject({ code: 'VC6002', where: 'cuda' });
  });
});

describe.skipIf(noWebgpu !== undefined)('WebGPU', () => {
  it('is chosen when it is asked for, and computes a product', async () => {
    expect((await chooseDevice('webgpu')).device).toBe('webgpu');
    await runProbe('webgpu');
  });

  it('is known for what it gets wrong: attention on subgroups of 4, and nothing else', async () => {
    const defects = await findDefects('webgpu');
    if (softwareDriver() === 'swiftshader') {
      expect(defects).toEqual([
        { operator: 'com.microsoft::MultiHeadAttention', relative: expect.any(Number) },
      ]);
      expect(defects[0]?.relative).toBeGreaterThan(0.05);
    } else {
      expect(defects.every(({ relative }) => Number.isFinite(relative))).toBe(true);
    }
  });
});

it('finds nothing wrong with the CPU', async () => {
  await runProbe('cpu');
  expect(await findDefects('cpu')).toEqual([]);
});
