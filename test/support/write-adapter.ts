/** Writes small PEFT adapters of float32 tensors, for tests of what is refused and of sums done by hand. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../src/formats/safetensors/write.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';

export interface Floats {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Numbers between -1 and 1 that follow from the seed. */
export function floats(shape: readonly number[], seed: number): Floats {
  const count = shape.reduce((product, dim) => product * dim, 1);
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 2 - 1;
  };
  return { shape, data: Float32Array.from({ length: count }, next) };
}

export async function writeAdapter(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  tensors: Readonly<Record<string, Floats>>,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const text = JSON.stringify({ peft_type: 'LORA', r: 2, lora_alpha: 4, ...config });
  await writeFile(join(folder, 'adapter_config.json'), text);
  const entries = Object.entries(tensors).map(([name, { shape, data }]) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return [`base_model.model.${name}`, inlineTensor('float32', shape, bytes)] as const;
  });
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), new Map(entries));
  return folder;
}
