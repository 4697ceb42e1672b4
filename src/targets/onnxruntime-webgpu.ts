/** ONNX Runtime's WebGPU provider, as executed with onnxruntime-node 1.30. */
import { webgpuKernels } from './kernel-data.ts';
import { probedWebgpu } from './probed-data.ts';
import type { Target } from './target.ts';

export const onnxruntimeWebgpu: Target = {
  id: 'webgpu',
  title: 'ONNX Runtime, WebGPU',
  kernels: [webgpuKernels, probedWebgpu],
  // uint8: packed codes of quantized weights.
  elementTypes: ['float32', 'float16', 'int32', 'uint32', 'uint8', 'bool'],
  support: {
    'com.microsoft::MultiHeadAttention': {
      dtypes: ['float32', 'float16'],
      cache: true,
      attentionBias: true,
      keyPaddingMask: false,
    },
    'com.microsoft::GroupQueryAttention': {
      dtypes: ['float32', 'float16'],
      headSizeMultiple: 8,
      rotaryHeadSizeMultiple: 16,
      attentionBias: true,
    },
    'com.microsoft::MatMulNBits': {
      bits: [2, 4, 8],
      activations: ['float32', 'float16'],
      smallestBlock: 16,
      largestBlock: 256,
      bias: true,
      accuracyLevel: {},
    },
    // Packed 4-bit zero points are refused when a row has an odd number of blocks.
    'com.microsoft::GatherBlockQuantized': {
      kernel: true,
      bits: [4, 8],
      smallestBlock: 16,
      oddPackedZeroPoints: false,
    },
  },
};
