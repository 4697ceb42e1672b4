/** Every target, in one list. */
import { generic } from './generic.ts';
import { onnxruntimeCpu } from './onnxruntime-cpu.ts';
import { onnxruntimeCuda } from './onnxruntime-cuda.ts';
import { onnxruntimeTensorrt } from './onnxruntime-tensorrt.ts';
import { onnxruntimeWasm } from './onnxruntime-wasm.ts';
import { onnxruntimeWebgpu } from './onnxruntime-webgpu.ts';
import type { Target } from './target.ts';

export const allTargets: readonly Target[] = [
  onnxruntimeCpu,
  onnxruntimeWebgpu,
  onnxruntimeWasm,
  onnxruntimeCuda,
  onnxruntimeTensorrt,
  generic,
];

/** What a graph has to run on where nothing else is said. */
export const targets: readonly Target[] = [onnxruntimeCpu, onnxruntimeWebgpu];

export function findTarget(id: string): Target | undefined {
  return allTargets.find((target) => target.id === id);
}
