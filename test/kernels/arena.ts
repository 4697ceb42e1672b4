/** A WebAssembly memory to run kernels in, with guards between what is placed in it. */
import { expect } from 'vitest';
import { bytesOf } from '../../src/kernels/bytes.ts';
import { type Kernels, loadKernels } from '../../src/kernels/module.ts';

const guard = 0xa5;
const gap = 80;
const pageBytes = 65536;

/** Element types that kernels are compiled for, by the names in their exports. */
export const types = {
  f32: { name: 'float32', size: 4 },
  bf16: { name: 'bfloat16', size: 2 },
  f16: { name: 'float16', size: 2 },
} as const;

export type TypeName = keyof typeof types;

export interface Placed {
  readonly pointer: number;
  readonly stride: number;
}

export class Arena {
  readonly #memory = new WebAssembly.Memory({ initial: 1 });
  readonly kernels: Kernels = loadKernels(this.#memory);
  readonly #taken: (readonly [begin: number, end: number])[] = [[0, gap]];

  /** An export by its name. */
  call(name: string, ...args: readonly number[]): number {
    const kernel = (this.kernels as unknown as Record<string, (...args: readonly number[]) => number>)[name];
    if (kernel === undefined) throw new RangeError(`no kernel ${name}`);
    return kernel(...args);
  }

  /** Room for `bytes` bytes, `misalign` bytes beside a multiple of 16. */
  room(bytes: number, misalign = 0): number {
    const pointer = Math.ceil(((this.#taken.at(-1)?.[1] ?? 0) + gap) / 16) * 16 + misalign;
    const end = pointer + bytes;
    const missing = end + 2 * gap - this.#memory.buffer.byteLength;
    const before = this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / pageBytes));
    const all = new Uint8Array(this.#memory.buffer);
    if (missing > 0) all.fill(guard, before);
    if (this.#taken.length === 1) all.fill(guard);
    this.#taken.push([pointer, end]);
    return pointer;
  }

  /** A copy of `data`. */
  place(data: ArrayBufferView, misalign = 0): number {
    const pointer = this.room(data.byteLength, misalign);
    new Uint8Array(this.#memory.buffer).set(bytesOf(data), pointer);
    return pointer;
  }

  /** A matrix whose rows lie `spare` bytes apart. */
  placeRows(data: Uint8Array, rowBytes: number, spare: number, misalign = 0): Placed {
    const rows = rowBytes === 0 ? 0 : data.byteLength / rowBytes;
    const stride = rowBytes + spare;
    const spread = new Uint8Array(rows * stride).fill(guard);
    for (let row = 0; row < rows; row++) {
      spread.set(data.subarray(row * rowBytes, (row + 1) * rowBytes), row * stride);
    }
    return { pointer: this.place(spread, misalign), stride };
  }

  read(pointer: number, bytes: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer).slice(pointer, pointer + bytes);
  }

  /** The rows of a matrix, packed; what lies between them must be untouched. */
  readRows({ pointer, stride }: Placed, rows: number, rowBytes: number): Uint8Array {
    const out = new Uint8Array(rows * rowBytes);
    for (let row = 0; row < rows; row++) {
      const all = this.read(pointer + row * stride, stride);
      out.set(all.subarray(0, rowBytes), row * rowBytes);
      expect(all.subarray(rowBytes).every((byte) => byte === guard)).toBe(true);
    }
    return out;
  }

  /** Nothing was written between what was placed. */
  expectGuards(): void {
    const all = new Uint8Array(this.#memory.buffer);
    this.#taken.forEach(([, end], i) => {
      const next = this.#taken[i + 1]?.[0] ?? all.length;
      const broken = all.subarray(end, next).findIndex((byte) => byte !== guard);
      if (i > 0 && broken >= 0) throw new Error(`byte ${broken} after allocation ${i} was written`);
    });
  }
}

/** Where two byte arrays differ first: undefined if nowhere. */
export function firstDifference(actual: ArrayBufferView, expected: ArrayBufferView): string | undefined {
  const a = bytesOf(actual);
  const b = bytesOf(expected);
  if (a.byteLength !== b.byteLength) return `${a.byteLength} bytes instead of ${b.byteLength}`;
  const at = Buffer.compare(a, b) === 0 ? -1 : a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? undefined : `byte ${at}: ${a[at]} instead of ${b[at]}`;
}

/** Deterministic uniform numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Roughly normal. */
export function normal(uniform: () => number): number {
  return (uniform() + uniform() + uniform() + uniform() - 2) * 1.7;
}
