/** Any runtime: operators of ai.onnx in the operator set that the model has, and nothing else. */
import type { Target } from './target.ts';

export const generic: Target = {
  id: 'generic',
  title: 'any ONNX runtime',
  kernels: 'standard',
  except: { SimplifiedLayerNormalization: "onnxruntime's own, not an operator of ai.onnx" },
  support: {
    'com.microsoft::GatherBlockQuantized': {
      kernel: false,
      bits: [4, 8],
      smallestBlock: 16,
      oddPackedZeroPoints: true,
    },
  },
};
