/** What the weights become, and what the graphs have to run on. */
import type { OptionSpec } from './option-spec.ts';

const precisions = ['fp32', 'fp16', 'int8', 'int4'] as const;

export const targetIds = ['cpu', 'webgpu', 'wasm', 'cuda', 'tensorrt', 'generic'] as const;

export const precisionOptions = [
  {
    key: 'precision',
    flag: '--precision <p>',
    group: 'Precision',
    help:
      'fp32, fp16, int8 or int4; or per component, as image_encoder=fp16,decoder=int4 (the rest stays fp32). Components ' +
      'are named by id, kind (encoder) or modality and kind (image_encoder); inspect lists them',
    type: { kind: 'precision', values: precisions },
    default: 'fp32',
    quantizeHelp: 'fp16, int8 or int4',
    expected:
      'fp32, fp16, int8 or int4, or component=precision pairs such as image_encoder=fp16,decoder=int4',
  },
  {
    key: 'blockSize',
    flag: '--block-size <n>',
    group: 'Precision',
    help: 'weights that share one scale in int4 and int8',
    type: { kind: 'integer', values: [16, 32, 64, 128, 256] },
    default: '32',
    expected: '16, 32, 64, 128 or 256',
  },
  {
    key: 'symmetric',
    flag: '--symmetric',
    group: 'Precision',
    help: 'int4 and int8 without zero points: smaller, less exact',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'quantizeEmbeddings',
    flag: '--no-quantize-embeddings',
    group: 'Precision',
    help: 'leave the embedding table as it is under int4 and int8',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'ioDtype',
    flag: '--io-dtype <type>',
    group: 'Precision',
    help: 'element type of the inputs and outputs of fp16 graphs: float32 or float16',
    type: { kind: 'choice', values: ['float32', 'float16'] },
    default: 'float32',
    expected: 'float32 or float16',
  },
  {
    key: 'passes',
    flag: '--passes <text>',
    group: 'Precision',
    help:
      'the passes themselves, in the form that --dry-run prints, instead of those that the options above ' +
      'choose; component:text for one component (repeatable)',
    type: { kind: 'passes' },
    quantizeHelp:
      'the passes themselves, in the form that --dry-run prints, instead of those that the options above choose; ' +
      'int8-channel gives int8 weights in standard operators',
    expected: 'pipeline text such as merge-lora,fuse-attention,int4{block=32}',
  },
  {
    key: 'target',
    flag: '--target <ids>',
    group: 'Precision',
    help:
      'what the graphs have to run on: cpu, webgpu, cuda and wasm (onnxruntime), tensorrt, or generic for operators of ' +
      'ai.onnx only; several with commas between them. Passes choose operators that all of them run, and what one of ' +
      'them would leave to the CPU is a warning. Or per component, as image_encoder=webgpu,decoder=cpu,cuda',
    type: { kind: 'component-choices', values: targetIds },
    default: 'cpu,webgpu, and what --format names',
    quantizeHelp:
      'what the graph has to run on: cpu, webgpu, cuda and wasm (onnxruntime), tensorrt, or generic for operators of ' +
      'ai.onnx only; several with commas between them',
    expected:
      'one or several of cpu, webgpu, wasm, cuda, tensorrt and generic, with commas between them, or ' +
      'component=targets such as image_encoder=webgpu,decoder=cpu,cuda',
  },
] as const satisfies readonly OptionSpec[];
