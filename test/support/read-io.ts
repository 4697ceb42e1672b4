/** Recorded tensors of a case as values of a session. */
import { openSafetensors } from '../../src/formats/safetensors/read.ts';
import type { RunTensor } from '../../src/runtime/values.ts';
import { fileSource } from '../../src/tensor/byte-source.ts';
import { readAll, type Tensor } from '../../src/tensor/tensor.ts';

export class Recorded {
  readonly tensors: ReadonlyMap<string, RunTensor>;

  constructor(tensors: ReadonlyMap<string, RunTensor>) {
    this.tensors = tensors;
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  get(name: string): RunTensor {
    const tensor = this.tensors.get(name);
    if (tensor === undefined) throw new Error(`nothing recorded under ${name}`);
    return tensor;
  }

  float32(name: string): Float32Array {
    const { data } = this.get(name);
    if (!(data instanceof Float32Array)) throw new TypeError(`${name} is not float32`);
    return data;
  }

  /** Integers as numbers. */
  ints(name: string): number[] {
    const { data } = this.get(name);
    if (!(data instanceof BigInt64Array)) throw new TypeError(`${name} is not int64`);
    return Array.from(data, Number);
  }
}

/** Reads every tensor of a safetensors file. */
export async function readIo(path: string): Promise<Recorded> {
  const source = await fileSource(path, path);
  try {
    const { tensors } = await openSafetensors(source);
    const values = new Map<string, RunTensor>();
    for (const [name, tensor] of tensors) values.set(name, await readValue(tensor));
    return new Recorded(values);
  } finally {
    await source.close();
  }
}

/** All values of a float32 or int64 tensor. */
export async function readValue(tensor: Tensor): Promise<RunTensor> {
  const { buffer } = (await readAll(tensor)).slice();
  const { dtype, shape } = tensor;
  if (dtype === 'float32') return { dtype, shape, data: new Float32Array(buffer) };
  if (dtype === 'int64') return { dtype, shape, data: new BigInt64Array(buffer) };
  throw new TypeError(`${dtype} is not read here`);
}
