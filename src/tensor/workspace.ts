/**
 * The memory that kernels work in: one WebAssembly memory with a stack of allocations. It grows when it must and
 * never shrinks; whoever uses it bounds what it holds.
 */
import { type Kernels, loadKernels } from '../kernels/module.ts';

/** WebAssembly's page. */
const pageBytes = 65536;
/** 4 GiB: what 32-bit pointers reach. Only pages that are touched take memory. */
const mostPages = 65536;
/** A cache line. */
const alignment = 64;

export class Workspace {
  readonly kernels: Kernels;
  readonly #memory: WebAssembly.Memory;
  #bytes: Uint8Array;
  /** Pointer 0 stays free: kernels take it for "none". */
  #top = alignment;

  constructor() {
    this.#memory = new WebAssembly.Memory({ initial: 1, maximum: mostPages });
    this.kernels = loadKernels(this.#memory);
    this.#bytes = new Uint8Array(this.#memory.buffer);
  }

  /** Where the next allocation goes; `release` takes it back. */
  get top(): number {
    return this.#top;
  }

  /** A pointer to `byteLength` bytes of whatever was there before. Views of the memory may become stale. */
  allocate(byteLength: number): number {
    const pointer = this.#top;
    const end = Math.ceil((pointer + byteLength) / alignment) * alignment;
    const missing = Math.ceil(end / pageBytes) - this.#memory.buffer.byteLength / pageBytes;
    if (missing > 0) {
      this.#memory.grow(missing);
      this.#bytes = new Uint8Array(this.#memory.buffer);
    }
    this.#top = end;
    return pointer;
  }

  /** Gives back everything that was allocated since `top` was this. */
  release(top = alignment): void {
    this.#top = top;
  }

  /** A view; valid until the next allocation. */
  bytes(pointer: number, byteLength: number): Uint8Array {
    return this.#bytes.subarray(pointer, pointer + byteLength);
  }
}
