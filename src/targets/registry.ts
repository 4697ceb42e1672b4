/** Every target, in one list. */
import { onnxruntimeCpu } from './onnxruntime-cpu.ts';
import { onnxruntimeWebgpu } from './onnxruntime-webgpu.ts';
import type { Target } from './target.ts';

export const targets: readonly Target[] = [onnxruntimeCpu, onnxruntimeWebgpu];
