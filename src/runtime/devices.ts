/**
 * Devices: the execution providers that onnxruntime-node can have, what they need, and the choice among them. That a
 * provider is compiled in says little: whether it works is found out by running a small product on it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fail, VlmError } from '../report/diagnostics.ts';
import type { Defect } from './probes.ts';

/** In the order of preference for `auto`. */
export const devices = ['cuda', 'webgpu', 'cpu'] as const;

export type Device = (typeof devices)[number];

export type DeviceChoice = Device | 'auto';

/** The name that the runtime's records have for a device's execution provider. */
export const providerNames: Readonly<Record<Device, string>> = {
  cuda: 'CUDAExecutionProvider',
  webgpu: 'WebGpuExecutionProvider',
  cpu: 'CPUExecutionProvider',
};

export interface ChosenDevice {
  readonly device: Device;
  readonly requested: DeviceChoice;
  /** Better ones that `auto` could not use, and why. */
  readonly passedOver: readonly { readonly device: Device; readonly reason: string }[];
  /** Operators that it is known to compute wrongly. */
  readonly defects?: readonly Defect[];
}

/**
 * The device asked for, or the best one that works. Throws VC6002 when the one asked for does not, VC6001 when the
 * runtime is missing. `works` is replaced in tests only.
 */
export async function chooseDevice(
  requested: DeviceChoice,
  works: (device: Device) => Promise<readonly Defect[]> = proveDevice,
): Promise<ChosenDevice> {
  if (requested !== 'auto') {
    if (requested === 'cpu') return { device: requested, requested, passedOver: [] };
    const defects = await works(requested);
    return { device: requested, requested, passedOver: [], defects };
  }
  const passedOver: { device: Device; reason: string }[] = [];
  for (const device of devices) {
    if (device === 'cpu') break;
    const software = device === 'webgpu' ? softwareDriver() : undefined;
    if (software !== undefined) {
      passedOver.push({
        device,
        reason: `${software} is a driver in software, slower than the CPU provider`,
      });
      continue;
    }
    try {
      const defects = await works(device);
      return { device, requested, passedOver, defects };
    } catch (error) {
      if (!(error instanceof VlmError) || error.code === 'VC6001') throw error;
      const { message, found } = error.record;
      passedOver.push({ device, reason: found ?? message });
    }
  }
  return { device: 'cpu', requested, passedOver };
}

/** Runs a small graph on the device alone; gives what it is known to get wrong. Throws VC6002 when that fails. */
async function proveDevice(device: Device): Promise<readonly Defect[]> {
  const { findDefects, runProbe } = await import('./probes.ts');
  await runProbe(device);
  return findDefects(device);
}

/** The driver in software that the environment names, if it does: SwiftShader, Mesa's lavapipe. */
export function softwareDriver(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = environment.VK_DRIVER_FILES ?? environment.VK_ICD_FILENAMES ?? '';
  return /swiftshader|lvp_icd|lavapipe/i.exec(named)?.[0];
}

const cudaHint =
  'its libraries are not in the npm package: ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --foreground-scripts ' +
  'fetches them (Linux x64; under npm 11 after npm approve-scripts onnxruntime-node); besides it needs an NVIDIA driver, CUDA 12 and cuDNN 9 where the loader finds them (LD_LIBRARY_PATH)';

/**
 * Why CUDA cannot be used, where its libraries are not even there: the runtime would say so on standard error, past
 * any log level. Undefined when they are.
 */
export function cudaRefusal(folder: string = libraryFolder()): VlmError | undefined {
  const missing = ['providers_shared', 'providers_cuda']
    .map((part) => (process.platform === 'win32' ? `onnxruntime_${part}.dll` : `libonnxruntime_${part}.so`))
    .filter((name) => !existsSync(join(folder, name)));
  if (missing.length === 0) return undefined;
  return fail('VC6002', {
    where: 'cuda',
    found: `onnxruntime-node is installed without ${missing.join(' and ')}`,
    hint: cudaHint,
  });
}

function libraryFolder(): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  return join(dirname(entry), '..', 'bin', 'napi-v6', process.platform, process.arch);
}

/** VC6002 when a session could not be made because of the device and not the model; else undefined. */
export function deviceRefusal(device: Device, message: string, cause: unknown): VlmError | undefined {
  const needs = {
    cuda: /CUDA|cuDNN|shared library/i,
    webgpu: /WebGPU adapter|WebGPU device/,
    cpu: undefined,
  }[device];
  if (needs?.test(message) !== true) return undefined;
  const hint =
    device === 'cuda'
      ? cudaHint
      : "it needs a Vulkan driver and its loader: a GPU's own with libvulkan1, or SwiftShader (VK_DRIVER_FILES)";
  return fail('VC6002', { where: device, found: message, hint, cause });
}
