/**
 * Memory for values that outlive the runs around them. Between 128 KiB and 32 MiB the C library takes all memory from one
 * heap, which it can only give back from its end: a few values that are kept there hold everything that many runs have
 * freed before them. Above, each allocation is mapped and given back by itself; pages of it that nobody writes to take
 * no memory.
 */
import type { RunData, RunTensor } from './values.ts';

/** Beyond what any C library that is in use takes from its heap (glibc: 32 MiB). */
const mappedBytes = 33 << 20;
/** Smaller ones hold little, and a garbage collector takes each for as large as its mapping. */
const leastBytes = 8 << 20;

/** The value in memory of its own; itself where that makes no difference. */
export function longLived(value: RunTensor): RunTensor {
  const { data } = value;
  if (data.byteLength < leastBytes || data.byteLength >= mappedBytes) return value;
  const make = data.constructor as new (buffer: ArrayBuffer, offset: number, length: number) => Float32Array;
  const copy = new make(new ArrayBuffer(mappedBytes), 0, data.length);
  // Both are of one type.
  copy.set(data as Float32Array);
  return { ...value, data: copy as RunData };
}
