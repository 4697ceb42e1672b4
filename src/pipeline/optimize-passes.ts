/** The pipeline for a graph that somebody else exported: one spelling first, then meanings from small to large. */
import { findPass } from '../passes/registry.ts';

export const optimizePasses: string = [
  'inline-functions',
  'upgrade-opset',
  'fold',
  'fold-batchnorm',
  'fuse-layernorm',
  'fuse-rmsnorm',
  'fuse-gelu',
  'fuse-silu',
  'fuse-rotary',
  'fuse-attention',
  'pack-qkv',
  'patch-embed',
  'fuse-skip-norm',
  'fuse-bias',
  'dead-code',
]
  .filter((name) => findPass(name) !== undefined)
  .join(',');
