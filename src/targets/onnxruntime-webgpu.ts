/** ONNX Runtime's WebGPU provider, as executed with onnxruntime-node 1.30. */
import type { Target } from './target.ts';

export const onnxruntimeWebgpu: Target = {
  id: 'onnxruntime-webgpu',
  title: 'ONNX Runtime, WebGPU',
  support: {
    'com.microsoft::MultiHeadAttention': { dtypes: ['float32', 'float16'], cache: true, attentionBias: true },
    'com.microsoft::MatMulNBits': {
      bits: [2, 4, 8],
      activations: ['float32', 'float16'],
      smallestBlock: 16,
      largestBlock: 256,
      bias: true,
      accuracyLevel: {},
    },
    // Packed 4-bit zero points are refused when a row has an odd number of blocks.
    'com.microsoft::GatherBlockQuantized': { bits: [4, 8], smallestBlock: 16, oddPackedZeroPoints: false },
  },
};
