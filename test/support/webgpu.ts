/** Whether WebGPU runs here: it needs a Vulkan driver, a GPU's own or SwiftShader (see .ci/run). */
import { VlmError } from '../../src/report/diagnostics.ts';
import { runProbe } from '../../src/runtime/probes.ts';

/** Undefined where it does, else why it does not. */
export async function missingWebgpu(): Promise<string | undefined> {
  try {
    await runProbe('webgpu');
    return undefined;
  } catch (error) {
    if (error instanceof VlmError && error.code === 'VC6002') return error.record.found ?? error.message;
    throw error;
  }
}
