/**
 * Entry of the SIMD kernels: everything the WebAssembly module exports, described in ../module.ts. Pointers are
 * bytes into the memory that is imported; nothing here allocates or keeps state.
 */
export * from './convert';
export * from './dequantize-blocks';
export * from './find-nonfinite';
export * from './low-rank';
export * from './quantize-blocks';
export * from './quantize-channels';
export * from './transpose';
