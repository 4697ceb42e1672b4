/** Tensors and expected values for tests of derivations. */
import { type ByteSource, memorySource } from '../../../src/tensor/byte-source.ts';
import { inlineTensor, readAll, sourceTensor, type Tensor } from '../../../src/tensor/tensor.ts';

/** Deterministic uniform numbers in [-1, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

export function floats(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, random(seed));
}

/** A float32 tensor at an odd offset of a source, as checkpoints have them. */
export function float32(shape: readonly number[], values: Float32Array, name = 'w'): Tensor {
  const bytes = new Uint8Array(values.byteLength + 3);
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 3);
  const source = memorySource(`${name}.bin`, bytes);
  contents.set(source, bytes);
  return sourceTensor({ dtype: 'float32', shape }, source, 3, name);
}

const contents = new WeakMap<ByteSource, Uint8Array>();

/** All bytes of the source behind a sample, without waiting. */
export function bytesOfSource(source: ByteSource): Uint8Array {
  const bytes = contents.get(source);
  if (bytes === undefined) throw new Error(`${source.name} is no sample`);
  return bytes;
}

/** A bfloat16 tensor of the values cut to their upper halves, and those values. */
export function bfloat16(shape: readonly number[], values: Float32Array): [Tensor, Float32Array] {
  const words = new Uint32Array(values.slice().buffer).map((word) => word & 0xffff0000);
  const narrow = Uint16Array.from(words, (word) => word >>> 16);
  return [inlineTensor('bfloat16', shape, new Uint8Array(narrow.buffer)), new Float32Array(words.buffer)];
}

export async function numbers(tensor: Tensor): Promise<number[]> {
  return [...new Float32Array((await readAll(tensor)).slice().buffer)];
}
