/** Every target, in one list. */
import { fail } from '../report/diagnostics.ts';
import { didYouMean } from '../report/nearest.ts';
import { quote } from '../report/show.ts';
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

/** The targets of these ids, each once. Throws VC4405 where one is not known. */
export function targetsOf(ids: readonly string[]): readonly Target[] {
  return [...new Set(ids)].map((id) => {
    const found = findTarget(id);
    if (found !== undefined) return found;
    const known = allTargets.map((target) => target.id);
    const hint = didYouMean(id, known);
    throw fail('VC4405', {
      where: '--target',
      found: quote(id),
      expected: known.join(', '),
      ...(hint === undefined ? {} : { hint }),
    });
  });
}

export function findTarget(id: string): Target | undefined {
  return allTargets.find((target) => target.id === id);
}
