/**
 * The converters that `bench:peers` compares, as data: how each is called on one decoder of 1.24 billion parameters.
 *
 * @typedef {{ llama: string, llava: string, output: (name: string) => string }} Places
 *   the text-only checkpoint, the LLaVA checkpoint with the same decoder, and what another step wrote
 * @typedef {{ python: string, llamaCpp: string | undefined, llamaQuantize: string | undefined, cli: string }} Tools
 * @typedef {{ name: string, tool: string, target: 'folder' | 'file', input: string, slow?: boolean,
 *   command: (tools: Tools, places: Places, target: string) => readonly string[] }} Step
 *   `input` is a checkpoint (llama or llava) or the name of the step whose output this one reads
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** @param {string} precision @param {readonly string[]} extra @returns {Step['command']} */
const ours =
  (precision, ...extra) =>
  ({ cli }, { llava }, target) => [
    process.execPath,
    ...[cli, llava, target, '--precision', precision, '--no-parity', '--quiet', ...extra],
  ];

/** @param {string} precision @param {string} provider @param {readonly string[]} extra @returns {Step['command']} */
const genai =
  (precision, provider, ...extra) =>
  ({ python }, { llama }, target) => [
    ...[python, '-m', 'onnxruntime_genai.models.builder', '-i', llama, '-o', target],
    ...['-p', precision, '-e', provider, '-c', join(target, '..', 'cache')],
    ...(extra.length > 0 ? ['--extra_options', ...extra] : []),
  ];

/** @param {string} from @param {string} model @returns {Step['command']} */
const matMulNBits =
  (from, model) =>
  ({ python }, { output }, target) => [
    ...[python, '-m', 'onnxruntime.quantization.matmul_nbits_quantizer'],
    ...['--input_model', join(output(from), model), '--output_model', join(target, 'model.onnx')],
    ...['--block_size', '32', '--symmetric', 'True'],
  ];

const dynamicInt8 = `import sys
from onnxruntime.quantization import QuantType, quantize_dynamic
quantize_dynamic(sys.argv[1], sys.argv[2], per_channel=True, weight_type=QuantType.QInt8,
                 op_types_to_quantize=['MatMul'], use_external_data_format=True)`;

/** @param {string} type @param {readonly string[]} options @returns {Step['command']} */
const llamaQuantize =
  (type, ...options) =>
  ({ llamaQuantize: binary = '' }, { output }, target) => [
    ...[binary, ...options, output('llama.cpp convert bf16'), target, type],
  ];

