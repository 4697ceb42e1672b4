/**
 * Kernels that the WebGPU provider of onnxruntime-node 1.30.0 has beside those of kernel-data.ts, as found by running them.
 * Written by `npm run probe:targets`; the form is described in kernels.ts.
 */
export const probedWebgpu = `
@
AveragePool 19-|22-
Cast 19-
Clip 13-
HardSwish 14-
Identity 19-|21-|23-|24-
Max 13-
Min 13-
PRelu 16-
RMSNormalization 23-
Range 11-
Reshape 23-|24-
RotaryEmbedding 23-
ScatterElements 18-
Softplus 1-|22-
TopK 11-|24-
Transpose 24-
Trilu 14-
Unsqueeze 24-
@com.microsoft
BiasGelu 1-
`;
