/**
 * TensorRT 10 through its ONNX parser, from the parser's list of operators; not executed. The provider hands what the
 * parser refuses to CUDA, at the price of a cut in the engine.
 */
import type { Target } from './target.ts';

/** The parser takes any version of an operator that it knows. */
const parsed = `
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Celu Clip Concat
Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DeformConv DepthToSpace DequantizeLinear Div Dropout Einsum
Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool
GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity
If InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop
LpNormalization LpPool MatMul Max MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonMaxSuppression NonZero
Not OneHot Or PRelu Pad Pow QuantizeLinear RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range
Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
ReduceSumSquare Relu Reshape Resize ReverseSequence RoiAlign Round ScatterElements ScatterND Selu Shape Sigmoid Sign Sin
Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK
Transpose Trilu Unsqueeze Upsample Where Xor
`;

const kernels = `@\n${parsed
  .trim()
  .split(/\s+/)
  .map((name) => `${name} 1-28`)
  .join('\n')}`;

export const onnxruntimeTensorrt: Target = {
  id: 'tensorrt',
  title: 'TensorRT',
  kernels: [kernels],
  elementTypes: [
    'float32',
    'float16',
    'bfloat16',
    'int32',
    'int64',
    'int8',
    'uint8',
    'int4',
    'bool',
    'float8e4m3fn',
  ],
  support: {
    'com.microsoft::GatherBlockQuantized': {
      kernel: false,
      bits: [4, 8],
      smallestBlock: 16,
      oddPackedZeroPoints: true,
    },
  },
};
