/**
 * Kernels that onnxruntime's execution providers register, by domain and operator. Written by
 * scripts/generate-kernels.ts; the form is described in kernels.ts.
 */

/** Lists of element types, by number. */
export const kernelTypes = `
float32 float64 int16 int32 int64 int8 uint16 uint32 uint64 uint8
float32
float32 float64 int32 int64 uint32 uint64
float32 float64
int64
bool
float32 float64 int32 int64 int8 uint8
bool float32
float16
bool float16
float64
bfloat16 float16 float32 float64 int16 int32 int64 int8 uint16 uint32 uint64 uint8
uint32 uint64 uint8
int16 int32 int64 int8 uint16 uint32 uint64 uint8
int32 int64
bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int2 int32 int4 int64 int8 string uint16 uint2 uint32 uint4 uint64 uint8
bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int2 int32 int4 int64 int8 string uint16 uint2 uint32 uint4 uint64 uint8
float16 float32 float64 int32 int64 int8 uint32 uint64 uint8
bfloat16 bool float16 float32 float64 int16 int32 int64 int8 string uint16 uint32 uint64 uint8
sequence
bfloat16 bool float16 float32 float64 int16 int32 int64 int8 uint16 uint32 uint64 uint8
bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int64 int8 uint16 uint32 uint64 uint8
int8 uint8
int32
float32 float64 int32 int64
float32 float64 int8 uint8
int32 int8 uint8
float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int32 int8 uint8
float16 float32
float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int8 uint16 uint4 uint8
float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int2 int32 int4 int8 uint16 uint2 uint4 uint8
float16 float32 float64
uint8
bool float32 float64 int32 int64
bool float32 float64 int16 int32 int64 int8 uint16 uint32 uint64 uint8
bool float32 float64 int16 int32 int64 int8 string uint16 uint32 uint64 uint8
bool float16 float32 float64 int16 int32 int64 int8 string uint16 uint32 uint64 uint8
float32 float64 int32 int64 uint64
bfloat16 bool float16 float32 float64 int16 int32 int64 int8 sequence string uint16 uint32 uint64 uint8
bfloat16 bool float16 float32 float64 int16 int32 int64 int8 optional sequence string uint16 uint32 uint64 uint8
bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int64 int8 optional sequence string uint16 uint32 uint64 uint8
bfloat16 float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz
bfloat16
bfloat16 float16 float32 float64
bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int64 int8 sequence uint16 uint32 uint64 uint8
float16 float32 float64 int16 int32 int64 int8 uint16 uint32 uint64 uint8
float32 float64 int16 int32 int64 int8
bool float32 int32 int64 uint8
float32 int64
string
float32 int32 int64
optional
float32 float64 int32 int64 int8 uint32 uint64 uint8
bool float32 float64 int32 int64 int8 uint32 uint64 uint8
int8
float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int8 uint8
float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int4 int8 uint16 uint4 uint8
float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int2 int4 int8 uint16 uint2 uint4 uint8
float32 float64 int16 int32 int64
bool float32 float64 int32 int64 int8 uint8
float32 float64 int32 int8
bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int64 int8 string uint16 uint32 uint64 uint8
float32 int32 int8 uint8
bool float16 float32 float64 int32 int64 string
int32 int64 string
float32 float64 int16 int32 int64 int8 uint8
bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int64 int8 string uint16 uint32 uint4 uint64 uint8
float32 float64 int64 int8 string
float32 float64 int32 int64 int8 string uint32 uint8
bfloat16 float16 float32
int16 int32 int4 int8 uint16 uint4 uint8
uint4
int4
float8e4m3fn
float8e4m3fnuz
float8e5m2
float8e5m2fnuz
float4e2m1
float32 int8 uint8
float16 int8 uint8
int16
float32 uint8
float16 uint8
float32 float64 int32 int64 string uint32 uint64
int32 uint32
float32 int8
int16 int4 int8 uint16 uint4 uint8
sparse-tensor
float32 float64 int64
bfloat16 bool float16 float32 float4e2m1 float64 float8e4m3fn float8e5m2 int16 int32 int64 int8 uint16 uint32 uint64 uint8
float16 float32 float64 int64 int8 uint64 uint8
float16 float32 float64 int32 int64 uint32 uint64
float8e4m3fn float8e5m2 int4 int8 uint4 uint8
bool float16 float32 float64 int32 int64 uint32 uint64
bfloat16 bool float16 float32 float64 int64
bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int64 int8 sequence string uint16 uint32 uint64 uint8
bfloat16 float16 float32 float64 int32 int64 uint32 uint64
float16 float32 float64 int8 uint8
bfloat16 float16 float32 float64 int16 int32 int64 int8
bool float16 float32 int32 int64 uint8
float16 float32 int64
bool float16 float32 float64
bfloat16 float16 float32 float64 int32 int64
float16 float32 float64 int32
float16 float32 float64 int32 int64
float16 float32 float64 int32 int64 int8 uint8
float16 float32 float64 int32 uint8
bfloat16 float16 float32 float64 int32 int64 uint8
uint32
int4 uint4 uint8
bfloat16 float16 float32 float8e4m3fn float8e5m2
bfloat16 float16
bfloat16 float16 float32 uint8
`;

