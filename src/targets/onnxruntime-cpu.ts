/** ONNX Runtime's CPU provider, as executed with onnxruntime-node 1.30. */
import { cpuKernels } from './kernel-data.ts';
import type { Target } from './target.ts';

export const onnxruntimeCpu: Target = {
  id: 'cpu',
  title: 'ONNX Runtime, CPU',
  kernels: [cpuKernels],
  // float16 graphs run too: the runtime wraps the float32 kernel in casts.
  castTypes: { float16: 'float32' },
  // One row at a time, where LayerNormalization is vectorised: seen in 1.30 and 1.31, [577, 1024] and [50, 64].
  slow: {
    'com.microsoft::SkipLayerNormalization': '2.4 to 4.2 times as long as Add and LayerNormalization',
    'com.microsoft::SkipSimplifiedLayerNormalization':
      '1.04 to 1.18 times as long as Add and SimplifiedLayerNormalization',
  },
  support: {
    'com.microsoft::MultiHeadAttention': {
      dtypes: ['float32', 'float16'],
      cache: true,
      attentionBias: true,
      keyPaddingMask: true,
    },
    'com.microsoft::GroupQueryAttention': {
      dtypes: ['float32', 'float16'],
      headSizeMultiple: 8,
      rotaryHeadSizeMultiple: 16,
      attentionBias: true,
    },
    Attention: { dtypes: ['float32', 'float16'] },
    'com.microsoft::MatMulNBits': {
      bits: [2, 4, 8],
      activations: ['float32', 'float16'],
      smallestBlock: 16,
      largestBlock: 256,
      bias: true,
      // Without level 4 there is no packed 8-bit kernel: the weight is de-quantized at every run. With float16
      // activations that level gives wrong numbers (seen in 1.30 and 1.31, graph optimisation off).
      accuracyLevel: { 8: 4 },
    },
    'com.microsoft::GatherBlockQuantized': {
      kernel: true,
      bits: [4, 8],
      smallestBlock: 16,
      oddPackedZeroPoints: true,
    },
  },
};
