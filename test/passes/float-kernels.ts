/** The CPU with 8-bit kernels that take float activations: what differs from float weights is the packing only. */
import { onnxruntimeCpu } from '../../src/targets/onnxruntime-cpu.ts';
import type { Target } from '../../src/targets/target.ts';

export const floatKernels: Target = {
  ...onnxruntimeCpu,
  support: {
    ...onnxruntimeCpu.support,
    'com.microsoft::MatMulNBits': {
      bits: [4, 8],
      activations: ['float32'],
      smallestBlock: 16,
      largestBlock: 256,
      bias: true,
      accuracyLevel: {},
    },
  },
};
