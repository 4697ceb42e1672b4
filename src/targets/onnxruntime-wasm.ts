/**
 * ONNX Runtime Web's WebAssembly provider in the build that holds WebGPU, too: transformers.js 4 loads it whatever the
 * device, and it leaves out kernels of the CPU that WebGPU has. As executed with onnxruntime-web 1.31.0-dev.20260914.
 */
import { cpuKernels } from './kernel-data.ts';
import type { Target } from './target.ts';

export const onnxruntimeWasm: Target = {
  id: 'wasm',
  title: 'ONNX Runtime Web, WebAssembly',
  kernels: [cpuKernels],
  except: { 'com.microsoft::GatherBlockQuantized': 'no kernel' },
  castTypes: { float16: 'float32' },
  support: {
    'com.microsoft::MultiHeadAttention': {
      dtypes: ['float32', 'float16'],
      cache: true,
      attentionBias: true,
      keyPaddingMask: true,
    },
    'com.microsoft::GroupQueryAttention': {
      dtypes: ['float32'],
      headSizeMultiple: 8,
      rotaryHeadSizeMultiple: 16,
      attentionBias: true,
    },
    Attention: { dtypes: ['float32'] },
    'com.microsoft::MatMulNBits': {
      bits: [2, 4, 8],
      activations: ['float32'],
      smallestBlock: 16,
      largestBlock: 256,
      bias: true,
      accuracyLevel: { 8: 4 },
    },
    'com.microsoft::GatherBlockQuantized': {
      kernel: false,
      bits: [4, 8],
      smallestBlock: 16,
      oddPackedZeroPoints: true,
    },
  },
};
