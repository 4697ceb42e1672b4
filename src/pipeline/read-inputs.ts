/** Values for a session from a safetensors file: a tensor per input, under its name, `in.` before it or not. */
import { basename } from 'node:path';
import { openSafetensors, safetensorsSource } from '../formats/safetensors/read.ts';
import { fail } from '../report/diagnostics.ts';
import type { RunData, RunTensor } from '../runtime/values.ts';
import type { DType } from '../tensor/dtype.ts';
import { readAll, type Tensor } from '../tensor/tensor.ts';

type View = (buffer: ArrayBuffer) => RunData;

/** Element types that a session takes as they are stored: little endian, as every machine that we run on. */
const views: Readonly<Partial<Record<DType, View>>> = {
  float64: (buffer) => new Float64Array(buffer),
  float32: (buffer) => new Float32Array(buffer),
  float16: (buffer) => new Uint16Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
  uint64: (buffer) => new BigUint64Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
};

/** By name, without `in.`. Throws VC10xx for the file, VC6109 for an element type that no session takes. */
export async function readInputs(path: string): Promise<ReadonlyMap<string, RunTensor>> {
  const source = await safetensorsSource(path, basename(path));
  try {
    const { tensors } = await openSafetensors(source);
    const values = new Map<string, RunTensor>();
    for (const [name, tensor] of tensors)
      values.set(name.replace(/^in\./, ''), await runTensor(name, tensor));
    return values;
  } finally {
    await source.close();
  }
}

async function runTensor(name: string, tensor: Tensor): Promise<RunTensor> {
  const { dtype, shape } = tensor;
  const view = views[dtype];
  if (view === undefined)
    throw fail('VC6109', { where: name, found: dtype, expected: Object.keys(views).join(', ') });
  // A copy of its own: typed arrays want their elements aligned.
  return { dtype, shape, data: view(Uint8Array.from(await readAll(tensor)).buffer) };
}