export const cpuKernels = `
@
Abs 6-12 T:0|13- T:0
Acos 7-21 T:1|22- T:1
Acosh 9-21 T:1|22- T:1
Add 7-12 T:2|13-13 T:2|14- T:0
Affine 1- T:1
AffineGrid 20- T1:3 T2:4
And 7- T:5 T1:5
ArgMax 1-10 T:6|11-12 T:6|13- T:6
ArgMin 1-10 T:6|11-12 T:6|13- T:6
Asin 7-21 T:1|22- T:1
Asinh 9-21 T:1|22- T:1
Atan 7-21 T:1|22- T:1
Atanh 9-21 T:1|22- T:1
Attention 23-23 T1:1 T2:1 U:7|23-23 T1:8 T2:8 U:9|24- T1:1 T2:1 U:7|24- T1:8 T2:8 U:9
AveragePool 7-9 T:1|10-10 T:1|11-18 T:1|19-21 T:1|22- T:1
BatchNormalization 7-8 T:3|9-13 T:3|14-14 T:1 U:1|14-14 T:10 U:10|15- T:1 T1:1 T2:1|15- T:10 T1:10 T2:10
BitCast 26- T1:11 T2:11
BitShift 11- T:12
BitwiseAnd 18- T:13
BitwiseNot 18- T:13
BitwiseOr 18- T:13
BitwiseXor 18- T:13
BlackmanWindow 17- T1:14 T2:0
Cast 6-12 T1:15 T2:15|13-18 T1:15 T2:15|19-20 T1:15 T2:15|21-22 T1:15 T2:15|23-23 T1:15 T2:15|24-24 T1:16 T2:16|25- T1:16 T2:16
Ceil 6-12 T:3|13- T:3
Celu 12- T:1
Clip 6-10 T:1|11-11 T:1|12-12 T:17|13- T:17
Col2Im 18- T:1
Compress 9-10 T:18 T1:5|11- T:18 T1:5
Concat 4-10 T:18|11-12 T:18|13- T:18
ConcatFromSequence 11- S:19
ConstantOfShape 9-19 T1:4 T2:20|20-20 T1:4 T2:21|21-22 T1:4 T2:21|23-23 T1:4 T2:21|24-24 T1:4 T2:21|25- T1:4 T2:21
Conv 1-10 T:1|11-21 T:1|22- T:1
ConvInteger 10- T1:22 T2:22 T3:23
ConvTranspose 1-10 T:1|11-21 T:1|22- T:1
Cos 7-21 T:3|22- T:3
Cosh 9-21 T:1|22- T:1
Crop 1- T:1
CumProd 26- T:2 T2:14
CumSum 11-13 T:24 T2:14|14- T:24 T2:14
DFT 17-19 T1:3 T2:14|20- T1:3 T2:14
DeformConv 19-21 T:3|22- T:3
DepthToSpace 1-10 T:3|11-12 T:25|13- T:25
DequantizeLinear 10-12 T:26|13-18 T:26|19-20 T1:27 T2:28|21-22 T1:29 T2:28|23-23 T1:29 T2:28 T3:28|24-24 T1:29 T2:28 T3:28|25- T1:30 T2:28 T3:28
Det 11-21 T:1|22- T:1
Div 7-12 T:2|13-13 T:2|14- T:0
Dropout 7-9 T:31|10-11 T:31 T1:5|12-12 T:1 T1:3 T2:5|12-12 T:10 T1:3 T2:5|13-21 T:1 T1:3 T2:5|13-21 T:10 T1:3 T2:5|22- T:1 T1:3 T2:5|22- T:10 T1:3 T2:5
DynamicQuantizeLinear 11- T2:32
DynamicSlice 1- T:18 Tind:14
Einsum 12- T:24
Elu 6-21 T:1|22- T:1
Equal 7-10 T:33 T1:5|11-12 T:34 T1:5|13-18 T:34 T1:5|19- T:35 T1:5
Erf 9-12 T:1|13- T:1
Exp 6-12 T:3|13- T:3
Expand 8-12 T:36|13- T:36
EyeLike 9-21 T1:37 T2:37|22- T1:37 T2:37
Flatten 1-8 T:18|9-10 T:18|11-12 T:18|13-20 T:18|21-22 T:18|23-23 T:18|24-24 T:18|25- T:18
Floor 6-12 T:3|13- T:3
GRU 7-13 T:3 T1:23|14-21 T:3 T1:23|22- T:3 T1:23
Gather 1-10 T:18 Tind:14|11-12 T:18 Tind:14|13- T:18 Tind:14
GatherElements 11-12 T:18 Tind:14|13- T:18 Tind:14
GatherND 11-11 T:18 indices:4|12-12 T:18 indices:4|13- T:18 indices:4
Gelu 20- T:1
Gemm 7-8 T:3|9-10 T:3|11-12 T:3|13- T:3
GlobalAveragePool 1-21 T:1|22- T:1
GlobalLpPool 2- T:1
GlobalMaxPool 1-21 T:1|22- T:1
Greater 7-8 T:3 T1:5|9-12 T:0 T1:5|13- T:0 T1:5
GreaterOrEqual 12-15 T:0 T1:5|16- T:0 T1:5
GridSample 16-19 T1:1 T2:1|20-21 T1:1 T2:1|20-21 T1:10 T2:10|22- T1:1 T2:1|22- T1:10 T2:10
HammingWindow 17- T1:14 T2:0
HannWindow 17- T1:14 T2:0
HardSigmoid 6-21 T:1|22- T:1
Hardmax 1-10 T:1|11-12 T:1|13- T:1
Identity 1-12 T:18|13-13 T:18|14-15 V:38|16-18 V:39|19-20 V:40|21-22 V:40|23-23 V:40|24-24 V:40|25- V:40
If 1-10 B:5 V:18|11-12 B:5 V:18|13-15 B:5 V:38|16-18 B:5 V:39|19-20 B:5 V:40|21-22 B:5 V:40|23-23 B:5 V:40|24-24 B:5 V:40|25- B:5 V:40
ImageScaler 1- T:1
InstanceNormalization 6-21 T:1|22- T:1
IsInf 10-19 T1:3 T2:5|20- T1:41 T2:5
IsNaN 9-12 T1:31 T2:5|13-19 T1:31 T2:5|20- T1:41 T2:5
LRN 1-12 T:1|13- T:1
LSTM 7-13 T:3 T1:23|14-21 T:3 T1:23|22- T:3 T1:23
LayerNormalization 1-16 T:1 U:1 V:1|1-16 T:10 U:1 V:10|1-16 T:8 U:1 V:8|1-16 T:42 U:1 V:42|17- T:43 U:1
LeakyRelu 6-15 T:1|16- T:1
Less 7-8 T:3 T1:5|9-12 T:0 T1:5|13- T:0 T1:5
LessOrEqual 12-15 T:0 T1:5|16- T:0 T1:5
Log 6-12 T:3|13- T:3
LogSoftmax 1-10 T:3|11-12 T:3|13- T:3
Loop 1-10 B:5 I:4 V:18|11-12 B:5 I:4 V:18|13-15 B:5 I:4 V:38|16-18 B:5 I:4 V:39|19-20 B:5 I:4 V:40|21-22 B:5 I:4 V:40|23-23 B:5 I:4 V:40|24-24 B:5 I:4 V:40|25- B:5 I:4 V:40
LpNormalization 1-21 T:3|22- T:3
LpPool 2-10 T:1|11-17 T:1|18-21 T:1|22- T:1
MatMul 1-8 T:3|9-12 T:2|13- T:2
MatMulInteger 10- T1:22 T2:22 T3:23
Max 6-7 T:1|8-11 T:3|12-12 T:17|13- T:17
MaxPool 1-7 T:1|8-11 I:4 T:3|12-21 I:4 T:25|22- I:4 T:25
MaxRoiPool 1- T:1
MaxUnpool 9-10 T1:1 T2:4|11-21 T1:1 T2:4|22- T1:1 T2:4
Mean 6-7 T:1|8-12 T:1|13- T:1
MeanVarianceNormalization 1-8 T:1|9-12 T:1|13- T:1
MelWeightMatrix 17- T1:14 T2:1 T3:0
MemcpyFromHost 1- T:44
MemcpyToHost 1- T:44
Min 6-7 T:1|8-11 T:3|12-12 T:17|13- T:17
Mod 10-12 T:45|13- T:45
Mul 7-12 T:2|13-13 T:2|14- T:0
Multinomial 7- T1:1 T2:14
Neg 6-12 T:46|13- T:46
NonMaxSuppression 10-10|11-
NonZero 9-12 T:47|13- T:47
Not 1- T:5
OneHot 9-10 T1:48 T2:4 T3:4|9-10 T1:48 T2:4 T3:49|9-10 T1:50 T2:1 T3:1|9-10 T1:4 T2:1 T3:23|9-10 T1:4 T2:14 T3:1|9-10 T1:23 T2:23 T3:1|11- T1:48 T2:4 T3:4|11- T1:48 T2:4 T3:49|11- T1:50 T2:1 T3:1|11- T1:4 T2:1 T3:23|11- T1:4 T2:14 T3:1|11- T1:23 T2:23 T3:1
Optional 15- O:51 V:38
OptionalGetElement 15-17 O:51 V:38|18- O:39 V:38
OptionalHasElement 15-17 B:5 O:51|18- B:5 O:39
Or 7- T:5 T1:5
PRelu 7-8 T:1|9-15 T:1|16- T:1
Pad 2-10 T:3|11-12 T:52|13-17 T:53|18-18 T:53|19-20 T:53|21-22 T:53|23-23 T:53|24-24 T:53|25- T:53
ParametricSoftplus 1- T:1
Pow 7-11 T:3|12-12 T:24 T1:24|13-14 T:24 T1:24|15- T:24 T1:24
QLinearConv 10- T1:32 T2:22 T3:32 T4:23|10- T1:54 T2:54 T3:54 T4:23
QLinearMatMul 10-20 T1:32 T2:22 T3:32|10-20 T1:54 T2:54 T3:54|21- T1:32 T2:22 T3:32 TS:1|21- T1:54 T2:54 T3:54 TS:1
QuantizeLinear 10-12 T1:1 T2:22|13-18 T1:1 T2:22|19-20 T1:28 T2:55|21-22 T1:28 T2:56|23-23 T1:28 T2:28 T3:56|24-24 T1:28 T2:28 T3:56|25- T1:28 T2:28 T3:57
RMSNormalization 23- T:1 V:1|23- T:10 V:10|23- T:8 V:8
RNN 7-13 T:1 T1:23|14-21 T:1 T1:23|22- T:1 T1:23
RandomNormal 1- T:3
RandomNormalLike 1- T1:18 T2:3
RandomUniform 1- T:3
RandomUniformLike 1- T1:18 T2:3
Range 11-26 T:58|27- T:58
Reciprocal 6-12 T:3|13- T:3
ReduceL1 1-10 T:24|11-12 T:24|13-17 T:24|18- T:24
ReduceL2 1-10 T:24|11-12 T:24|13-17 T:24|18- T:24
ReduceLogSum 1-10 T:24|11-12 T:24|13-17 T:24|18- T:24
ReduceLogSumExp 1-10 T:24|11-12 T:24|13-17 T:24|18- T:24
ReduceMax 1-10 T:24|11-11 T:24|12-12 T:6|13-17 T:6|18-19 T:6|20- T:59
ReduceMean 1-10 T:24|11-12 T:24|13-17 T:24|18- T:24
ReduceMin 1-10 T:24|11-11 T:24|12-12 T:6|13-17 T:6|18-19 T:6|20- T:59
ReduceProd 1-10 T:24|11-12 T:24|13-17 T:24|18- T:24
ReduceSum 1-10 T:24|11-12 T:24|13- T:24
ReduceSumSquare 1-10 T:24|11-12 T:24|13-17 T:24|18- T:24
RegexFullMatch 20- T1:49 T2:5
Relu 6-12 T:3|13-13 T:3|14- T:60
Reshape 1-4 T:18|5-12 T:18 shape:4|13-13 T:18 shape:4|14-18 T:18 shape:4|19-20 T:18 shape:4|21-22 T:61 shape:4|23-23 T:61 shape:4|24-24 T:61 shape:4|25- T:61 shape:4
Resize 10-10 T:62|11-12 T1:62|13-17 T1:62|18-18 T1:62|19- T1:62
ReverseSequence 10- T:18
RoiAlign 10-15 T1:3 T2:4|16- T1:3 T2:4
RotaryEmbedding 23- M:4 T:28
Round 11-21 T:31|22- T:31
STFT 17- T1:3 T2:14
Scale 1- T:1
ScaledTanh 1- T:1
Scan 8-8 I:4 V:18|9-10 V:18|11-15 V:18|16-18 V:18|19-20 V:61|21-22 V:61|23-23 V:61|24-24 V:61|25- V:61
Scatter 9-10 T:18 Tind:14
ScatterElements 11-12 T:18 Tind:14|13-15 T:18 Tind:14|16-17 T:18 Tind:14|18- T:18 Tind:14
ScatterND 11-12 T:18|13-15 T:18|16-17 T:18|18- T:18
Selu 6-21 T:1|22- T:1
SequenceAt 11- I:14 S:19 T:18
SequenceConstruct 11- S:19 T:18
SequenceEmpty 11- S:19
SequenceErase 11- I:14 S:19
SequenceInsert 11- I:14 S:19
SequenceLength 11- I:4 S:19
Shape 1-12 T:18 T1:4|13-14 T:18 T1:4|15-18 T:18 T1:4|19-20 T:18 T1:4|21-22 T:61 T1:4|23-23 T:61 T1:4|24-24 T:61 T1:4|25- T:61 T1:4
Shrink 9- T:11
Sigmoid 6-12 T:3|13- T:3
Sign 9-12 T:11|13- T:11
SimplifiedLayerNormalization 1- T:1 U:1 V:1|1- T:10 U:1 V:10|1- T:8 U:1 V:8|1- T:42 U:1 V:42
Sin 7-21 T:3|22- T:3
Sinh 9-21 T:1|22- T:1
Size 1-12 T:35 T1:4|13-18 T:35 T1:4|19-20 T:35 T1:4|21-22 T:35 T1:4|23-23 T:35 T1:4|24-24 T:35 T1:4|25- T:35 T1:4
Slice 1-9 T:18|10-10 T:18 Tind:14|11-12 T:18 Tind:14|13- T:18 Tind:14
Softmax 1-10 T:3|11-12 T:3|13- T:3
Softplus 1-21 T:1|22- T:1
Softsign 1-21 T:1|22- T:1
SpaceToDepth 1-12 T:25|13- T:25
Split 2-10 T:18|11-12 T:18|13-17 T:18|18- T:18
SplitToSequence 11-23 I:14 S:19 T:63|24- I:14 S:19 T:63
Sqrt 6-12 T:3|13- T:3
Squeeze 1-10 T:18|11-12 T:18|13-20 T:18|21-22 T:18|23-23 T:18|24-24 T:18|25- T:18
StringConcat 20- T:49
StringNormalizer 10- X:49
StringSplit 20- T1:49 T2:49 T3:4
Sub 7-12 T:2|13-13 T:2|14- T:0
Sum 6-7 T:3|8-12 T:3|13- T:3
Tan 7-21 T:1|22- T:1
Tanh 6-12 T:3|13- T:3
TensorScatter 24- T:20
TfIdfVectorizer 9- T:64 T1:1
ThresholdedRelu 1-9 T:1|10-21 T:1|22- T:1
Tile 6-12 T:35 T1:4|13- T:35 T1:4
TopK 1-9 I:4 T:3|10-10 I:4 T:3|11-23 I:4 T:65|24- I:4 T:65
Transpose 1-12 T:18|13-20 T:18|21-22 T:66|23-23 T:66|24-24 T:66|25- T:15
Trilu 14- T:33
Unique 11- T:67
Unsqueeze 1-10 T:18|11-12 T:18|13-20 T:18|21-22 T:18|23-23 T:18|24-24 T:18|25- T:18
Upsample 7-8 T:62|9-9 T:62
Where 9-15 T:68|16- T:68
Xor 7- T:5 T1:5
@com.microsoft
Attention 1- T:1
AttnLSTM 1- T:3 T1:23
BeamSearch 1- T:1
BiasGelu 1- T:1
BifurcationDetector 1- T:4
BranchwiseRMSNorm 1- M:69 T:69
CDist 1- T:3
CausalConvWithState 1- T:1
ConvTransposeWithDynamicPads 1- T:1
CropAndResize 1- T1:1 T2:23
DecoderMaskedMultiHeadAttention 1- T:1
DequantizeLinear 1- T1:70 T2:1
DynamicQuantizeLSTM 1- T:1 T1:23 T2:22
DynamicQuantizeMatMul 1- T1:1 T2:22
DynamicTimeWarping 1- F:1 I:23
EmbedLayerNormalization 1- T:1
EngramGate 1- T:28
ExpandDims 1- T:18 axis:23
FastGelu 1- T:1
FusedConv 1- T:1
FusedGemm 1- T:1
FusedMatMul 1- T:3
GatedAdd 1- T:28
GatedRMSNorm 1- T:28
GatherBlockQuantized 1- T1:32 T2:28 Tind:14|1- T1:71 T2:28 Tind:14|1- T1:72 T2:28 Tind:14|1- T1:73 T2:28 Tind:14|1- T1:74 T2:28 Tind:14|1- T1:75 T2:28 Tind:14|1- T1:76 T2:28 Tind:14|1- T1:77 T2:28 Tind:14
GatherND 1- T:18 Tind:14
Gelu 1- T:1
GreedySearch 1- T:1
GridSample 1- T1:1 T2:1
GroupQueryAttention 1- M:23 T:1 T_CACHE:78 T_KV_SCALE:1|1- M:23 T:8 T_CACHE:79 T_KV_SCALE:1
HyperConnectionPostMix 1- M:69 T:69
HyperConnectionPreMix 1- M:69 T:69
Inverse 1- T:31
LinearAttention 1- T:1
LinearAttentionGate 1- T:28 TF:1
MRotaryEmbedding 1- M:4 T:28
MatMulBnb4 1- T1:1 T2:32
MatMulFpQ4 1- T1:1 T2:32 T3:4
MatMulInteger16 1- T1:80 T2:80 T3:23
MatMulIntegerToFloat 1- T1:32 T2:22 T3:1|1- T1:54 T2:54 T3:1
MatMulNBits 1- T1:1 T2:32 T3:81 T4:23|1- T1:8 T2:32 T3:82 T4:23
MaxpoolWithMask 1- T:1
MoE 1- T:1
MultiHeadAttention 1- T:1
MurmurHash3 1- T1:83 T2:84
NGramHashMapping 1- M:14
NGramRepeatBlock 1- T:1 Tid:4
NhwcMaxPool 1- T:22
Pad 1- T:1
QAttention 1- T1:32 T2:22 T3:1 T4:23
QEmbedLayerNormalization 1- T:1
QGemm 1- T:1 TA:54 TB:54 TC:23 TY:85 TYZ:54|1- T:1 TA:32 TB:22 TC:23 TY:81 TYZ:32
QLinearAdd 1- T:22
QLinearAveragePool 1-
QLinearConcat 1-
QLinearConv 1- T1:32 T2:22 T3:32 T4:23|1- T1:54 T2:54 T3:54 T4:23
QLinearGlobalAveragePool 1-
QLinearLeakyRelu 1- T:22
QLinearMul 1- T:22
QLinearSigmoid 1- T:22
QLinearSoftmax 1- T:22
QLinearWhere 1- T:22
QMoE 1- T:8 T1:32 T2:8|1- T:1 T1:32 T2:1
QuantizeLinear 1- T1:1 T2:86
QuickGelu 1- T:1
Range 1- T:58
RotaryEmbedding 1- M:4 T:28
SampleOp 1- T:1
Sampling 1- T:1
ScaledSiLU 1- M:69 T:69
SkipLayerNormalization 1- T:43
SkipSimplifiedLayerNormalization 1- T:43
SparseAttention 1- M:23 T:28
SparseToDenseMatMul 1- T:87 T1:2
Tokenizer 1- T:49
TransposeMatMul 1- T:1
Trilu 1- T:88
UnfoldTensor 1- T:18
Unique 1- T:1
VarlenNGramHashMapping 1- M:14 S:23
WhisperBeamSearch 1- T:1
WordConvEmbedding 1- T:23 T1:1
`;