/** @type {readonly Step[]} */
export const steps = [
  { name: 'vlm-convert int4', tool: 'vlm-convert', target: 'folder', input: 'llava', command: ours('int4') },
  {
    name: 'vlm-convert int4 symmetric',
    tool: 'vlm-convert',
    target: 'folder',
    input: 'llava',
    command: ours('int4', '--symmetric'),
  },
  { name: 'vlm-convert int8', tool: 'vlm-convert', target: 'folder', input: 'llava', command: ours('int8') },
  { name: 'vlm-convert fp16', tool: 'vlm-convert', target: 'folder', input: 'llava', command: ours('fp16') },
  { name: 'genai int4', tool: 'genai', target: 'folder', input: 'llama', command: genai('int4', 'cpu') },
  {
    name: 'genai int4 rtn',
    tool: 'genai',
    target: 'folder',
    input: 'llama',
    command: genai('int4', 'cpu', 'algo_config=rtn'),
  },
  {
    name: 'genai int4 k_quant',
    tool: 'genai',
    target: 'folder',
    input: 'llama',
    slow: true,
    command: genai('int4', 'cpu', 'algo_config=k_quant'),
  },
  { name: 'genai int8', tool: 'genai', target: 'folder', input: 'llama', command: genai('int8', 'cpu') },
  { name: 'genai fp16', tool: 'genai', target: 'folder', input: 'llama', command: genai('fp16', 'cuda') },
  { name: 'genai fp32', tool: 'genai', target: 'folder', input: 'llama', command: genai('fp32', 'cpu') },
  {
    name: 'then MatMulNBits int4',
    tool: 'onnxruntime',
    target: 'folder',
    input: 'genai fp32',
    command: matMulNBits('genai fp32', 'model.onnx'),
  },
  {
    name: 'then quantize_dynamic',
    tool: 'onnxruntime',
    target: 'folder',
    input: 'genai fp32',
    slow: true,
    command: ({ python }, { output }, target) => [
      ...[python, '-c', dynamicInt8, join(output('genai fp32'), 'model.onnx'), join(target, 'model.onnx')],
    ],
  },
  {
    name: 'then vlm-convert quantize',
    tool: 'vlm-convert quantize',
    target: 'folder',
    input: 'genai fp32',
    command: ({ cli }, { output }, target) => [
      ...[process.execPath, cli, 'quantize', join(output('genai fp32'), 'model.onnx'), target],
      ...['--precision', 'int4', '--no-parity', '--quiet'],
    ],
  },
  {
    name: 'mobius fp16',
    tool: 'mobius',
    target: 'folder',
    input: 'llama',
    command: ({ python }, { llama }, target) => [
      ...[python, '-m', 'mobius', 'build', '--model', llama, '--dtype', 'f16', target],
    ],
  },
  {
    name: 'then MatMulNBits on it',
    tool: 'onnxruntime',
    target: 'folder',
    input: 'mobius fp16',
    command: matMulNBits('mobius fp16', 'model.onnx'),
  },
  {
    name: 'llama.cpp convert bf16',
    tool: 'llama.cpp convert',
    target: 'file',
    input: 'llama',
    command: ({ python, llamaCpp = '' }, { llama }, target) => [
      ...[python, join(llamaCpp, 'convert_hf_to_gguf.py'), llama, '--outtype', 'bf16', '--outfile', target],
    ],
  },
  {
    name: 'then Q4_0',
    tool: 'llama.cpp quantize',
    target: 'file',
    input: 'llama.cpp convert bf16',
    command: llamaQuantize('Q4_0'),
  },
  {
    name: 'then Q4_0 --pure',
    tool: 'llama.cpp quantize',
    target: 'file',
    input: 'llama.cpp convert bf16',
    command: llamaQuantize('Q4_0', '--pure'),
  },
  {
    name: 'then Q8_0',
    tool: 'llama.cpp quantize',
    target: 'file',
    input: 'llama.cpp convert bf16',
    command: llamaQuantize('Q8_0'),
  },
];

/** What a program prints, or undefined when it cannot be run. @param {string} command @param {readonly string[]} args */
function answer(command, ...args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** @param {string} python @param {string} distribution @param {string} module */
function pythonPackage(python, distribution, module) {
  const code = `import importlib.metadata as m, importlib.util as u; assert u.find_spec("${module}"); print(m.version("${distribution}"))`;
  return answer(python, '-c', code);
}

/**
 * Version of every tool that a step names, undefined where it is not installed.
 *
 * @param {Tools} tools @returns {Readonly<Record<string, string | undefined>>}
 */
export function versions({ python, llamaCpp, llamaQuantize: binary, cli }) {
  const own = answer(process.execPath, cli, '--version');
  const gguf = pythonPackage(python, 'gguf', 'gguf');
  const script = llamaCpp !== undefined && existsSync(join(llamaCpp, 'convert_hf_to_gguf.py'));
  const help = answer(process.execPath, cli, '--help') ?? '';
  return {
    'vlm-convert': own,
    'vlm-convert quantize': /vlm-convert quantize/.test(help) ? own : undefined,
    genai: pythonPackage(python, 'onnxruntime-genai', 'onnxruntime_genai'),
    onnxruntime: pythonPackage(python, 'onnxruntime', 'onnxruntime'),
    mobius: pythonPackage(python, 'mobius-onnx', 'mobius'),
    'llama.cpp convert': script ? gguf && `gguf ${gguf}` : undefined,
    'llama.cpp quantize': binary !== undefined && existsSync(binary) ? 'as built' : undefined,
  };
}
