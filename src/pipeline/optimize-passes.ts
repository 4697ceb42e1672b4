/** The pipeline for a graph that somebody else exported: one spelling first, then meanings from small to large. */

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
].join(',');