export const cudaKernels = `
@
Abs 1-13 T:11
Add 1-14 T:11
Affine 1-1 T:31
And 1-7 T:5 T1:5
ArgMax 1-13 T:31
ArgMin 1-13 T:31
AveragePool 1-22 T:43
BatchNormalization 1-15 T:31 T1:31 T2:31
Cast 1-23 T1:89 T2:89
Ceil 1-13 T:31
Clip 1-13 T:90
Compress 1-11 T:20 T1:5
Concat 1-13 T:20
ConcatFromSequence 1-11 S:19
ConstantOfShape 1-9 T1:4 T2:20
Conv 1-22 T:43
ConvTranspose 1-11 T:31
Cos 1-7 T:31
Crop 1-1 T:31
CumSum 1-14 T:91 T2:14
DepthToSpace 1-13 T:31
DequantizeLinear 1-21 T1:92 T2:28
Div 1-14 T:11
Dropout 1-13 T:43 T1:43 T2:5
DynamicSlice 1-1 T:20 Tind:14
Einsum 1-12 T:31
Elu 1-6 T:31
Equal 1-13 T:93 T1:5
Erf 1-13 T:43
Exp 1-13 T:43
Expand 1-13 T:20
EyeLike 1-9 T1:37 T2:37
Flatten 1-13 T:20
Floor 1-13 T:31
GRU 1-14 T:31 T1:23
Gather 1-13 T:20 Tind:14
GatherElements 1-13 T:20 Tind:14
GatherND 1-13 T:94 indices:4
Gelu 1-20 T:43
Gemm 1-13 T:43
GlobalAveragePool 1-1 T:31
GlobalMaxPool 1-1 T:31
Greater 1-13 T:91 T1:5
GreaterOrEqual 1-16 T:91 T1:5
GridSample 1-16 T1:1 T2:1
HardSigmoid 1-22 T:43
HardSwish 1-22 T:43
Identity 1-19 V:44
If 1-19 B:5 V:95
ImageScaler 1-1 T:31
InstanceNormalization 1-6 T:31
IsInf 1-20 T1:41 T2:5
IsNaN 1-20 T1:41 T2:5
LRN 1-13 T:31
LSTM 1-14 T:31 T1:23
LayerNormalization 1-17 T:43 U:1
LeakyRelu 1-16 T:31
Less 1-13 T:91 T1:5
LessOrEqual 1-16 T:91 T1:5
Log 1-13 T:31
LogSoftmax 1-13 T:31
Loop 1-19 B:5 I:4 V:95
MatMul 1-13 T:43
MatMulInteger 1-10 T1:54 T2:54 T3:23
Max 1-13 T:96
MaxPool 1-12 I:4 T:97
MemcpyFromHost 1-1 T:44
MemcpyToHost 1-1 T:44
Min 1-13 T:96
Mod 1-13 T:96
Mul 1-14 T:11
Neg 1-13 T:98
NonZero 1-13 T:99
Not 1-1 T:5
OneHot 1-11 T1:14 T2:14 T3:100
Or 1-7 T:5 T1:5
PRelu 1-16 T:31
Pad 1-18 T:101
ParametricSoftplus 1-1 T:31
Pow 1-15 T:102 T1:102
QuantizeLinear 1-21 T1:28 T2:92
RMSNormalization 1-23 T:43 V:43
RNN 1-14 T:31 T1:23
RandomNormal 1-1 T:31
RandomNormalLike 1-1 T1:18 T2:31
RandomUniform 1-1 T:31
RandomUniformLike 1-1 T1:18 T2:31
Range 1-11 T:58
Reciprocal 1-13 T:31
ReduceL1 1-18 T:103
ReduceL2 1-18 T:103
ReduceLogSum 1-18 T:31
ReduceLogSumExp 1-18 T:31
ReduceMax 1-18 T:104
ReduceMean 1-18 T:103
ReduceMin 1-18 T:105
ReduceProd 1-18 T:103
ReduceSum 1-13 T:102
ReduceSumSquare 1-18 T:31
Relu 1-14 T:43
Reshape 1-23 T:21 shape:4
Resize 1-18 T1:106
ReverseSequence 1-10 T:20
RoiAlign 1-10 T1:3 T2:4
RotaryEmbedding 1-23 M:4 T:69
Round 1-11 T:31
ScaledTanh 1-1 T:31
Scan 1-19 V:21
Scatter 1-10 T:20 Tind:14
ScatterElements 1-18 T:20 Tind:14
ScatterND 1-18 T:20
Selu 1-6 T:31
SequenceAt 1-11 I:14 S:19 T:20
SequenceConstruct 1-11 S:19 T:20
SequenceEmpty 1-11 S:19
SequenceErase 1-11 I:14 S:19
SequenceInsert 1-11 I:14 S:19
SequenceLength 1-11 I:4 S:19
Shape 1-23 T:21 T1:4
Shrink 1-9 T:45
Sigmoid 1-13 T:43
Sign 1-13 T:11
SimplifiedLayerNormalization 1-1 T:43 U:3 V:43
Sin 1-7 T:31
Size 1-13 T:18 T1:4
Slice 1-13 T:20 Tind:14
Softmax 1-13 T:43
Softplus 1-1 T:31
Softsign 1-1 T:31
SpaceToDepth 1-13 T:31
Split 1-18 T:20
Sqrt 1-13 T:43
Squeeze 1-23 T:20
Sub 1-14 T:11
Sum 1-13 T:43
Tanh 1-13 T:43
ThresholdedRelu 1-10 T:31
Tile 1-13 T:102 T1:4
TopK 1-11 I:4 T:104
Transpose 1-23 T:20
Trilu 1-14 T:20
Unsqueeze 1-23 T:20
Upsample 1-9 T:106
Where 1-16 B:5 T:107
Xor 1-7 T:5 T1:5
@com.microsoft
Attention 1-1 T:69
BeamSearch 1-1 T:28
BiasAdd 1-1 T:28
BiasDropout 1-1 T:43 T1:43 T2:5
BiasGelu 1-1 T:43
BiasSoftmax 1-1 T:31
BiasSplitGelu 1-1 T:28
BitmaskBiasDropout 1-1 T:43 T1:43 T2:5 T3:108
BitmaskDropout 1-1 T:43 T1:43 T2:5 T3:108
ComplexMul 1-1 T:28
ComplexMulConj 1-1 T:28
ConvTransposeWithDynamicPads 1-1 T:1
DecoderAttention 1-1 T:28
DecoderMaskedMultiHeadAttention 1-1 QK:28 T:28
DecoderMaskedSelfAttention 1-1 T:28
DequantizeLinear 1-1 T1:22 T2:8
DequantizeWithOrder 1-1 F:28 Q:54 S:1
DynamicTimeWarping 1-1 F:1 I:23
EmbedLayerNormalization 1-1 T:28
FastGelu 1-1 T:43
FusedConv 1-1 T:1
FusedMatMul 1-1 T:43
GatedRelativePositionBias 1-1 T:28
GatherBlockQuantized 1-1 T1:109 T2:69 Tind:14
Gelu 1-1 T:43
GemmFloat8 1-1 TA:110 TB:110 TR:110 TS:1
GemmaRotaryEmbedding 1-1 T:8 U:1
GreedySearch 1-1 T:28
GridSample 1-1 T1:1 T2:1
GroupNorm 1-1 T:28
GroupQueryAttention 1-1 M:23 T:111
Inverse 1-1 T:31
Irfft 1-1 T:31
LongformerAttention 1-1 T:28
MatMulBnb4 1-1 T1:69 T2:32
MatMulNBits 1-1 T1:69 T2:32 T3:112
MoE 1-1 T:69
MultiHeadAttention 1-1 QK:69 T:69
NGramRepeatBlock 1-1 T:1 Tid:4
NhwcConv 1-1 T:28
PackedAttention 1-1 T:28
PackedMultiHeadAttention 1-1 T:28
PagedAttention 1-1 S:23 T:111
QAttention 1-1 T1:54 T2:54 T3:28 T4:23
QMoE 1-1 T:111 T1:32 T2:111
QOrderedAttention 1-1 G:23 Q:54 S:1
QOrderedGelu 1-1 Q:54 S:1
QOrderedLayerNormalization 1-1 F:28 Q:54 S:1
QOrderedLongformerAttention 1-1 F:8 G:23 Q:54 S:1
QOrderedMatMul 1-1 Q:54 S:1
QuantizeLinear 1-1 T1:8 T2:22
QuantizeWithOrder 1-1 F:28 Q:54 S:1
QuickGelu 1-1 T:43
RelativePositionBias 1-1 T:28
RemovePadding 1-1 T:28
RestorePadding 1-1 T:28
Rfft 1-1 T:31
RotaryEmbedding 1-1 M:4 T:69
Sampling 1-1 T:28
SkipGroupNorm 1-1 T:28
SkipLayerNormalization 1-1 T:69
SkipSimplifiedLayerNormalization 1-1 T:69
SparseAttention 1-1 M:23 T:111
TransposeMatMul 1-1 T:43
Trilu 1-1 T:20
UnfoldTensor 1-1 T:18
WhisperBeamSearch 1-1 T:28
`;

