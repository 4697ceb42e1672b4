/**
 * Operator signatures of ai.onnx, ai.onnx.ml and com.microsoft, every version. Written by
 * scripts/generate-op-schema.ts; the form is described in op-schema.ts.
 */
export const opSchemaText = `
#0 float16 float32 float64
#1 float16 float32 float64 int16 int32 int64 int8 uint16 uint32 uint64 uint8
#2 bfloat16 float16 float32 float64 int16 int32 int64 int8 uint16 uint32 uint64 uint8
#3 bfloat16 float16 float32 float64
#4 float16 float32 float64 int32 int64 uint32 uint64
#5 bfloat16 float16 float32 float64 int32 int64 uint32 uint64
#6 int64
#7 bool
#8 bfloat16 bool float16 float32 float64 int16 int32 int64 int8 uint16 uint32 uint64 uint8
#9 bfloat16 bool complex128 complex64 float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int2 int32 int4 int64 int8 uint16 uint2 uint32 uint4 uint64 uint8
#10 uint16 uint32 uint64 uint8
#11 int16 int32 int64 int8 uint16 uint32 uint64 uint8
#12 int32 int64
#13 bool float16 float32 float64 int16 int32 int64 int8 uint16 uint32 uint64 uint8
#14 bool float16 float32 float64 int16 int32 int64 int8 string uint16 uint32 uint64 uint8
#15 bfloat16 bool float16 float32 float64 int16 int32 int64 int8 string uint16 uint32 uint64 uint8
#16 bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int64 int8 string uint16 uint32 uint64 uint8
#17 bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int64 int8 string uint16 uint32 uint4 uint64 uint8
#18 bfloat16 bool float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int64 int8 string uint16 uint32 uint4 uint64 uint8
#19 bfloat16 bool float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int32 int4 int64 int8 string uint16 uint32 uint4 uint64 uint8
#20 bfloat16 bool float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int2 int32 int4 int64 int8 string uint16 uint2 uint32 uint4 uint64 uint8
#21 bfloat16 bool float16 float32 float4e2m1 float64 float6e2m3 float6e3m2 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int2 int32 int4 int64 int8 string uint16 uint2 uint32 uint4 uint64 uint8
#22 bfloat16 float16 float32
#23 float32
#24 bfloat16 bool complex128 complex64 float16 float32 float64 int16 int32 int64 int8 string uint16 uint32 uint64 uint8
#25 bool complex128 complex64 float16 float32 float64 int16 int32 int64 int8 string uint16 uint32 uint64 uint8
#26 sequence
#27 bfloat16 bool complex128 complex64 float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int64 int8 string uint16 uint32 uint64 uint8
#28 bfloat16 bool complex128 complex64 float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int64 int8 string uint16 uint32 uint4 uint64 uint8
#29 bfloat16 bool complex128 complex64 float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int64 int8 string uint16 uint32 uint4 uint64 uint8
#30 bfloat16 bool complex128 complex64 float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int32 int4 int64 int8 string uint16 uint32 uint4 uint64 uint8
#31 bfloat16 bool complex128 complex64 float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int2 int32 int4 int64 int8 string uint16 uint2 uint32 uint4 uint64 uint8
#32 bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int64 int8 uint16 uint32 uint64 uint8
#33 bfloat16 bool float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int64 int8 uint16 uint32 uint4 uint64 uint8
#34 bfloat16 bool float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int64 int8 uint16 uint32 uint4 uint64 uint8
#35 bfloat16 bool float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int32 int4 int64 int8 uint16 uint32 uint4 uint64 uint8
#36 bfloat16 bool float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int2 int32 int4 int64 int8 uint16 uint2 uint32 uint4 uint64 uint8
#37 int8 uint8
#38 int32
#39 float32 float64 int32 int64 uint32 uint64
#40 int32 int8 uint8
#41 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int32 int8 uint8
#42 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int8 uint16 uint4 uint8
#43 float4e2m1 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int8 uint16 uint4 uint8
#44 bfloat16 float16 float32 float8e8m0
#45 float4e2m1 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int2 int32 int4 int8 uint16 uint2 uint4 uint8
#46 float4e2m1 float6e2m3 float6e3m2 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int2 int32 int4 int8 uint16 uint2 uint4 uint8
#47 bfloat16 float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz
#48 uint8
#49 bool int32 int64
#50 bfloat16 bool complex128 complex64 float16 float32 float64 int16 int32 int64 int8 sequence string uint16 uint32 uint64 uint8
#51 bfloat16 bool complex128 complex64 float16 float32 float64 int16 int32 int64 int8 optional sequence string uint16 uint32 uint64 uint8
#52 bfloat16 bool complex128 complex64 float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int64 int8 optional sequence string uint16 uint32 uint64 uint8
#53 bfloat16 bool complex128 complex64 float16 float32 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int64 int8 optional sequence string uint16 uint32 uint4 uint64 uint8
#54 bfloat16 bool complex128 complex64 float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int32 int4 int64 int8 optional sequence string uint16 uint32 uint4 uint64 uint8
#55 bfloat16 bool complex128 complex64 float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int32 int4 int64 int8 optional sequence string uint16 uint32 uint4 uint64 uint8
#56 bfloat16 bool complex128 complex64 float16 float32 float4e2m1 float64 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int2 int32 int4 int64 int8 optional sequence string uint16 uint2 uint32 uint4 uint64 uint8
#57 bool complex128 complex64 float16 float32 float64 int16 int32 int64 int8 sequence string uint16 uint32 uint64 uint8
#58 float32 float64
#59 bfloat16 float32
#60 float16 float32 float64 int8 uint8
#61 bfloat16 float16 float32 float64 int8 uint8
#62 float16 float32 float64 int16 int32 int64 int8
#63 bfloat16 float16 float32 float64 int16 int32 int64 int8
#64 optional
#65 bfloat16 bool complex128 complex64 float16 float32 float4e2m1 float64 float6e2m3 float6e3m2 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int2 int32 int4 int64 int8 sequence string uint16 uint2 uint32 uint4 uint64 uint8
#66 bool complex128 complex64 float16 float32 float64 int16 int32 int64 int8 optional sequence string uint16 uint32 uint64 uint8
#67 bfloat16 bool complex128 complex64 float16 float32 float4e2m1 float64 float6e2m3 float6e3m2 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 int16 int2 int32 int4 int64 int8 optional sequence string uint16 uint2 uint32 uint4 uint64 uint8
#68 float16 float32 float64 int32 int64
#69 bfloat16 float16 float32 float64 int32 int64
#70 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int8 uint8
#71 float32 int32
#72 bfloat16 float16 float32 int32
#73 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int4 int8 uint16 uint4 uint8
#74 float4e2m1 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int4 int8 uint16 uint4 uint8
#75 bfloat16 float16 float32 float8e8m0 int32
#76 float4e2m1 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int2 int4 int8 uint16 uint2 uint4 uint8
#77 float4e2m1 float6e2m3 float6e3m2 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int16 int2 int4 int8 uint16 uint2 uint4 uint8
#78 float32 float64 int16 int32 int64
#79 bfloat16 float16 float32 float64 int16 int32 int64
#80 float16 float32 float64 int32 int64 int8 uint32 uint64 uint8
#81 bfloat16 float16 float32 float64 int32 int64 int8 uint32 uint64 uint8
#82 bfloat16 bool float16 float32 float64 int32 int64 int8 uint32 uint64 uint8
#83 string
#84 int32 int64 string
#85 bool float16 float32 float64 int32 int64
#86 float32 float64 int32 int64 string
#87 float32 float64 int32 int64
#88 map
#89 float32 int64 string
#90 int64 string
#91 float32 float64 int64 string
#92 float32 float64 int16 int32 int64 string
#93 float16 float32
#94 float16 float32 int32
#95 uint32
#96 int16 int32 int4 int8 uint16 uint4 uint8
#97 int8
#98 float4e2m1 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz int4 uint4 uint8
#99 bfloat16 float16 float32 float8e4m3fn float8e5m2
#100 float16
#101 bfloat16 float16 float32 float8e4m3fn int8 uint8
#102 bfloat16 float16
#103 float8e4m3fn
#104 int16 uint16
#105 int32 uint32
#106 bfloat16 float16 float32 uint8
#107 float32 float64 int32 int64 string uint32 uint64
#108 bfloat16 float16 float8e4m3fn int8 uint8
#109 float32 int8 uint8
#110 float8e4m3fn uint8
#111 bfloat16 float16 float32 float8e4m3fn float8e8m0
#112 int16 int4 int8 uint16 uint4 uint8
#113 float32 uint16 uint8
#114 bfloat16 float16 int8
#115 sparse-tensor
@
Abs 1|X:T|Y:T|1 1 1 1|consumed_inputs:ints|T:0
Abs 6|"|"|"||T:1
Abs 13|"|"|"||T:2
Acos 7|input:T|output:T|1 1 1 1||T:0
Acos 22|"|"|"||T:3
Acosh 9|input:T|output:T|1 1 1 1||T:0
Acosh 22|"|"|"||T:3
Add 1|A:T B:T|C:T|2 2 1 1|axis:int broadcast:int consumed_inputs:ints|T:0
Add 6|"|"|"|axis:int broadcast:int|T:4
Add 7|"|"|"||"
Add 13|"|"|"||T:5
Add 14|"|"|"||T:2
AffineGrid 20|theta:T1 size:T2|grid:T1|2 2 1 1|align_corners:int|T1:3 T2:6
And 1|A:T B:T|C:T1|2 2 1 1|axis:int broadcast:int|T:7 T1:7
And 7|"|"|"||"
ArgMax 1|data:T|reduced:=int64|1 1 1 1|axis:int keepdims:int|T:1
ArgMax 11|"|"|"|"|"
ArgMax 12|"|"|"|axis:int keepdims:int select_last_index:int|"
ArgMax 13|"|"|"|"|T:2
ArgMin 1|data:T|reduced:=int64|1 1 1 1|axis:int keepdims:int|T:1
ArgMin 11|"|"|"|"|"
ArgMin 12|"|"|"|axis:int keepdims:int select_last_index:int|"
ArgMin 13|"|"|"|"|T:2
Asin 7|input:T|output:T|1 1 1 1||T:0
Asin 22|"|"|"||T:3
Asinh 9|input:T|output:T|1 1 1 1||T:0
Asinh 22|"|"|"||T:3
Atan 7|input:T|output:T|1 1 1 1||T:0
Atan 22|"|"|"||T:3
Atanh 9|input:T|output:T|1 1 1 1||T:0
Atanh 22|"|"|"||T:3
Attention 23|Q:T1 K:T1 V:T2 attn_mask:U? past_key:T1? past_value:T2?|Y:T1 present_key:T1? present_value:T2? qk_matmul_output:T1?|3 6 1 4|is_causal:int kv_num_heads:int q_num_heads:int qk_matmul_output_mode:int scale:float softcap:float softmax_precision:int|T1:3 T2:3 U:8
Attention 24|Q:T1 K:T1 V:T2 attn_mask:U? past_key:T1? past_value:T2? nonpad_kv_seqlen:=int64?|"|3 7 1 4|"|"
Attention 25|"|"|"|is_causal:int kv_num_heads:int left_window_size:int q_num_heads:int qk_matmul_output_mode:int right_window_size:int scale:float softcap:float softmax_precision:int|"
AveragePool 1|X:T|Y:T|1 1 1 1|auto_pad:string kernel_shape:ints! pads:ints strides:ints|T:0
AveragePool 7|"|"|"|auto_pad:string count_include_pad:int kernel_shape:ints! pads:ints strides:ints|"
AveragePool 10|"|"|"|auto_pad:string ceil_mode:int count_include_pad:int kernel_shape:ints! pads:ints strides:ints|"
AveragePool 11|"|"|"|"|"
AveragePool 19|"|"|"|auto_pad:string ceil_mode:int count_include_pad:int dilations:ints kernel_shape:ints! pads:ints strides:ints|"
AveragePool 22|"|"|"|"|T:3
BatchNormalization 1|X:T scale:T B:T mean:T var:T|Y:T mean:T? var:T? saved_mean:T? saved_var:T?|5 5 1 5|consumed_inputs:ints! epsilon:float is_test:int momentum:float spatial:int|T:0
BatchNormalization 6|"|"|"|epsilon:float is_test:int momentum:float spatial:int|"
BatchNormalization 7|"|"|"|epsilon:float momentum:float spatial:int|"
BatchNormalization 9|"|"|"|epsilon:float momentum:float|"
BatchNormalization 14|X:T scale:T B:T input_mean:U input_var:U|Y:T running_mean:U? running_var:U?|5 5 1 3|epsilon:float momentum:float training_mode:int|T:3 U:3
BatchNormalization 15|X:T scale:T1 B:T1 input_mean:T2 input_var:T2|Y:T running_mean:T2? running_var:T2?|"|"|T:3 T1:3 T2:3
Bernoulli 15|input:T1|output:T2|1 1 1 1|dtype:int seed:float|T1:0 T2:8
Bernoulli 22|"|"|"|"|T1:3 T2:8
BitCast 26|input:T1|output:T2|1 1 1 1|to:int!|T1:9 T2:9
BitShift 11|X:T Y:T|Z:T|2 2 1 1|direction:string!|T:10
BitShift 28|"|"|"|"|T:11
BitwiseAnd 18|A:T B:T|C:T|2 2 1 1||T:11
BitwiseNot 18|X:T|Y:T|1 1 1 1||T:11
BitwiseOr 18|A:T B:T|C:T|2 2 1 1||T:11
BitwiseXor 18|A:T B:T|C:T|2 2 1 1||T:11
BlackmanWindow 17|size:T1|output:T2|1 1 1 1|output_datatype:int periodic:int|T1:12 T2:2
Cast 1|input:T1|output:T2|1 1 1 1|to:string!|T1:13 T2:13
Cast 6|"|"|"|to:int!|"
Cast 9|"|"|"|"|T1:14 T2:14
Cast 13|"|"|"|"|T1:15 T2:15
Cast 19|"|"|"|saturate:int to:int!|T1:16 T2:16
Cast 21|"|"|"|"|T1:17 T2:17
Cast 23|"|"|"|"|T1:18 T2:18
Cast 24|"|"|"|round_mode:string saturate:int to:int!|T1:19 T2:19
Cast 25|"|"|"|"|T1:20 T2:20
Cast 28|"|"|"|"|T1:21 T2:21
CastLike 15|input:T1 target_type:T2|output:T2|2 2 1 1||T1:15 T2:15
CastLike 19|"|"|"|saturate:int|T1:16 T2:16
CastLike 21|"|"|"|"|T1:17 T2:17
CastLike 23|"|"|"|"|T1:18 T2:18
CastLike 24|"|"|"|round_mode:string saturate:int|T1:19 T2:19
CastLike 25|"|"|"|"|T1:20 T2:20
CausalConvWithState 27|input:T weight:T bias:T? past_state:T?|output:T present_state:T|2 4 2 2|activation:string|T:22
Ceil 1|X:T|Y:T|1 1 1 1|consumed_inputs:ints|T:0
Ceil 6|"|"|"||"
Ceil 13|"|"|"||T:3
Celu 12|X:T|Y:T|1 1 1 1|alpha:float|T:23
Celu 28|"|"|"|"|T:3
CenterCropPad 18|input_data:T shape:Tind|output_data:T|2 2 1 1|axes:ints|T:24 Tind:12
Clip 1|input:T|output:T|1 1 1 1|consumed_inputs:ints max:float min:float|T:0
Clip 6|"|"|"|max:float min:float|"
Clip 11|input:T min:T? max:T?|"|1 3 1 1||"
Clip 12|"|"|"||T:1
Clip 13|"|"|"||T:2
Col2Im 18|input:T image_shape:=int64 block_shape:=int64|output:T|3 3 1 1|dilations:ints pads:ints strides:ints|T:24
Compress 9|input:T condition:T1|output:T|2 2 1 1|axis:int|T:25 T1:7
Compress 11|"|"|"|"|"
Compress 28|"|"|"|"|T:24 T1:7
Concat 1|inputs:T*|concat_result:T|1  1 1|axis:int|T:0
Concat 4|"|"|"|axis:int!|T:25
Concat 11|"|"|"|"|"
Concat 13|"|"|"|"|T:24
ConcatFromSequence 11|input_sequence:S|concat_result:T|1 1 1 1|axis:int! new_axis:int|S:26 T:25
Constant 1||output:T|0 0 1 1|value:tensor!|T:0
Constant 9||"|"|"|T:25
Constant 11||"|"|sparse_value:sparse-tensor value:tensor|"
Constant 12||"|"|sparse_value:sparse-tensor value:tensor value_float:float value_floats:floats value_int:int value_ints:ints value_string:string value_strings:strings|"
Constant 13||"|"|"|T:24
Constant 19||"|"|"|T:27
Constant 21||"|"|"|T:28
Constant 23||"|"|"|T:29
Constant 24||"|"|"|T:30
Constant 25||"|"|"|T:31
ConstantOfShape 9|input:T1|output:T2|1 1 1 1|value:tensor|T1:6 T2:13
ConstantOfShape 20|"|"|"|"|T1:6 T2:32
ConstantOfShape 21|"|"|"|"|T1:6 T2:33
ConstantOfShape 23|"|"|"|"|T1:6 T2:34
ConstantOfShape 24|"|"|"|"|T1:6 T2:35
ConstantOfShape 25|"|"|"|"|T1:6 T2:36
Conv 1|X:T W:T B:T?|Y:T|2 3 1 1|auto_pad:string dilations:ints group:int kernel_shape:ints pads:ints strides:ints|T:0
Conv 11|"|"|"|"|"
Conv 22|"|"|"|"|T:3
ConvInteger 10|x:T1 w:T2 x_zero_point:T1? w_zero_point:T2?|y:T3|2 4 1 1|auto_pad:string dilations:ints group:int kernel_shape:ints pads:ints strides:ints|T1:37 T2:37 T3:38
ConvTranspose 1|X:T W:T B:T?|Y:T|2 3 1 1|auto_pad:string dilations:ints group:int kernel_shape:ints output_padding:ints output_shape:ints pads:ints strides:ints|T:0
ConvTranspose 11|"|"|"|"|"
ConvTranspose 22|"|"|"|"|T:3
Cos 7|input:T|output:T|1 1 1 1||T:0
Cos 22|"|"|"||T:3
Cosh 9|input:T|output:T|1 1 1 1||T:0
Cosh 22|"|"|"||T:3
CumProd 26|x:T axis:T2|y:T|2 2 1 1|exclusive:int reverse:int|T:5 T2:12
CumSum 11|x:T axis:T2|y:T|2 2 1 1|exclusive:int reverse:int|T:39 T2:12
CumSum 14|"|"|"|"|T:5 T2:12
DFT 17|input:T1 dft_length:T2?|output:T1|1 2 1 1|axis:int inverse:int onesided:int|T1:3 T2:12
DFT 20|input:T1 dft_length:T2? axis:=int64?|"|1 3 1 1|inverse:int onesided:int|"
DeformConv 19|X:T W:T offset:T B:T? mask:T?|Y:T|3 5 1 1|dilations:ints group:int kernel_shape:ints offset_group:int pads:ints strides:ints|T:0
DeformConv 22|"|"|"|"|T:3
DepthToSpace 1|input:T|output:T|1 1 1 1|blocksize:int!|T:25
DepthToSpace 11|"|"|"|blocksize:int! mode:string|"
DepthToSpace 13|"|"|"|"|T:24
DepthToSpace 28|"|"|"|"|"
DequantizeLinear 10|x:T x_scale:=float32 x_zero_point:T?|y:=float32|2 3 1 1||T:40
DequantizeLinear 13|"|"|"|axis:int|"
DequantizeLinear 19|x:T1 x_scale:T2 x_zero_point:T1?|y:T2|"|"|T1:41 T2:22
DequantizeLinear 21|"|"|"|axis:int block_size:int|T1:42 T2:22
DequantizeLinear 23|"|y:T3|"|axis:int block_size:int output_dtype:int|T1:43 T2:22 T3:22
DequantizeLinear 24|"|"|"|"|T1:43 T2:44 T3:22
DequantizeLinear 25|"|"|"|"|T1:45 T2:44 T3:22
DequantizeLinear 28|"|"|"|"|T1:46 T2:44 T3:22
Det 11|X:T|Y:T|1 1 1 1||T:0
Det 22|"|"|"||T:3
Div 1|A:T B:T|C:T|2 2 1 1|axis:int broadcast:int consumed_inputs:ints|T:0
Div 6|"|"|"|axis:int broadcast:int|T:4
Div 7|"|"|"||"
Div 13|"|"|"||T:5
Div 14|"|"|"||T:2
Dropout 1|data:T|output:T mask:T?|1 1 1 2|consumed_inputs:ints is_test:int ratio:float|T:0
Dropout 6|"|"|"|is_test:int ratio:float|"
Dropout 7|"|"|"|ratio:float|"
Dropout 10|"|output:T mask:T1?|"|"|T:0 T1:7
Dropout 12|data:T ratio:T1? training_mode:T2?|output:T mask:T2?|1 3 1 2|seed:int|T:0 T1:0 T2:7
Dropout 13|"|"|"|"|T:3 T1:0 T2:7
Dropout 22|"|"|"|"|T:47 T1:47 T2:7
DynamicQuantizeLinear 11|x:T1|y:T2 y_scale:=float32 y_zero_point:T2|1 1 3 3||T1:23 T2:48
Einsum 12|Inputs:T*|Output:T|1  1 1|equation:string!|T:1
Einsum 28|"|"|"|"|T:2
Elu 1|X:T|Y:T|1 1 1 1|alpha:float consumed_inputs:ints|T:0
Elu 6|"|"|"|alpha:float|"
Elu 22|"|"|"|"|T:3
Equal 1|A:T B:T|C:T1|2 2 1 1|axis:int broadcast:int|T:49 T1:7
Equal 7|"|"|"||"
Equal 11|"|"|"||T:13 T1:7
Equal 13|"|"|"||T:8 T1:7
Equal 19|"|"|"||T:15 T1:7
Erf 9|input:T|output:T|1 1 1 1||T:1
Erf 13|"|"|"||T:3
Exp 1|input:T|output:T|1 1 1 1|consumed_inputs:ints|T:0
Exp 6|"|"|"||"
Exp 13|"|"|"||T:3
Expand 8|input:T shape:=int64|output:T|2 2 1 1||T:25
Expand 13|"|"|"||T:24
EyeLike 9|input:T1|output:T2|1 1 1 1|dtype:int k:int|T1:13 T2:13
EyeLike 22|"|"|"|"|T1:8 T2:8
Flatten 1|input:T|output:T|1 1 1 1|axis:int|T:0
Flatten 9|"|"|"|"|T:25
Flatten 11|"|"|"|"|"
Flatten 13|"|"|"|"|T:24
Flatten 21|"|"|"|"|T:28
Flatten 23|"|"|"|"|T:29
Flatten 24|"|"|"|"|T:30
Flatten 25|"|"|"|"|T:31
Floor 1|X:T|Y:T|1 1 1 1|consumed_inputs:ints|T:0
Floor 6|"|"|"||"
Floor 13|"|"|"||T:3
GRU 1|X:T W:T R:T B:T? sequence_lens:T1? initial_h:T?|Y:T? Y_h:T|3 6 2 2|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int output_sequence:int|T:0 T1:38
GRU 3|"|Y:T? Y_h:T?|3 6 0 2|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int linear_before_reset:int output_sequence:int|"
GRU 7|"|"|"|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int linear_before_reset:int|"
GRU 14|"|"|"|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int layout:int linear_before_reset:int|"
GRU 22|"|"|"|"|T:3 T1:38
Gather 1|data:T indices:Tind|output:T|2 2 1 1|axis:int|T:25 Tind:12
Gather 11|"|"|"|"|"
Gather 13|"|"|"|"|T:24 Tind:12
GatherElements 11|data:T indices:Tind|output:T|2 2 1 1|axis:int|T:25 Tind:12
GatherElements 13|"|"|"|"|T:24 Tind:12
GatherND 11|data:T indices:=int64|output:T|2 2 1 1||T:25
GatherND 12|"|"|"|batch_dims:int|"
GatherND 13|"|"|"|"|T:24
Gelu 20|X:T|Y:T|1 1 1 1|approximate:string|T:3
Gemm 1|A:T B:T C:T|Y:T|3 3 1 1|alpha:float beta:float broadcast:int transA:int transB:int|T:0
Gemm 6|"|"|"|"|"
Gemm 7|"|"|"|alpha:float beta:float transA:int transB:int|"
Gemm 9|"|"|"|"|T:4
Gemm 11|A:T B:T C:T?|"|2 3 1 1|"|"
Gemm 13|"|"|"|"|T:5
GlobalAveragePool 1|X:T|Y:T|1 1 1 1||T:0
GlobalAveragePool 22|"|"|"||T:3
GlobalLpPool 1|X:T|Y:T|1 1 1 1|p:float|T:0
GlobalLpPool 2|"|"|"|p:int|"
GlobalLpPool 22|"|"|"|"|T:3
GlobalMaxPool 1|X:T|Y:T|1 1 1 1||T:0
GlobalMaxPool 22|"|"|"||T:3
Greater 1|A:T B:T|C:T1|2 2 1 1|axis:int broadcast:int|T:0 T1:7
Greater 7|"|"|"||"
Greater 9|"|"|"||T:1 T1:7
Greater 13|"|"|"||T:2 T1:7
GreaterOrEqual 12|A:T B:T|C:T1|2 2 1 1||T:1 T1:7
GreaterOrEqual 16|"|"|"||T:2 T1:7
GridSample 16|X:T1 grid:T2|Y:T1|2 2 1 1|align_corners:int mode:string padding_mode:string|T1:25 T2:0
GridSample 20|"|"|"|"|"
GridSample 22|"|"|"|"|T1:24 T2:3
GroupNormalization 18|X:T scale:T bias:T|Y:T|3 3 1 1|epsilon:float num_groups:int!|T:3|deprecated
GroupNormalization 21|"|"|"|epsilon:float num_groups:int! stash_type:int|"
HammingWindow 17|size:T1|output:T2|1 1 1 1|output_datatype:int periodic:int|T1:12 T2:2
HannWindow 17|size:T1|output:T2|1 1 1 1|output_datatype:int periodic:int|T1:12 T2:2
HardSigmoid 1|X:T|Y:T|1 1 1 1|alpha:float beta:float consumed_inputs:ints|T:0
HardSigmoid 6|"|"|"|alpha:float beta:float|"
HardSigmoid 22|"|"|"|"|T:3
HardSwish 14|X:T|Y:T|1 1 1 1||T:0
HardSwish 22|"|"|"||T:3
Hardmax 1|input:T|output:T|1 1 1 1|axis:int|T:0
Hardmax 11|"|"|"|"|"
Hardmax 13|"|"|"|"|T:3
Identity 1|input:T|output:T|1 1 1 1||T:25
Identity 13|"|"|"||T:24
Identity 14|input:V|output:V|"||V:50
Identity 16|"|"|"||V:51
Identity 19|"|"|"||V:52
Identity 21|"|"|"||V:53
Identity 23|"|"|"||V:54
Identity 24|"|"|"||V:55
Identity 25|"|"|"||V:56
If 1|cond:B|outputs:V*|1 1 1 |else_branch:graph! then_branch:graph!|V:25 B:7
If 11|"|"|"|"|"
If 13|"|"|"|"|V:57 B:7
If 16|"|"|"|"|V:51 B:7
If 19|"|"|"|"|V:52 B:7
If 21|"|"|"|"|V:53 B:7
If 23|"|"|"|"|V:54 B:7
If 24|"|"|"|"|V:55 B:7
If 25|"|"|"|"|V:56 B:7
ImageDecoder 20|encoded_stream:T1|image:T2|1 1 1 1|pixel_format:string|T1:48 T2:48
InstanceNormalization 1|input:T scale:T B:T|output:T|3 3 1 1|consumed_inputs:ints epsilon:float|T:0
InstanceNormalization 6|"|"|"|epsilon:float|"
InstanceNormalization 22|"|"|"|"|T:3
IsInf 10|X:T1|Y:T2|1 1 1 1|detect_negative:int detect_positive:int|T1:58 T2:7
IsInf 20|"|"|"|"|T1:47 T2:7
IsNaN 9|X:T1|Y:T2|1 1 1 1||T1:0 T2:7
IsNaN 13|"|"|"||T1:3 T2:7
IsNaN 20|"|"|"||T1:47 T2:7
LRN 1|X:T|Y:T|1 1 1 1|alpha:float beta:float bias:float size:int!|T:0
LRN 13|"|"|"|"|T:3
LSTM 1|X:T W:T R:T B:T? sequence_lens:T1? initial_h:T? initial_c:T? P:T?|Y:T? Y_h:T? Y_c:T?|3 8 0 3|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int input_forget:int output_sequence:int|T:0 T1:38
LSTM 7|"|"|"|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int input_forget:int|"
LSTM 14|"|"|"|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int input_forget:int layout:int|"
LSTM 22|"|"|"|"|T:3 T1:38
LayerNormalization 17|X:T Scale:T B:T?|Y:T Mean:U? InvStdDev:U?|2 3 1 3|axis:int epsilon:float stash_type:int|T:3 U:59
LeakyRelu 1|X:T|Y:T|1 1 1 1|alpha:float consumed_inputs:ints|T:0
LeakyRelu 6|"|"|"|alpha:float|"
LeakyRelu 16|"|"|"|"|T:3
Less 1|A:T B:T|C:T1|2 2 1 1|axis:int broadcast:int|T:0 T1:7
Less 7|"|"|"||"
Less 9|"|"|"||T:1 T1:7
Less 13|"|"|"||T:2 T1:7
LessOrEqual 12|A:T B:T|C:T1|2 2 1 1||T:1 T1:7
LessOrEqual 16|"|"|"||T:2 T1:7
LinearAttention 27|query:T key:T value:T past_state:S? decay:T? beta:T?|output:T present_state:S|3 6 2 2|chunk_size:int kv_num_heads:int! q_num_heads:int! scale:float update_rule:string|T:22 S:22
Log 1|input:T|output:T|1 1 1 1|consumed_inputs:ints|T:0
Log 6|"|"|"||"
Log 13|"|"|"||T:3
LogSoftmax 1|input:T|output:T|1 1 1 1|axis:int|T:0
LogSoftmax 11|"|"|"|"|"
LogSoftmax 13|"|"|"|"|T:3
Loop 1|M:I? cond:B? v_initial:V*|v_final_and_scan_outputs:V*|3  1 |body:graph!|V:25 I:6 B:7
Loop 11|"|"|2  1 |"|"
Loop 13|"|"|"|"|V:57 I:6 B:7
Loop 16|"|"|"|"|V:51 I:6 B:7
Loop 19|"|"|"|"|V:52 I:6 B:7
Loop 21|"|"|"|"|V:53 I:6 B:7
Loop 23|"|"|"|"|V:54 I:6 B:7
Loop 24|"|"|"|"|V:55 I:6 B:7
Loop 25|"|"|"|"|V:56 I:6 B:7
LpNormalization 1|input:T|output:T|1 1 1 1|axis:int p:int|T:0
LpNormalization 22|"|"|"|"|T:3
LpPool 1|X:T|Y:T|1 1 1 1|auto_pad:string kernel_shape:ints p:float pads:ints strides:ints|T:0
LpPool 2|"|"|"|auto_pad:string kernel_shape:ints! p:int pads:ints strides:ints|"
LpPool 11|"|"|"|"|"
LpPool 18|"|"|"|auto_pad:string ceil_mode:int dilations:ints kernel_shape:ints! p:int pads:ints strides:ints|"
LpPool 22|"|"|"|"|T:3
MatMul 1|A:T B:T|Y:T|2 2 1 1||T:0
MatMul 9|"|"|"||T:4
MatMul 13|"|"|"||T:5
MatMulInteger 10|A:T1 B:T2 a_zero_point:T1? b_zero_point:T2?|Y:T3|2 4 1 1||T1:37 T2:37 T3:38
Max 1|data_0:T*|max:T|1  1 1|consumed_inputs:ints|T:0
Max 6|"|"|"||"
Max 8|"|"|"||"
Max 12|"|"|"||T:1
Max 13|"|"|"||T:2
MaxPool 1|X:T|Y:T|1 1 1 1|auto_pad:string kernel_shape:ints! pads:ints strides:ints|T:0
MaxPool 8|"|Y:T Indices:I?|1 1 1 2|auto_pad:string kernel_shape:ints! pads:ints storage_order:int strides:ints|T:0 I:6
MaxPool 10|"|"|"|auto_pad:string ceil_mode:int dilations:ints kernel_shape:ints! pads:ints storage_order:int strides:ints|"
MaxPool 11|"|"|"|"|"
MaxPool 12|"|"|"|"|T:60 I:6
MaxPool 22|"|"|"|"|T:61 I:6
MaxRoiPool 1|X:T rois:T|Y:T|2 2 1 1|pooled_shape:ints! spatial_scale:float|T:0
MaxRoiPool 22|"|"|"|"|T:3
MaxUnpool 9|X:T1 I:T2 output_shape:T2?|output:T1|2 3 1 1|kernel_shape:ints! pads:ints strides:ints|T1:0 T2:6
MaxUnpool 11|"|"|"|"|"
MaxUnpool 22|"|"|"|"|T1:3 T2:6
Mean 1|data_0:T*|mean:T|1  1 1|consumed_inputs:ints|T:0
Mean 6|"|"|"||"
Mean 8|"|"|"||"
Mean 13|"|"|"||T:3
MeanVarianceNormalization 9|X:T|Y:T|1 1 1 1|axes:ints|T:0
MeanVarianceNormalization 13|"|"|"|"|T:3
MelWeightMatrix 17|num_mel_bins:T1 dft_length:T1 sample_rate:T1 lower_edge_hertz:T2 upper_edge_hertz:T2|output:T3|5 5 1 1|output_datatype:int|T1:12 T2:3 T3:2
Min 1|data_0:T*|min:T|1  1 1|consumed_inputs:ints|T:0
Min 6|"|"|"||"
Min 8|"|"|"||"
Min 12|"|"|"||T:1
Min 13|"|"|"||T:2
Mish 18|X:T|Y:T|1 1 1 1||T:0
Mish 22|"|"|"||T:3
Mod 10|A:T B:T|C:T|2 2 1 1|fmod:int|T:1
Mod 13|"|"|"|"|T:2
Mod 28|"|"|"|"|"
Mul 1|A:T B:T|C:T|2 2 1 1|axis:int broadcast:int consumed_inputs:ints|T:0
Mul 6|"|"|"|axis:int broadcast:int|T:4
Mul 7|"|"|"||"
Mul 13|"|"|"||T:5
Mul 14|"|"|"||T:2
Multinomial 7|input:T1|output:T2|1 1 1 1|dtype:int sample_size:int seed:float|T1:0 T2:12
Multinomial 22|"|"|"|"|T1:3 T2:12
Neg 1|X:T|Y:T|1 1 1 1|consumed_inputs:ints|T:0
Neg 6|"|"|"||T:62
Neg 13|"|"|"||T:63
NegativeLogLikelihoodLoss 12|input:T target:Tind weight:T?|loss:T|2 3 1 1|ignore_index:int reduction:string|T:0 Tind:12
NegativeLogLikelihoodLoss 13|"|"|"|"|"
NegativeLogLikelihoodLoss 22|"|"|"|"|T:3 Tind:12
NonMaxSuppression 10|boxes:=float32 scores:=float32 max_output_boxes_per_class:=int64? iou_threshold:=float32? score_threshold:=float32?|selected_indices:=int64|2 5 1 1|center_point_box:int
NonMaxSuppression 11|"|"|"|"
NonZero 9|X:T|Y:=int64|1 1 1 1||T:25
NonZero 13|"|"|"||T:24
Not 1|X:T|Y:T|1 1 1 1||T:7
OneHot 9|indices:T1 depth:T2 values:T3|output:T3|3 3 1 1|axis:int|T1:1 T2:1 T3:25
OneHot 11|"|"|"|"|"
OneHot 28|"|"|"|"|T1:1 T2:1 T3:24
Optional 15|input:V?|output:O|0 1 1 1|type:type|V:57 O:64
Optional 28|"|"|"|"|V:65 O:64
OptionalGetElement 15|input:O|output:V|1 1 1 1||O:64 V:57
OptionalGetElement 18|"|"|"||O:66 V:57
OptionalGetElement 28|"|"|"||O:67 V:65
OptionalHasElement 15|input:O|output:B|1 1 1 1||O:64 B:7
OptionalHasElement 18|input:O?|"|0 1 1 1||O:66 B:7
OptionalHasElement 28|"|"|"||O:67 B:7
Or 1|A:T B:T|C:T1|2 2 1 1|axis:int broadcast:int|T:7 T1:7
Or 7|"|"|"||"
PRelu 1|X:T slope:T|Y:T|2 2 1 1|consumed_inputs:ints|T:0
PRelu 6|"|"|"||"
PRelu 7|"|"|"||"
PRelu 9|"|"|"||T:4
PRelu 16|"|"|"||T:5
Pad 1|data:T|output:T|1 1 1 1|mode:string paddings:ints! value:float|T:0
Pad 2|"|"|"|mode:string pads:ints! value:float|"
Pad 11|data:T pads:=int64 constant_value:T?|"|2 3 1 1|mode:string|T:1
Pad 13|"|"|"|"|T:24
Pad 18|data:T pads:=int64 constant_value:T? axes:Tind?|"|2 4 1 1|"|T:24 Tind:12
Pad 19|"|"|"|"|"
Pad 21|"|"|"|"|T:28 Tind:12
Pad 23|"|"|"|"|T:29 Tind:12
Pad 24|"|"|"|"|T:30 Tind:12
Pad 25|"|"|"|"|T:31 Tind:12
Pow 1|X:T Y:T|Z:T|2 2 1 1|axis:int broadcast:int|T:0
Pow 7|"|"|"||"
Pow 12|X:T Y:T1|"|"||T:68 T1:1
Pow 13|"|"|"||T:69 T1:1
Pow 15|"|"|"||T:69 T1:2
QLinearConv 10|x:T1 x_scale:=float32 x_zero_point:T1 w:T2 w_scale:=float32 w_zero_point:T2 y_scale:=float32 y_zero_point:T3 B:T4?|y:T3|8 9 1 1|auto_pad:string dilations:ints group:int kernel_shape:ints pads:ints strides:ints|T1:37 T2:37 T3:37 T4:38
QLinearMatMul 10|a:T1 a_scale:=float32 a_zero_point:T1 b:T2 b_scale:=float32 b_zero_point:T2 y_scale:=float32 y_zero_point:T3|y:T3|8 8 1 1||T1:37 T2:37 T3:37
QLinearMatMul 21|a:T1 a_scale:TS a_zero_point:T1 b:T2 b_scale:TS b_zero_point:T2 y_scale:TS y_zero_point:T3|"|"||TS:22 T1:70 T2:70 T3:70
QuantizeLinear 10|x:T1 y_scale:=float32 y_zero_point:T2?|y:T2|2 3 1 1||T1:71 T2:37
QuantizeLinear 13|"|"|"|axis:int|"
QuantizeLinear 19|x:T1 y_scale:T1 y_zero_point:T2?|"|"|axis:int saturate:int|T1:72 T2:70
QuantizeLinear 21|"|"|"|axis:int block_size:int output_dtype:int saturate:int|T1:72 T2:73
QuantizeLinear 23|x:T1 y_scale:T2 y_zero_point:T3?|y:T3|"|axis:int block_size:int output_dtype:int precision:int saturate:int|T1:72 T2:72 T3:74
QuantizeLinear 24|"|"|"|"|T1:72 T2:75 T3:74
QuantizeLinear 25|"|"|"|"|T1:72 T2:75 T3:76
QuantizeLinear 28|"|"|"|"|T1:72 T2:75 T3:77
RMSNormalization 23|X:T scale:V|Y:V|2 2 1 1|axis:int epsilon:float stash_type:int|T:3 V:3
RNN 1|X:T W:T R:T B:T? sequence_lens:T1? initial_h:T?|Y:T? Y_h:T?|3 6 0 2|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int output_sequence:int|T:0 T1:38
RNN 7|"|"|"|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int|"
RNN 14|"|"|"|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int layout:int|"
RNN 22|"|"|"|"|T:3 T1:38
RandomNormal 1||output:T|0 0 1 1|dtype:int mean:float scale:float seed:float shape:ints!|T:0
RandomNormal 22||"|"|"|T:3
RandomNormalLike 1|input:T1|output:T2|1 1 1 1|dtype:int mean:float scale:float seed:float|T1:25 T2:0
RandomNormalLike 22|"|"|"|"|T1:24 T2:3
RandomUniform 1||output:T|0 0 1 1|dtype:int high:float low:float seed:float shape:ints!|T:0
RandomUniform 22||"|"|"|T:3
RandomUniformLike 1|input:T1|output:T2|1 1 1 1|dtype:int high:float low:float seed:float|T1:25 T2:0
RandomUniformLike 22|"|"|"|"|T1:24 T2:3
Range 11|start:T limit:T delta:T|output:T|3 3 1 1||T:78
Range 27|"|"|"|stash_type:int|T:79
Reciprocal 1|X:T|Y:T|1 1 1 1|consumed_inputs:ints|T:0
Reciprocal 6|"|"|"||"
Reciprocal 13|"|"|"||T:3
ReduceL1 1|data:T|reduced:T|1 1 1 1|axes:ints keepdims:int|T:4
ReduceL1 11|"|"|"|"|"
ReduceL1 13|"|"|"|"|T:5
ReduceL1 18|data:T axes:=int64?|"|1 2 1 1|keepdims:int noop_with_empty_axes:int|"
ReduceL2 1|data:T|reduced:T|1 1 1 1|axes:ints keepdims:int|T:4
ReduceL2 11|"|"|"|"|"
ReduceL2 13|"|"|"|"|T:5
ReduceL2 18|data:T axes:=int64?|"|1 2 1 1|keepdims:int noop_with_empty_axes:int|"
ReduceLogSum 1|data:T|reduced:T|1 1 1 1|axes:ints keepdims:int|T:4
ReduceLogSum 11|"|"|"|"|"
ReduceLogSum 13|"|"|"|"|T:5
ReduceLogSum 18|data:T axes:=int64?|"|1 2 1 1|keepdims:int noop_with_empty_axes:int|"
ReduceLogSum 28|"|"|"|"|T:3
ReduceLogSumExp 1|data:T|reduced:T|1 1 1 1|axes:ints keepdims:int|T:4
ReduceLogSumExp 11|"|"|"|"|"
ReduceLogSumExp 13|"|"|"|"|T:5
ReduceLogSumExp 18|data:T axes:=int64?|"|1 2 1 1|keepdims:int noop_with_empty_axes:int|"
ReduceLogSumExp 28|"|"|"|"|T:3
ReduceMax 1|data:T|reduced:T|1 1 1 1|axes:ints keepdims:int|T:4
ReduceMax 11|"|"|"|"|"
ReduceMax 12|"|"|"|"|T:80
ReduceMax 13|"|"|"|"|T:81
ReduceMax 18|data:T axes:=int64?|"|1 2 1 1|keepdims:int noop_with_empty_axes:int|"
ReduceMax 20|"|"|"|"|T:82
ReduceMean 1|data:T|reduced:T|1 1 1 1|axes:ints keepdims:int|T:4
ReduceMean 11|"|"|"|"|"
ReduceMean 13|"|"|"|"|T:5
ReduceMean 18|data:T axes:=int64?|"|1 2 1 1|keepdims:int noop_with_empty_axes:int|"
ReduceMin 1|data:T|reduced:T|1 1 1 1|axes:ints keepdims:int|T:4
ReduceMin 11|"|"|"|"|"
ReduceMin 12|"|"|"|"|T:80
ReduceMin 13|"|"|"|"|T:81
ReduceMin 18|data:T axes:=int64?|"|1 2 1 1|keepdims:int noop_with_empty_axes:int|"
ReduceMin 20|"|"|"|"|T:82
ReduceProd 1|data:T|reduced:T|1 1 1 1|axes:ints keepdims:int|T:4
ReduceProd 11|"|"|"|"|"
ReduceProd 13|"|"|"|"|T:5
ReduceProd 18|data:T axes:=int64?|"|1 2 1 1|keepdims:int noop_with_empty_axes:int|"
ReduceSum 1|data:T|reduced:T|1 1 1 1|axes:ints keepdims:int|T:4
ReduceSum 11|"|"|"|"|"
ReduceSum 13|data:T axes:=int64?|"|1 2 1 1|keepdims:int noop_with_empty_axes:int|T:5
ReduceSumSquare 1|data:T|reduced:T|1 1 1 1|axes:ints keepdims:int|T:4
ReduceSumSquare 11|"|"|"|"|"
ReduceSumSquare 13|"|"|"|"|T:5
ReduceSumSquare 18|data:T axes:=int64?|"|1 2 1 1|keepdims:int noop_with_empty_axes:int|"
RegexFullMatch 20|X:T1|Y:T2|1 1 1 1|pattern:string|T1:83 T2:7
Relu 1|X:T|Y:T|1 1 1 1|consumed_inputs:ints|T:0
Relu 6|"|"|"||"
Relu 13|"|"|"||T:3
Relu 14|"|"|"||T:63
Reshape 1|data:T|reshaped:T|1 1 1 1|consumed_inputs:ints shape:ints|T:0
Reshape 5|data:T shape:=int64|"|2 2 1 1||T:25
Reshape 13|"|"|"||T:24
Reshape 14|"|"|"|allowzero:int|"
Reshape 19|"|"|"|"|T:27
Reshape 21|"|"|"|"|T:28
Reshape 23|"|"|"|"|T:29
Reshape 24|"|"|"|"|T:30
Reshape 25|"|"|"|"|T:31
Resize 10|X:T scales:=float32|Y:T|2 2 1 1|mode:string|T:25
Resize 11|X:T1 roi:T2 scales:=float32 sizes:=int64?|Y:T1|3 4 1 1|coordinate_transformation_mode:string cubic_coeff_a:float exclude_outside:int extrapolation_value:float mode:string nearest_mode:string|T1:25 T2:0
Resize 13|X:T1 roi:T2? scales:=float32? sizes:=int64?|"|1 4 1 1|"|T1:24 T2:0
Resize 18|"|"|"|antialias:int axes:ints coordinate_transformation_mode:string cubic_coeff_a:float exclude_outside:int extrapolation_value:float keep_aspect_ratio_policy:string mode:string nearest_mode:string|"
Resize 19|"|"|"|"|"
ReverseSequence 10|input:T sequence_lens:=int64|Y:T|2 2 1 1|batch_axis:int time_axis:int|T:25
ReverseSequence 28|"|"|"|"|T:24
RoiAlign 10|X:T1 rois:T1 batch_indices:T2|Y:T1|3 3 1 1|mode:string output_height:int output_width:int sampling_ratio:int spatial_scale:float|T1:0 T2:6
RoiAlign 16|"|"|"|coordinate_transformation_mode:string mode:string output_height:int output_width:int sampling_ratio:int spatial_scale:float|"
RoiAlign 22|"|"|"|"|T1:3 T2:6
RotaryEmbedding 23|X:T cos_cache:T sin_cache:T position_ids:M?|Y:T|3 4 1 1|interleaved:int num_heads:int rotary_embedding_dim:int|T:22 M:6
Round 11|X:T|Y:T|1 1 1 1||T:0
Round 22|"|"|"||T:3
STFT 17|signal:T1 frame_step:T2 window:T1? frame_length:T2?|output:T1|2 4 1 1|onesided:int|T1:3 T2:12
Scan 8|sequence_lens:I? initial_state_and_scan_inputs:V*|final_state_and_scan_outputs:V*|2  1 |body:graph! directions:ints num_scan_inputs:int!|I:6 V:25
Scan 9|initial_state_and_scan_inputs:V*|"|1  1 |body:graph! num_scan_inputs:int! scan_input_axes:ints scan_input_directions:ints scan_output_axes:ints scan_output_directions:ints|V:25
Scan 11|"|"|"|"|"
Scan 16|"|"|"|"|V:24
Scan 19|"|"|"|"|V:27
Scan 21|"|"|"|"|V:28
Scan 23|"|"|"|"|V:29
Scan 24|"|"|"|"|V:30
Scan 25|"|"|"|"|V:31
Scatter 9|data:T indices:Tind updates:T|output:T|3 3 1 1|axis:int|T:25 Tind:12
Scatter 11|"|"|"|"|"|deprecated
ScatterElements 11|data:T indices:Tind updates:T|output:T|3 3 1 1|axis:int|T:25 Tind:12
ScatterElements 13|"|"|"|"|T:24 Tind:12
ScatterElements 16|"|"|"|axis:int reduction:string|"
ScatterElements 18|"|"|"|"|"
ScatterND 11|data:T indices:=int64 updates:T|output:T|3 3 1 1||T:25
ScatterND 13|"|"|"||T:24
ScatterND 16|"|"|"|reduction:string|"
ScatterND 18|"|"|"|"|"
Selu 1|X:T|Y:T|1 1 1 1|alpha:float consumed_inputs:ints gamma:float|T:0
Selu 6|"|"|"|alpha:float gamma:float|"
Selu 22|"|"|"|"|T:3
SequenceAt 11|input_sequence:S position:I|tensor:T|2 2 1 1||S:26 T:25 I:12
SequenceConstruct 11|inputs:T*|output_sequence:S|1  1 1||T:25 S:26
SequenceEmpty 11||output:S|0 0 1 1|dtype:int|S:26
SequenceErase 11|input_sequence:S position:I?|output_sequence:S|1 2 1 1||S:26 I:12
SequenceInsert 11|input_sequence:S tensor:T position:I?|output_sequence:S|2 3 1 1||T:25 S:26 I:12
SequenceLength 11|input_sequence:S|length:I|1 1 1 1||S:26 I:6
SequenceMap 17|input_sequence:S additional_inputs:V*|out_sequence:S*|1  1 |body:graph!|S:26 V:57
Shape 1|data:T|shape:T1|1 1 1 1||T:25 T1:6
Shape 13|"|"|"||T:24 T1:6
Shape 15|"|"|"|end:int start:int|"
Shape 19|"|"|"|"|T:27 T1:6
Shape 21|"|"|"|"|T:28 T1:6
Shape 23|"|"|"|"|T:29 T1:6
Shape 24|"|"|"|"|T:30 T1:6
Shape 25|"|"|"|"|T:31 T1:6
Shrink 9|input:T|output:T|1 1 1 1|bias:float lambd:float|T:1
Sigmoid 1|X:T|Y:T|1 1 1 1|consumed_inputs:ints|T:0
Sigmoid 6|"|"|"||"
Sigmoid 13|"|"|"||T:3
Sign 9|input:T|output:T|1 1 1 1||T:1
Sign 13|"|"|"||T:2
Sin 7|input:T|output:T|1 1 1 1||T:0
Sin 22|"|"|"||T:3
Sinh 9|input:T|output:T|1 1 1 1||T:0
Sinh 22|"|"|"||T:3
Size 1|data:T|size:T1|1 1 1 1||T:25 T1:6
Size 13|"|"|"||T:24 T1:6
Size 19|"|"|"||T:27 T1:6
Size 21|"|"|"||T:28 T1:6
Size 23|"|"|"||T:29 T1:6
Size 24|"|"|"||T:30 T1:6
Size 25|"|"|"||T:31 T1:6
Slice 1|data:T|output:T|1 1 1 1|axes:ints ends:ints! starts:ints!|T:25
Slice 10|data:T starts:Tind ends:Tind axes:Tind? steps:Tind?|"|3 5 1 1||T:25 Tind:12
Slice 11|"|"|"||"
Slice 13|"|"|"||T:24 Tind:12
Softmax 1|input:T|output:T|1 1 1 1|axis:int|T:0
Softmax 11|"|"|"|"|"
Softmax 13|"|"|"|"|T:3
SoftmaxCrossEntropyLoss 12|scores:T labels:Tind weights:T?|output:T log_prob:T?|2 3 1 2|ignore_index:int reduction:string|T:0 Tind:12
SoftmaxCrossEntropyLoss 13|"|"|"|"|T:3 Tind:12
Softplus 1|X:T|Y:T|1 1 1 1||T:0
Softplus 22|"|"|"||T:3
Softsign 1|input:T|output:T|1 1 1 1||T:0
Softsign 22|"|"|"||T:3
SpaceToDepth 1|input:T|output:T|1 1 1 1|blocksize:int!|T:25
SpaceToDepth 13|"|"|"|"|T:24
SpaceToDepth 28|"|"|"|blocksize:int! mode:string|"
Split 1|input:T split:T?|outputs:T*|1 2 1 |axis:int split:ints|T:0
Split 2|input:T|"|1 1 1 |"|T:25
Split 11|"|"|"|"|"
Split 13|input:T split:=int64?|"|1 2 1 |axis:int|T:24
Split 18|"|"|"|axis:int num_outputs:int|"
SplitToSequence 11|input:T split:I?|output_sequence:S|1 2 1 1|axis:int keepdims:int|T:25 I:12 S:26
SplitToSequence 24|"|"|"|"|T:24 I:12 S:26
Sqrt 1|X:T|Y:T|1 1 1 1|consumed_inputs:ints|T:0
Sqrt 6|"|"|"||"
Sqrt 13|"|"|"||T:3
Squeeze 1|data:T|squeezed:T|1 1 1 1|axes:ints|T:25
Squeeze 11|"|"|"|"|"
Squeeze 13|data:T axes:=int64?|"|1 2 1 1||T:24
Squeeze 21|"|"|"||T:28
Squeeze 23|"|"|"||T:29
Squeeze 24|"|"|"||T:30
Squeeze 25|"|"|"||T:31
StringConcat 20|X:T Y:T|Z:T|2 2 1 1||T:83
StringNormalizer 10|X:=string|Y:=string|1 1 1 1|case_change_action:string is_case_sensitive:int locale:string stopwords:strings
StringSplit 20|X:T1|Y:T2 Z:T3|1 1 2 2|delimiter:string maxsplit:int|T1:83 T2:83 T3:6
Sub 1|A:T B:T|C:T|2 2 1 1|axis:int broadcast:int consumed_inputs:ints|T:0
Sub 6|"|"|"|axis:int broadcast:int|T:4
Sub 7|"|"|"||"
Sub 13|"|"|"||T:5
Sub 14|"|"|"||T:2
Sum 1|data_0:T*|sum:T|1  1 1|consumed_inputs:ints|T:0
Sum 6|"|"|"||"
Sum 8|"|"|"||"
Sum 13|"|"|"||T:3
SwiGLU 28|A:T B:T|Y:T|2 2 1 1|alpha:float|T:3
Swish 24|X:T|Y:T|1 1 1 1|alpha:float|T:3
Tan 7|input:T|output:T|1 1 1 1||T:0
Tan 22|"|"|"||T:3
Tanh 1|input:T|output:T|1 1 1 1|consumed_inputs:ints|T:0
Tanh 6|"|"|"||"
Tanh 13|"|"|"||T:3
TensorScatter 24|past_cache:T update:T write_indices:=int64?|present_cache:T|2 3 1 1|axis:int mode:string|T:30
TfIdfVectorizer 9|X:T|Y:T1|1 1 1 1|max_gram_length:int! max_skip_count:int! min_gram_length:int! mode:string! ngram_counts:ints! ngram_indexes:ints! pool_int64s:ints pool_strings:strings weights:floats|T:84 T1:23
ThresholdedRelu 10|X:T|Y:T|1 1 1 1|alpha:float|T:0
ThresholdedRelu 22|"|"|"|"|T:3
Tile 1|input:T tiles:T axis:T|output:T|3 3 1 1||T:0 T1:6
Tile 6|input:T repeats:T1|"|2 2 1 1||T:25 T1:6
Tile 13|"|"|"||T:24 T1:6
TopK 1|X:T|Values:T Indices:I|1 1 2 2|axis:int k:int!|T:0 I:6
TopK 10|X:T K:=int64|"|2 2 2 2|axis:int|"
TopK 11|"|"|"|axis:int largest:int sorted:int|T:1 I:6
TopK 24|"|"|"|"|T:2 I:6
Transpose 1|data:T|transposed:T|1 1 1 1|perm:ints|T:25
Transpose 13|"|"|"|"|T:24
Transpose 21|"|"|"|"|T:28
Transpose 23|"|"|"|"|T:29
Transpose 24|"|"|"|"|T:30
Transpose 25|"|"|"|"|T:31
Trilu 14|input:T k:=int64?|output:T|1 2 1 1|upper:int|T:24
Unique 11|X:T|Y:T indices:=int64? inverse_indices:=int64? counts:=int64?|1 1 1 4|axis:int sorted:int|T:25
Unique 28|"|"|"|"|T:24
Unsqueeze 1|data:T|expanded:T|1 1 1 1|axes:ints!|T:25
Unsqueeze 11|"|"|"|"|"
Unsqueeze 13|data:T axes:=int64|"|2 2 1 1||T:24
Unsqueeze 21|"|"|"||T:28
Unsqueeze 23|"|"|"||T:29
Unsqueeze 24|"|"|"||T:30
Unsqueeze 25|"|"|"||T:31
Upsample 1|X:T|Y:T|1 1 1 1|height_scale:float! mode:string width_scale:float!|T:85
Upsample 7|"|"|"|mode:string scales:floats!|T:25
Upsample 9|X:T scales:=float32|"|2 2 1 1|mode:string|"
Upsample 10|"|"|"|"|"|deprecated
Where 9|condition:B X:T Y:T|output:T|3 3 1 1||B:7 T:25
Where 16|"|"|"||B:7 T:24
Xor 1|A:T B:T|C:T1|2 2 1 1|axis:int broadcast:int|T:7 T1:7
Xor 7|"|"|"||"
@ai.onnx.ml
ArrayFeatureExtractor 1|X:T Y:=int64|Z:T|2 2 1 1||T:86
Binarizer 1|X:T|Y:T|1 1 1 1|threshold:float|T:87
CastMap 1|X:T1|Y:T2|1 1 1 1|cast_to:string map_form:string max_map:int|T1:88 T2:89
CategoryMapper 1|X:T1|Y:T2|1 1 1 1|cats_int64s:ints cats_strings:strings default_int64:int default_string:string|T1:90 T2:90
DictVectorizer 1|X:T1|Y:T2|1 1 1 1|int64_vocabulary:ints string_vocabulary:strings|T1:88 T2:91
FeatureVectorizer 1|X:T1*|Y:=float32|1  1 1|inputdimensions:ints|T1:87
Imputer 1|X:T|Y:T|1 1 1 1|imputed_value_floats:floats imputed_value_int64s:ints replaced_value_float:float replaced_value_int64:int|T:87
LabelEncoder 1|X:T1|Y:T2|1 1 1 1|classes_strings:strings default_int64:int default_string:string|T1:90 T2:90
LabelEncoder 2|"|"|"|default_float:float default_int64:int default_string:string keys_floats:floats keys_int64s:ints keys_strings:strings values_floats:floats values_int64s:ints values_strings:strings|T1:89 T2:89
LabelEncoder 4|"|"|"|default_float:float default_int64:int default_string:string default_tensor:tensor keys_floats:floats keys_int64s:ints keys_strings:strings keys_tensor:tensor values_floats:floats values_int64s:ints values_strings:strings values_tensor:tensor|T1:92 T2:92
LinearClassifier 1|X:T1|Y:T2 Z:=float32|1 1 2 2|classlabels_ints:ints classlabels_strings:strings coefficients:floats! intercepts:floats multi_class:int post_transform:string|T1:87 T2:90
LinearRegressor 1|X:T|Y:=float32|1 1 1 1|coefficients:floats intercepts:floats post_transform:string targets:int|T:87
Normalizer 1|X:T|Y:=float32|1 1 1 1|norm:string|T:87
OneHotEncoder 1|X:T|Y:=float32|1 1 1 1|cats_int64s:ints cats_strings:strings zeros:int|T:86
SVMClassifier 1|X:T1|Y:T2 Z:=float32|1 1 2 2|classlabels_ints:ints classlabels_strings:strings coefficients:floats kernel_params:floats kernel_type:string post_transform:string prob_a:floats prob_b:floats rho:floats support_vectors:floats vectors_per_class:ints|T1:87 T2:90
SVMRegressor 1|X:T|Y:=float32|1 1 1 1|coefficients:floats kernel_params:floats kernel_type:string n_supports:int one_class:int post_transform:string rho:floats support_vectors:floats|T:87
Scaler 1|X:T|Y:=float32|1 1 1 1|offset:floats scale:floats|T:87
TreeEnsemble 5|X:T|Y:T|1 1 1 1|aggregate_function:int leaf_targetids:ints! leaf_weights:tensor! membership_values:tensor n_targets:int nodes_falseleafs:ints! nodes_falsenodeids:ints! nodes_featureids:ints! nodes_hitrates:tensor nodes_missing_value_tracks_true:ints nodes_modes:tensor! nodes_splits:tensor! nodes_trueleafs:ints! nodes_truenodeids:ints! post_transform:int tree_roots:ints!|T:0
TreeEnsembleClassifier 1|X:T1|Y:T2 Z:=float32|1 1 2 2|base_values:floats class_ids:ints class_nodeids:ints class_treeids:ints class_weights:floats classlabels_int64s:ints classlabels_strings:strings nodes_falsenodeids:ints nodes_featureids:ints nodes_hitrates:floats nodes_missing_value_tracks_true:ints nodes_modes:strings nodes_nodeids:ints nodes_treeids:ints nodes_truenodeids:ints nodes_values:floats post_transform:string|T1:87 T2:90
TreeEnsembleClassifier 3|"|"|"|base_values:floats base_values_as_tensor:tensor class_ids:ints class_nodeids:ints class_treeids:ints class_weights:floats class_weights_as_tensor:tensor classlabels_int64s:ints classlabels_strings:strings nodes_falsenodeids:ints nodes_featureids:ints nodes_hitrates:floats nodes_hitrates_as_tensor:tensor nodes_missing_value_tracks_true:ints nodes_modes:strings nodes_nodeids:ints nodes_treeids:ints nodes_truenodeids:ints nodes_values:floats nodes_values_as_tensor:tensor post_transform:string|"
TreeEnsembleClassifier 5|"|"|"|"|"|deprecated
TreeEnsembleRegressor 1|X:T|Y:=float32|1 1 1 1|aggregate_function:string base_values:floats n_targets:int nodes_falsenodeids:ints nodes_featureids:ints nodes_hitrates:floats nodes_missing_value_tracks_true:ints nodes_modes:strings nodes_nodeids:ints nodes_treeids:ints nodes_truenodeids:ints nodes_values:floats post_transform:string target_ids:ints target_nodeids:ints target_treeids:ints target_weights:floats|T:87
TreeEnsembleRegressor 3|"|"|"|aggregate_function:string base_values:floats base_values_as_tensor:tensor n_targets:int nodes_falsenodeids:ints nodes_featureids:ints nodes_hitrates:floats nodes_hitrates_as_tensor:tensor nodes_missing_value_tracks_true:ints nodes_modes:strings nodes_nodeids:ints nodes_treeids:ints nodes_truenodeids:ints nodes_values:floats nodes_values_as_tensor:tensor post_transform:string target_ids:ints target_nodeids:ints target_treeids:ints target_weights:floats target_weights_as_tensor:tensor|"
TreeEnsembleRegressor 5|"|"|"|"|"|deprecated
ZipMap 1|X:=float32|Z:T|1 1 1 1|classlabels_int64s:ints classlabels_strings:strings|T:26
@com.microsoft
Attention 1|input:T weights:T bias:T? mask_index:M? past:T? attention_bias:T? past_sequence_length:M?|output:T present:T?|2 7 1 2|do_rotary:int mask_filter_value:float num_heads:int! past_present_share_buffer:int qkv_hidden_sizes:ints rotary_embedding_dim:int scale:float unidirectional:int|T:22 M:38
AttnLSTM 1|X:T W:T R:T B:T? sequence_lens:T1? initial_h:T? initial_c:T? P:T? QW:T? MW:T? V:T? M:T? memory_seq_lens:T1? AW:T?|Y:T? Y_h:T? Y_c:T?|3 14 0 3|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int input_forget:int|T:58 T1:38
BeamSearch 1|input_ids:F max_length:I min_length:I? num_beams:I num_return_sequences:I length_penalty:T? repetition_penalty:T? vocab_mask:M? prefix_vocab_mask:M? attention_mask:I? decoder_input_ids:I? logits_processor:I?|sequences:I sequences_scores:T? scores:T?|5 12 1 3|decoder:graph! decoder_start_token_id:int early_stopping:int encoder:graph eos_token_id:int! init_decoder:graph model_type:int no_repeat_ngram_size:int pad_token_id:int! vocab_size:int|T:93 F:94 I:38 M:38
BiasAdd 1|X:T bias:T skip:T|Y:T|3 3 1 1||T:93
BiasDropout 1|data:T bias:T residual:T? ratio:T1? training_mode:T2?|output:T mask:T2?|2 5 1 2|seed:int|T:3 T1:3 T2:7
BiasGelu 1|A:T B:T|C:T|2 2 1 1||T:3
BiasSoftmax 1|data:T bias:T|output:T|2 2 1 1|axis:int is_inner_broadcast:int!|T:0
BiasSplitGelu 1|X:T bias:T|Y:T|2 2 1 1||T:93
BifurcationDetector 1|src_tokens:T cur_tokens:T prev_suffix_match_idx:T pred_tokens:T?|tokens:T suffix_match_idx:T|3 4 2 2|max_ngram_size:int min_ngram_size:int|T:6
BitmaskBiasDropout 1|data:T bias:T residual:T? ratio:T1? training_mode:T2?|output:T mask:T3?|2 5 1 2|seed:int|T:3 T1:3 T2:7 T3:95
BitmaskDropout 1|data:T ratio:T1? training_mode:T2?|output:T mask:T3?|1 3 1 2|seed:int|T:3 T1:3 T2:7 T3:95
BranchwiseRMSNorm 1|X:T scale:M?|Y:T|1 2 1 1|epsilon:float num_branches:int|T:22 M:22
CDist 1|A:T B:T|C:T|2 2 1 1|metric:string|T:58
CausalConvWithState 1|input:T weight:T bias:T? past_state:T?|output:T present_state:T|2 4 2 2|activation:string channels_last:int dilation:int ndim:int state_window:int|T:22
ComplexMul 1|A:T B:T|C:T|2 2 1 1||T:0
ComplexMulConj 1|A:T B:T|C:T|2 2 1 1||T:0
ConvTransposeWithDynamicPads 1|X:T W:T Pads:=int64? B:T?|Y:T|2 4 1 1|auto_pad:string dilations:ints group:int kernel_shape:ints output_padding:ints strides:ints|T:0
CropAndResize 1|X:T1 rois:T1 batch_indices:T2 crop_size:T2|Y:T1|4 4 1 1|extrapolation_value:float mode:string|T1:0 T2:38
DecoderAttention 1|query:T key:T q_weight:T kv_weight:T bias:T key_padding_mask:B? key_cache:T? value_cache:T? static_kv:B use_past:B has_layer_state:B has_key_padding_mask:B|output:T new_key_cache:T? new_value_cache:T?|12 12 1 3|mask_filter_value:float num_heads:int!|T:93 B:7
DecoderMaskedMultiHeadAttention 1|query:T key:T? value:T? mask_index:M? attention_bias:T? past_key:T? past_value:T? past_sequence_length:M? beam_width:M? cache_indirection:M? bias:T?|output:T present_key:T? present_value:T? qk:QK?|1 11 1 4|mask_filter_value:float num_heads:int! output_qk:int past_present_share_buffer:int scale:float|T:93 QK:93 M:38
DecoderMaskedSelfAttention 1|input:T weights:T bias:T mask_index:M? past:T attention_bias:T? past_sequence_length:M beam_width:M? cache_indirection:M?|output:T present:T|7 9 2 2|do_rotary:int mask_filter_value:float num_heads:int! past_present_share_buffer:int scale:float|T:93 M:38
DequantizeBFP 1|x:T1 shape:T2 strides:T2|y:T3|3 3 1 1|bfp_type:int! block_dim:int dtype:int|T1:48 T2:6 T3:22
DequantizeLinear 1|x:T1 x_scale:T2 x_zero_point:T1?|y:T2|2 3 1 1|axis:int|T1:96 T2:93
DequantizeWithOrder 1|input:Q scale_input:S|output:F|2 2 1 1|order_input:int! order_output:int! to:int!|Q:97 F:93 S:23
DynamicQuantizeLSTM 1|X:T W:T2 R:T2 B:T? sequence_lens:T1? initial_h:T? initial_c:T? P:T? W_scale:T W_zero_point:T2 R_scale:T R_zero_point:T2|Y:T? Y_h:T? Y_c:T?|12 12 0 3|activation_alpha:floats activation_beta:floats activations:strings clip:float direction:string hidden_size:int input_forget:int|T:23 T1:38 T2:37
DynamicQuantizeMatMul 1|A:T1 B:T2 b_scale:T1 b_zero_point:T2? bias:T1?|Y:T1|3 5 1 1||T1:23 T2:37
DynamicSparseAttention 1|query:T key:T? value:T? past_key:T? past_value:T? auxiliary_key:T? auxiliary_value:T? selected_indices:M selected_counts:M seqlens_k:M total_sequence_length:M cos_cache:T? sin_cache:T? position_ids:=int64? q_norm_weight:T? k_norm_weight:T? head_sink:T?|output:T present_key:T? present_value:T?|11 17 1 3|attention_mode:string auxiliary_kv_shared:int do_rotary:int is_causal:int kv_num_heads:int! local_window_size:int num_heads:int! qk_norm_epsilon:float rotary_interleaved:int rotary_offset:int scale:float selected_kv_source:string smooth_softmax:int|T:22 M:38
DynamicTimeWarping 1|input:F|output:I|1 1 1 1||F:23 I:38
EPContext 1|inputs:T*|outputs:T*|0  1 |embed_mode:int ep_cache_context:string ep_sdk_version:string hardware_architecture:string main_context:int max_size:int notes:string onnx_model_filename:string partition_name:string source:string|T:8
EmbedLayerNormalization 1|input_ids:T1 segment_ids:T1? word_embedding:T position_embedding:T segment_embedding:T? gamma:T beta:T mask:T1? position_ids:T1?|output:T mask_index:T1? embedding_sum:T?|7 9 1 3|epsilon:float mask_index_type:int|T1:38 T:93
EngramGate 1|key:T query:T value:T key_norm_scale:T query_norm_scale:T conv_norm_scale:T?|output:T gated_value_normed:T?|5 6 1 2|epsilon:float|T:22
ExpandDims 1|X:T axis:=int32|Y:T|2 2 1 1||T:25
FastGelu 1|X:T bias:T?|Y:T|1 2 1 1||T:3
FusedConv 1|X:T W:T B:T? Z:T?|Y:T|2 4 1 1|activation:string activation_params:floats auto_pad:string dilations:ints group:int kernel_shape:ints pads:ints strides:ints|T:0
FusedGemm 1|A:T B:T C:T?|Y:T|2 3 1 1|activation:string activation_alpha:float activation_beta:float activation_gamma:float alpha:float beta:float transA:int transB:int|T:4
FusedMatMul 1|A:T B:T|Y:T|2 2 1 1|alpha:float transA:int transB:int transBatchA:int transBatchB:int|T:3
FusedMatMulActivation 1|A:T B:T|Y:T|2 2 1 1|activation:string! activation_alpha:float activation_axis:int activation_beta:float activation_gamma:float alpha:float transA:int transB:int transBatchA:int transBatchB:int|T:3
GatedAdd 1|X:T Y:T gate:T|output:T|3 3 1 1||T:22
GatedDeltaNet 1|query:T key:T? value:T? cu_seqlens:TI? decay:TS? beta:TS? initial_state:TS? a_log:TS? dt_bias:TS? capture_count:TI? state_update_active:TI?|output:T final_state:TS? state_update:TS?|1 11 1 3|beta_activation:string chunk_size:int gate_activation:string qk_l2_norm:int scale:float state_update_capacity:int update_rule:string|T:22 TS:23 TI:38
GatedRMSNorm 1|X:T scale:T gate:T|Y:T|3 3 1 1|activation:string epsilon:float|T:22
GatedRelativePositionBias 1|query_layer:T query_bias:T rel_pos:T weight:T bias:T eco_a:T token_offset:M?|output:T|6 7 1 1|num_heads:int!|T:93 M:38
GatherBlockQuantized 1|data:T1 indices:Tind scales:T2 zero_points:T1?|output:T2|3 4 1 1|bits:int block_size:int gather_axis:int quantize_axis:int|T1:98 T2:22 Tind:12
GatherND 1|data:T indices:Tind|output:T|2 2 1 1||T:25 Tind:12
Gelu 1|X:T|Y:T|1 1 1 1||T:3
GemmFastGelu 1|X:T W:T bias:T?|Y:T|2 3 1 1||T:22
GemmFloat8 1|A:TA B:TB C:TC? scaleA:TS? scaleB:TS? scaleY:TS?|Y:TR|2 6 1 1|activation:string alpha:float beta:float dtype:int transA:int transB:int|TA:99 TB:99 TC:22 TR:99 TS:23
GemmaRotaryEmbedding 1|emb:U q:T q_rot:T k:T k_rot:T|output1:T output2:T|5 5 2 2||T:100 U:23
GreedySearch 1|input_ids:I max_length:I min_length:I? repetition_penalty:T? vocab_mask:I? prefix_vocab_mask:I? attention_mask:I?|sequences:I|2 7 1 1|decoder:graph! decoder_start_token_id:int encoder:graph eos_token_id:int! init_decoder:graph model_type:int no_repeat_ngram_size:int pad_token_id:int! vocab_size:int|T:23 I:38
GridSample 1|X:T1 Grid:T1|Y:T2|2 2 1 1|align_corners:int mode:string padding_mode:string|T1:25 T2:0
GroupNorm 1|X:T gamma:M beta:M|Y:T|3 3 1 1|activation:int! channels_last:int epsilon:float groups:int!|T:93 M:93
GroupQueryAttention 1|query:T key:T? value:T? past_key:T_CACHE? past_value:T_CACHE? seqlens_k:M total_sequence_length:M cos_cache:T? sin_cache:T? position_ids:=int64? attention_bias:T? head_sink:T? k_scale:T_KV_SCALE? v_scale:T_KV_SCALE? q_norm_weight:T? k_norm_weight:T?|output:T present_key:T_CACHE? present_value:T_CACHE? output_qk:T?|7 16 1 4|causal:int do_rotary:int k_quant_type:string kv_cache_bit_width:int kv_num_heads:int! local_window_size:int num_heads:int! qk_norm_epsilon:float qk_output:int rotary_interleaved:int scale:float sliding_window_cache:int smooth_softmax:int softcap:float v_quant_type:string|T:22 T_CACHE:101 T_KV_SCALE:23 M:38
HyperConnectionPostMix 1|streams:T block_output:T post_mix:M stream_mix:M?|output:T|3 4 1 1|num_branches:int|T:22 M:22
HyperConnectionPreMix 1|streams:T pre_mix:M|output:T|2 2 1 1|num_branches:int reduction_scale:float|T:22 M:22
Inverse 1|X:T|Y:T|1 1 1 1||T:0
Irfft 1|X:T|Y:T|1 1 1 1|normalized:int onesided:int signal_ndim:int!|T:0
IsAllFinite 1|input:V*|output:T|1  1 1|isinf_only:int isnan_only:int|V:3 T:7
LinearAttention 1|query:T key:T value:T past_state:S? decay:T? beta:T?|output:T present_state:S|3 6 2 2|chunk_size:int kv_num_heads:int! q_num_heads:int! scale:float state_window:int update_rule:string|T:22 S:22
LinearAttentionGate 1|a:T dt_bias:TF decay_scale:TF b:T?|decay:T beta:T?|3 4 1 2||T:22 TF:23
LongformerAttention 1|input:T weight:T bias:T mask:T global_weight:T global_bias:T global:G|output:T|7 7 1 1|num_heads:int! window:int!|T:93 G:38
MRotaryEmbedding 1|input:T position_ids:M cos_cache:T sin_cache:T|output:T|4 4 1 1|interleaved:int is_packed_batching:int mrope_layout:int mrope_section:ints! num_heads:int rotary_embedding_dim:int scale:float|T:22 M:6
MatMulBlockQuantizedFp4Weight 1|A:T B:T1 weight_scale:T2 weight_scale_2:T3 input_scale:T3? bias:T?|Y:T|4 6 1 1|block_size:int|T:102 T1:48 T2:48 T3:23
MatMulBlockQuantizedFp8Weight 1|A:T B:T1 b_scale:T2 a_scale:T2? bias:T?|Y:T|3 5 1 1|block_size:int|T:102 T1:103 T2:23
MatMulBnb4 1|A:T1 B:T2 absmax:T1|Y:T1|3 3 1 1|K:int! N:int! block_size:int! quant_type:int! training_mode:int transB:int|T1:22 T2:48
MatMulFpQ4 1|A:T1 B:T2 B_shape:T3|Y:T1|3 3 1 1|blk_quant_type:int|T1:23 T2:48 T3:6
MatMulInteger16 1|A:T1 B:T2|Y:T3|2 2 1 1||T1:104 T2:104 T3:105
MatMulIntegerToFloat 1|A:T1 B:T2 a_scale:T3 b_scale:T3 a_zero_point:T1? b_zero_point:T2? bias:T3?|Y:T3|4 7 1 1||T1:37 T2:37 T3:93
MatMulNBits 1|A:T1 B:T2 scales:T1 zero_points:T3? g_idx:T4? bias:T1?|Y:T1|3 6 1 1|K:int! N:int! accuracy_level:int bits:int block_size:int! weight_prepacked:int|T1:22 T2:48 T3:106 T4:38
MatMulNBitsMlp 1|A:T1 skip:T1? norm_scale:T1? gate_B:T2 gate_scales:T1 gate_bias:T1? up_B:T2 up_scales:T1 up_bias:T1?|Y:T1 input_skip_bias_sum:T1?|8 9 1 2|K:int! N:int! accuracy_level:int activation:string! bits:int block_size:int! epsilon:float|T1:22 T2:48
MatMulNBitsQkv 1|A:T1 skip:T1? norm_scale:T1 q_B:T2 q_scales:T1 q_bias:T1? k_B:T2 k_scales:T1 k_bias:T1? v_B:T2 v_scales:T1 v_bias:T1?|Q:T1 K:T1 V:T1 input_skip_bias_sum:T1?|11 12 3 4|K:int! Nkv:int! Nq:int! accuracy_level:int bits:int block_size:int! epsilon:float|T1:22 T2:48
MaxpoolWithMask 1|X:T M:=int32|Y:T|2 2 1 1|auto_pad:string kernel_shape:ints pads:ints storage_order:int strides:ints|T:23
MoE 1|input:T router_probs:T fc1_experts_weights:T fc1_experts_bias:T? fc2_experts_weights:T fc2_experts_bias:T? fc3_experts_weights:T? fc3_experts_bias:T?|output:T|5 8 1 1|activation_alpha:float activation_beta:float activation_type:string k:int normalize_routing_weights:int swiglu_fusion:int swiglu_limit:float use_sparse_mixer:int|T:22
MulInteger 1|A:T A_zero_point:T? B:T B_zero_point:T?|C:T1|3 4 1 1||T:37 T1:38
MultiHeadAttention 1|query:T key:T? value:T? bias:T? key_padding_mask:M? attention_bias:T? past_key:T? past_value:T? past_sequence_length:M? cache_indirection:M?|output:T present_key:T? present_value:T? qk:QK?|1 10 1 4|mask_filter_value:float num_heads:int! scale:float unidirectional:int|T:22 QK:22 M:38
MurmurHash3 1|X:T1|Y:T2|1 1 1 1|positive:int seed:int|T1:107 T2:105
NGramHashMapping 1|input_ids:M multipliers:M vocab_sizes:M past_ids:M? head_offsets:M? eos_token_id:M? segment_ids:=int32?|hash_ids:M present_ids:M?|3 7 1 2|max_ngram_size:int! n_head_per_ngram:int! pad_id:int! reset_on_eos:int|M:12
NGramRepeatBlock 1|input_ids:Tid scores:T|scores_out:T|2 2 1 1|ngram_size:int!|Tid:6 T:23
NhwcConv 1|X:T W:T B:T?|Y:T|2 3 1 1|auto_pad:string dilations:ints group:int kernel_shape:ints pads:ints strides:ints|T:0
NhwcFusedConv 1|X:T W:T B:T? Z:T?|Y:T|2 4 1 1|activation:string activation_params:floats auto_pad:string dilations:ints group:int kernel_shape:ints pads:ints strides:ints|T:93
NhwcMaxPool 1|x:T|y:T|1 1 1 1|auto_pad:string ceil_mode:int dilations:ints kernel_shape:ints! pads:ints strides:ints|T:37
PackedAttention 1|input:T weights:T bias:T token_offset:M cumulative_sequence_length:M attention_bias:T?|output:T|5 6 1 1|num_heads:int! qkv_hidden_sizes:ints scale:float|T:93 M:38
PackedMultiHeadAttention 1|query:T key:T? value:T? bias:T? token_offset:M cumulative_sequence_length:M attention_bias:T?|output:T|6 7 1 1|mask_filter_value:float num_heads:int! scale:float|T:93 M:38
PackedSparseAttentionIndexer 1|query:T key:T? query_norm_weight:T key_norm_weight:T cos_cache:T sin_cache:T cumulative_sequence_lengths:M past_sequence_lengths:M gate:T? position_bias:T? head_weights:T? position_ids:I? past_key_state:T past_kv_buffer:T past_gate_buffer:T? past_state_lengths:M state_update_capture_count:M? state_update_active:M?|selected_indices:M selected_counts:M present_key_state:T present_kv_buffer:T present_gate_buffer:T? present_state_lengths:M state_update:T?|16 18 6 7|compress_ratio:int! epsilon:float head_weight_scale:float index_topk:int policy_mode:string! scale:float state_capacity:int! state_update_capacity:int token_budget:int|T:22 I:6 M:38
Pad 1|data:T pads:=int64 value:T?|output:T|2 3 1 1|mode:string|T:0
PagedAttention 1|query:T key:T? value:T? key_cache:T_CACHE value_cache:T_CACHE? cumulative_sequence_length:S past_seqlens:S block_table:S cos_cache:T? sin_cache:T? slot_mapping:S? head_sink:T? q_norm_weight:T? k_norm_weight:T? k_scale:T_KV_SCALE? v_scale:T_KV_SCALE? attention_metadata:S?|output:T key_cache_out:T_CACHE? value_cache_out:T_CACHE?|8 17 1 3|do_rotary:int is_causal:int k_cache_dtype:string k_quant_type:string kv_cache_layout:string kv_num_heads:int! local_window_size:int num_heads:int! qk_norm_epsilon:float rotary_interleaved:int rotary_offset:int scale:float softcap:float v_cache_dtype:string v_head_size:int v_quant_type:string|T:102 T_CACHE:108 T_KV_SCALE:23 S:38
QAttention 1|input:T1 weight:T2 bias:T3 input_scale:T3 weight_scale:T3 mask_index:T4? input_zero_point:T1? weight_zero_point:T2? past:T3?|output:T3 present:T3?|5 9 1 2|do_rotary:int mask_filter_value:float num_heads:int! past_present_share_buffer:int scale:float unidirectional:int|T1:37 T2:37 T3:93 T4:38
QEmbedLayerNormalization 1|input_ids:T1 segment_ids:T1? word_embedding_quant:T2 position_embedding_quant:T2 segment_embedding:T2? gamma_quant:T2 beta_quant:T2 mask:T1? word_embedding_scale:T position_embedding_scale:T segment_embedding_scale:T? gamma_scale:T beta_scale:T word_embedding_zero_point:T2 position_embedding_zero_point:T2 segment_embedding_zero_point:T2? gamma_zero_point:T2 beta_zero_point:T2|layernorm_out:T mask_index_out:T1|18 18 2 2|epsilon:float|T1:38 T2:37 T:23
QGemm 1|A:TA a_scale:T a_zero_point:TA B:TB b_scale:T b_zero_point:TB C:TC? y_scale:T? y_zero_point:TYZ?|Y:TY|6 9 1 1|alpha:float transA:int transB:int|T:23 TA:37 TB:37 TC:38 TYZ:37 TY:109
QLinearAdd 1|A:T A_scale:=float32 A_zero_point:T? B:T B_scale:=float32 B_zero_point:T? C_scale:=float32 C_zero_point:T?|C:T|7 8 1 1||T:37
QLinearAveragePool 1|X:T x_scale:=float32 x_zero_point:T? y_scale:=float32 y_zero_point:T?|Y:T|4 5 1 1|auto_pad:string ceil_mode:int channels_last:int count_include_pad:int kernel_shape:ints! pads:ints strides:ints|T:37
QLinearConcat 1|Y_scale:TF Y_zero_point:T8 inputs:TV*|Y:T8|3  1 1|axis:int!|T8:37 TF:23 TV:109
QLinearConv 1|x:T1 x_scale:=float32 x_zero_point:T1 w:T2 w_scale:=float32 w_zero_point:T2 y_scale:=float32 y_zero_point:T3 B:T4?|y:T3|8 9 1 1|auto_pad:string channels_last:int dilations:ints group:int kernel_shape:ints pads:ints strides:ints|T1:37 T2:37 T3:37 T4:38
QLinearGlobalAveragePool 1|X:T x_scale:=float32 x_zero_point:T y_scale:=float32 y_zero_point:T|Y:T|5 5 1 1|channels_last:int|T:37
QLinearLeakyRelu 1|X:T X_scale:=float32 X_zero_point:T? Y_scale:=float32 Y_zero_point:T?|Y:T|4 5 1 1|alpha:float|T:37
QLinearMul 1|A:T A_scale:=float32 A_zero_point:T? B:T B_scale:=float32 B_zero_point:T? C_scale:=float32 C_zero_point:T?|C:T|7 8 1 1||T:37
QLinearReduceMean 1|data:T data_scale:=float32 data_zero_point:T? reduced_scale:=float32 reduced_zero_point:T?|reduced:T|4 5 1 1|axes:ints! keepdims:int!|T:37
QLinearSigmoid 1|X:T X_scale:=float32 X_zero_point:T? Y_scale:=float32 Y_zero_point:T?|Y:T|4 5 1 1||T:37
QLinearSoftmax 1|X:T X_scale:=float32 x_zero_point:T? y_scale:=float32 y_zero_point:T|Y:T|5 5 1 1|axis:int opset:int!|T:37
QLinearWhere 1|condition:B X:T x_scale:TF x_zero_point:T Y:T y_scale:TF y_zero_point:T z_scale:TF z_zero_point:T|Z:T|9 9 1 1||B:7 TF:23 T:37
QMoE 1|input:T router_probs:T fc1_experts_weights:T1 fc1_scales:T2? fc1_experts_bias:T? fc2_experts_weights:T1 fc2_scales:T2? fc2_experts_bias:T? fc3_experts_weights:T1? fc3_scales:T2? fc3_experts_bias:T? fc1_zero_points:T1? fc2_zero_points:T1? fc3_zero_points:T1? router_weights:T? fc1_global_scale:T4? fc2_global_scale:T4? fc1_act_scale:T4? fc2_act_scale:T4? fc1_act_block_scale:T2? fc2_act_block_scale:T2?|output:T|6 21 1 1|accuracy_level:int activation_alpha:float activation_beta:float activation_type:string block_size:int expert_weight_bits:int fc1_expert_weight_bits:int fc2_expert_weight_bits:int fc3_expert_weight_bits:int k:int normalize_routing_weights:int quant_type:string swiglu_fusion:int swiglu_limit:float use_sparse_mixer:int weights_prepacked:int|T:22 T1:110 T2:111 T4:23
QOrderedAttention 1|input:Q scale_input:S scale_Q_gemm:S scale_K_gemm:S scale_V_gemm:S Q_weight:Q K_weight:Q V_weight:Q scale_Q_weight:S scale_K_weight:S scale_V_weight:S Q_bias:S K_bias:S V_bias:S scale_QKT_gemm:S? scale_QKT_softmax:S? scale_values_gemm:S mask_index:G? past:Q? attention_bias:S?|output:Q|17 20 1 1|num_heads:int! order_input:int! order_output:int! order_weight:int! qkv_hidden_sizes:ints unidirectional:int|Q:97 S:23 G:38
QOrderedGelu 1|X:Q scale_X:S scale_Y:S|Y:Q|3 3 1 1|order_X:int order_Y:int|Q:97 S:23
QOrderedLayerNormalization 1|X:Q scale_X:S scale:F B:F? scale_Y:S|Y:Q|5 5 1 1|axis:int epsilon:float order_X:int order_Y:int|F:93 S:23 Q:97
QOrderedLongformerAttention 1|input:Q scale_input:S weight:Q scale_weight:S bias:S scale_bias:S scale_qkv_gemm:S mask:F global_weight:Q scale_global_weight:S global_bias:S scale_global_gemm:S global:G scale_output:S|output:Q|14 14 1 1|num_heads:int! order_global_weight:int! order_input:int! order_output:int! order_weight:int! window:int!|Q:97 S:23 G:38 F:100
QOrderedMatMul 1|A:Q scale_A:S B:Q scale_B:S scale_Y:S bias:S? C:Q? scale_C:S?|Y:Q|5 8 1 1|order_A:int! order_B:int! order_Y:int!|Q:97 S:23
QuantizeBFP 1|x:T1|y:T2 shape:T3 strides:T3|1 1 3 3|bfp_type:int! block_dim:int|T1:22 T2:48 T3:6
QuantizeLinear 1|x:T1 y_scale:T1 y_zero_point:T2?|y:T2|2 3 1 1|axis:int|T1:93 T2:112
QuantizeWithOrder 1|input:F scale_input:S|output:Q|2 2 1 1|order_input:int! order_output:int!|Q:97 F:93 S:23
QuickGelu 1|X:T|Y:T|1 1 1 1|alpha:float|T:3
Range 1|start:T limit:T delta:T?|Y:T|2 3 1 1||T:78
ReduceSumInteger 1|data:T1|reduced:T2|1 1 1 1|axes:ints! keepdims:int!|T1:37 T2:105
RelativePositionBias 1|bias_table:T query_length:U key_length:U|output:T|3 3 1 1|is_bidirectional:int max_distance:int!|T:93 U:6
RemovePadding 1|input:T sequence_token_count:M|output:T token_offset:M cumulated_seq_len:M max_seq_len:M|2 2 4 4||T:93 M:38
RestorePadding 1|input:T token_offset:M|output:T|2 2 1 1||T:93 M:38
Rfft 1|X:T|Y:T|1 1 1 1|normalized:int onesided:int signal_ndim:int|T:0
RotaryEmbedding 1|input:T position_ids:M cos_cache:T sin_cache:T|output:T|4 4 1 1|interleaved:int is_packed_batching:int num_heads:int rotary_embedding_dim:int scale:float|T:22 M:6
SampleOp 1|X:T|Y:T|1 1 1 1||T:4
Sampling 1|input_ids:I max_length:I min_length:I? repetition_penalty:T? vocab_mask:I? prefix_vocab_mask:I? attention_mask:I? presence_mask:I? seed:I?|sequences:I filtered_logits:T?|2 9 1 2|custom:int decoder:graph! decoder_start_token_id:int encoder:graph eos_token_id:int! filter_value:float init_decoder:graph min_tokens_to_keep:int model_type:int no_repeat_ngram_size:int pad_token_id:int! presence_penalty:float temperature:float top_p:float vocab_size:int|T:23 I:38
ScaledSiLU 1|X:T scale:M?|Y:T|1 2 1 1|alpha:float|T:22 M:22
SkipGroupNorm 1|X:T gamma:M beta:M skip:T bias:T?|Y:T S:T?|4 5 1 2|activation:int! channels_last:int epsilon:float groups:int!|T:93 M:93
SkipLayerNormalization 1|input:T skip:T gamma:T beta:T? bias:T?|output:T mean:U? inv_std_var:U? input_skip_bias_sum:T?|3 5 1 4|epsilon:float|T:22 U:23
SkipSimplifiedLayerNormalization 1|input:T skip:T gamma:T bias:T?|output:T mean:U? inv_std_var:U? input_skip_bias_sum:T?|3 4 1 4|epsilon:float|T:22 U:23
Snpe 1|inputs:T*|outputs:T*|1  1 |DLC:string! notes:string snpe_version:string target_device:string|T:113
SparseAttention 1|query:T key:T? value:T? past_key:T past_value:T block_row_indices:M block_col_indices:M total_sequence_length:M key_total_sequence_lengths:M cos_cache:T? sin_cache:T?|output:T present_key:T present_value:T|9 11 3 3|do_rotary:int kv_num_heads:int! num_heads:int! rotary_interleaved:int scale:float sparse_block_size:int!|T:22 M:38
SparseAttentionIndexer 1|query:T key:T? query_norm_weight:T key_norm_weight:T cos_cache:T sin_cache:T mask:TB? past_key:T gate:T? position_bias:T? head_weights:T? position_ids:I? past_sequence_length:M? past_proj_buffer:T?|selected_indices:M present_key:T present_proj_buffer:T?|8 14 2 3|compress_ratio:int! epsilon:float head_weight_scale:float index_topk:int policy_mode:string! scale:float token_budget:int|T:22 TB:6 I:6 M:38
SparsePagedAttention 1|query:T key:T? value:T? key_cache:T_CACHE value_cache:T_CACHE cumulative_sequence_length:S past_seqlens:S block_table:S slot_mapping:S? selected_indices:S selected_counts:S auxiliary_key:T? auxiliary_value:T? auxiliary_lengths:S? cos_cache:T? sin_cache:T? head_sink:T? q_norm_weight:T? k_norm_weight:T? k_scale:T_KV_SCALE? v_scale:T_KV_SCALE? attention_metadata:S?|output:T key_cache_out:T_CACHE? value_cache_out:T_CACHE?|11 22 1 3|attention_mode:string auxiliary_cache_layout:string auxiliary_kv_shared:int do_rotary:int is_causal:int k_quant_type:string kv_num_heads:int! local_window_size:int num_heads:int! qk_norm_epsilon:float rotary_interleaved:int rotary_offset:int scale:float selected_kv_source:string softcap:float v_quant_type:string|T:102 T_CACHE:114 T_KV_SCALE:23 S:38
SparseToDenseMatMul 1|A:T B:T1|Y:T1|2 2 1 1|alpha:float transA:int transB:int|T:115 T1:39
Tokenizer 1|X:T|Y:T|1 1 1 1|mark:int! mincharnum:int! pad_value:string! separators:strings tokenexp:string|T:83
TorchEmbedding 1|weight:T indices:=int64 padding_idx:=int64? scale_grad_by_freq:=bool?|Y:T|2 4 1 1||T:2
TransposeMatMul 1|A:T B:T|Y:T|2 2 1 1|alpha:float transA:int transB:int|T:3
Trilu 1|X:T k:=int64?|Y:T|1 2 1 1|upper:int|T:8
UnfoldTensor 1|input:T|output:T|1 1 1 1|dim:int size:int! step:int|T:24
Unique 1|x:T|y:T idx:=int64 counts:=int64|1 1 3 3||T:25
VarlenCausalConvWithState 1|input:T weight:T cumulative_sequence_length:M bias:T? initial_state:T capture_count:M?|output:T final_state:T state_update:T?|5 6 2 3|activation:string dilation:int state_update_capacity:int|T:22 M:38
VarlenNGramHashMapping 1|input_ids:M multipliers:M vocab_sizes:M cumulative_sequence_length:S past_ids:M? head_offsets:M? eos_token_id:M? segment_ids:=int32? past_segment_ids:S? capture_count:S?|hash_ids:M present_ids:M? present_segment_ids:S? state_update:M?|4 10 1 4|max_ngram_size:int! n_head_per_ngram:int! pad_id:int! reset_on_eos:int state_update_capacity:int|M:12 S:38
WhisperBeamSearch 1|input_ids:F max_length:I min_length:I? num_beams:I num_return_sequences:I length_penalty:T? repetition_penalty:T? vocab_mask:M? prefix_vocab_mask:M? attention_mask:I? decoder_input_ids:I? logits_processor:I? cross_qk_layer_head:I? extra_decoding_ids:I? temperature:T?|sequences:I sequences_scores:T? scores:T? cross_qk:V? non_speech_probs:T?|5 15 1 5|beginning_timestamp_token_id:int decoder:graph! decoder_output_cross_qk:int decoder_start_token_id:int early_stopping:int encoder:graph eos_token_id:int! init_decoder:graph model_type:int no_repeat_ngram_size:int no_speech_token_id:int no_timestamps_token_id:int pad_token_id:int! start_of_lm_token_id:int transcribe_token_id:int translate_token_id:int vocab_size:int|T:93 F:94 I:38 M:38 V:23
WordConvEmbedding 1|Sequence:T W:T1 B:T1 C:T1|Y:T1|4 4 1 1|char_embedding_size:int conv_window_size:int embedding_size:int|T:38 T1:23
`;
