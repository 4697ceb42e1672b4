/** ONNX Runtime's CUDA provider, from its source (tables of 1.24); not executed. */
import { cudaKernels } from './kernel-data.ts';
import type { Target } from './target.ts';

export const onnxruntimeCuda: Target = {
  id: 'cuda',
  title: 'ONNX Runtime, CUDA',
  kernels: [cudaKernels],
  support: {
    'com.microsoft::MultiHeadAttention': {
      dtypes: ['float32', 'float16', 'bfloat16'],
      cache: true,
      attentionBias: true,
      keyPaddingMask: true,
    },
    'com.microsoft::GroupQueryAttention': {
      dtypes: ['float16', 'bfloat16'],
      headSizeMultiple: 8,
      rotaryHeadSizeMultiple: 16,
      attentionBias: false,
    },
    'com.microsoft::MatMulNBits': {
      bits: [4, 8],
      activations: ['float32', 'float16', 'bfloat16'],
      smallestBlock: 16,
      largestBlock: 128,
      // Newer versions have it; what is in the field has not.
      bias: false,
      accuracyLevel: {},
    },
    'com.microsoft::GatherBlockQuantized': {
      kernel: true,
      bits: [4, 8],
      smallestBlock: 16,
      oddPackedZeroPoints: true,
    },
  },
};