export const webgpuKernels = `
@
Abs 6-12|13-
Acos 7-
Acosh 9-
Add 7-12|13-13|14-
And 7-
ArgMax 1-10|11-12|13-
ArgMin 1-10|11-12|13-
Asin 7-
Asinh 9-
Atan 7-
Atanh 9-
AveragePool 7-9|10-10|11-
BatchNormalization 7-8|9-13|14-14|15-
Ceil 6-12|13-
Concat 1-3|4-10|11-12|13-
Conv 1-10|11-21|22-
ConvTranspose 1-10|11-
Cos 7-
Cosh 9-
CumSum 11-13|14-
DepthToSpace 11-12|13-
DequantizeLinear 10-12|13-18|19-20|21-22|23-
Div 7-12|13-13|14-
Einsum 12-
Elu 6-
Equal 7-10|11-12|13-18|19-
Erf 9-12|13-
Exp 6-12|13-
Expand 8-12|13-
Flatten 1-8|9-10|11-12|13-20|21-
Floor 6-12|13-
Gather 1-10|11-12|13-
GatherElements 11-12|13-
GatherND 11-11|12-12|13-
Gelu 20-
Gemm 7-8|9-10|11-12|13-
GlobalAveragePool 1-
GlobalMaxPool 1-
Greater 7-8|9-12|13-
GreaterOrEqual 12-15|16-
HardSigmoid 6-
If 1-10|11-12|13-18|19-20|21-
InstanceNormalization 1-5|6-21|22-
LayerNormalization 17-|1-16
LeakyRelu 6-15|16-
Less 7-8|9-12|13-
LessOrEqual 12-15|16-
Log 6-12|13-
MatMul 1-12|13-
MaxPool 1-7|8-9|10-10|11-11|12-
MemcpyFromHost 1-
MemcpyToHost 1-
Mul 7-12|13-13|14-
Neg 6-12|13-
Not 1-
Pad 2-10|11-12|13-17|18-18|19-20|21-22|23-
Pow 7-11|12-12|13-14|15-
Reciprocal 6-12|13-
ReduceL1 1-10|11-12|13-17|18-
ReduceL2 1-10|11-12|13-17|18-
ReduceLogSum 1-10|11-12|13-17|18-
ReduceLogSumExp 1-10|11-12|13-17|18-
ReduceMax 1-10|11-11|12-12|13-17|18-19|20-
ReduceMean 1-10|11-12|13-17|18-
ReduceMin 1-10|11-11|12-12|13-17|18-19|20-
ReduceProd 1-10|11-12|13-17|18-
ReduceSum 1-10|11-12|13-
ReduceSumSquare 1-10|11-12|13-17|18-
Relu 6-12|13-13|14-
Reshape 5-12|13-13|14-18|19-20|21-
Resize 10-10|11-12|13-17|18-18|19-
ScatterND 11-12|13-15|16-17|18-
Shape 1-12|13-14|15-18|19-20|21-22|23-
Sigmoid 6-12|13-
SimplifiedLayerNormalization 1-
Sin 7-
Sinh 9-
Slice 1-9|10-10|11-12|13-
Softmax 1-10|11-12|13-
Split 1-1|2-10|11-12|13-17|18-
Sqrt 6-12|13-
Squeeze 1-10|11-12|13-20|21-22|23-23|24-
Sub 7-12|13-13|14-
Tan 7-
Tanh 6-12|13-
ThresholdedRelu 10-
Tile 6-12|13-
Transpose 1-12|13-20|21-22|23-
Unsqueeze 1-10|11-12|13-20|21-22|23-
Where 9-15|16-
@com.microsoft
Attention 1-
BiasAdd 1-
BiasSplitGelu 1-
FastGelu 1-
FusedConv 1-
GatherBlockQuantized 1-
Gelu 1-
GroupQueryAttention 1-
MatMulNBits 1-
MultiHeadAttention 1-
QuickGelu 1-
RotaryEmbedding 1-
SkipLayerNormalization 1-
SkipSimplifiedLayerNormalization 1-
`;
