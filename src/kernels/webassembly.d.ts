/** What the engine uses of WebAssembly's JavaScript interface; `@types/node` 20 does not declare it. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Memory {
    /** In pages of 64 KiB. */
    constructor(descriptor: { initial: number; maximum?: number });
    /** Replaced, and the old one detached, by every `grow`. */
    readonly buffer: ArrayBuffer;
    /** Returns the number of pages there were; a RangeError where there is no room. */
    grow(pages: number): number;
  }
  class Instance {
    constructor(module: Module, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  class RuntimeError extends Error {}
}
