/**
 * The converters that `bench:peers` compares, as data: how each is called, on which checkpoint or on whose output.
 *
 * @typedef {{ python: string, llamaCpp: string | undefined, llamaQuantize: string | undefined, cli: string }} Tools
 * @typedef {(tools: Tools, input: string, target: string) => readonly string[]} Command
 *   from what the step reads and writes, both paths; the folder of the target exists
 * @typedef {{ name: string, tool: string, input: string, slow?: true, command: Command }} Step
 *   `input` is the size of a checkpoint or the name of the step whose output this one reads
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** @param {readonly string[]} options @returns {Command} */
const ours =
  (...options) =>
  ({ cli }, input, target) => [process.execPath, cli, input, target, ...options, '--no-parity', '--quiet'];

/** @param {string} precision @param {string} provider @param {readonly string[]} options @returns {Command} */
const genai =
  (precision, provider, ...options) =>
  ({ python }, input, target) => [
    ...[python, '-m', 'onnxruntime_genai.models.builder', '-i', input, '-o', target],
    ...['-p', precision, '-e', provider, '-c', join(dirname(target), 'cache')],
    ...(options.length > 0 ? ['--extra_options', ...options] : []),
  ];

/** @param {string} model @returns {Command} */
const matMulNBits =
  (model) =>
  ({ python }, input, target) => [
    ...['sh', '-c', 'mkdir "$0" && exec "$@"', target],
    ...[python, '-m', 'onnxruntime.quantization.matmul_nbits_quantizer'],
    ...['--input_model', join(input, model), '--output_model', join(target, 'model.onnx')],
    ...['--block_size', '32', '--symmetric', 'True'],
  ];

const dynamicInt8 = `import os, sys
from onnxruntime.quantization import QuantType, quantize_dynamic
os.mkdir(sys.argv[2])
quantize_dynamic(sys.argv[1] + '/model.onnx', sys.argv[2] + '/model.onnx', per_channel=True,
                 weight_type=QuantType.QInt8, op_types_to_quantize=['MatMul'], use_external_data_format=True)`;

/** @returns {Command} */
const mobius =
  () =>
  ({ python }, input, target) => [
    python,
    '-m',
    'mobius',
    'build',
    '--model',
    input,
    '--dtype',
    'f16',
    target,
  ];

/** @param {string} type @param {readonly string[]} options @returns {Command} */
const llamaQuantize =
  (type, ...options) =>
  ({ llamaQuantize: binary = '' }, input, target) => [binary, ...options, input, target, type];

/** @param {string} name @param {string} tool @param {string} input @param {Command} command @returns {Step} */
const step = (name, tool, input, command) => ({ name, tool, input, command });
/** @param {string} name @param {string} tool @param {string} input @param {Command} command @returns {Step} */
const slowStep = (name, tool, input, command) => ({ ...step(name, tool, input, command), slow: true });

/** @type {readonly Step[]} */
export const steps = [
  step('vlm-convert int4', 'vlm-convert', 'llava', ours('--precision', 'int4')),
  step('vlm-convert int4 symmetric', 'vlm-convert', 'llava', ours('--precision', 'int4', '--symmetric')),
  step('vlm-convert int8', 'vlm-convert', 'llava', ours('--precision', 'int8')),
  step('vlm-convert fp16', 'vlm-convert', 'llava', ours('--precision', 'fp16')),
  step('genai int4', 'genai', 'llama', genai('int4', 'cpu')),
  step('genai int4 rtn', 'genai', 'llama', genai('int4', 'cpu', 'algo_config=rtn')),
  slowStep('genai int4 k_quant', 'genai', 'llama', genai('int4', 'cpu', 'algo_config=k_quant')),
  step('genai int8', 'genai', 'llama', genai('int8', 'cpu')),
  step('genai fp16', 'genai', 'llama', genai('fp16', 'cuda')),
  step('genai fp32', 'genai', 'llama', genai('fp32', 'cpu')),
  step('+ MatMulNBits int4 of it', 'onnxruntime', 'genai fp32', matMulNBits('model.onnx')),
  slowStep('+ quantize_dynamic of it', 'onnxruntime', 'genai fp32', ({ python }, input, target) => [
    ...[python, '-c', dynamicInt8, input, target],
  ]),
  step('+ vlm-convert quantize of it', 'vlm-convert quantize', 'genai fp32', ({ cli }, input, target) => [
    ...[process.execPath, cli, 'quantize', join(input, 'model.onnx'), target],
    ...['--precision', 'int4', '--symmetric', '--no-quantize-embeddings', '--quiet'],
  ]),
  step('mobius fp16', 'mobius', 'llama', mobius()),
  step('+ MatMulNBits of mobius fp16', 'onnxruntime', 'mobius fp16', matMulNBits('model.onnx')),
  step('llama.cpp convert', 'llama.cpp convert', 'llama', ({ python, llamaCpp = '' }, input, target) => [
    ...[python, join(llamaCpp, 'convert_hf_to_gguf.py'), input, '--outtype', 'bf16', '--outfile', target],
  ]),
  step('+ Q4_0', 'llama.cpp quantize', 'llama.cpp convert', llamaQuantize('Q4_0')),
  step('+ Q4_0 --pure', 'llama.cpp quantize', 'llama.cpp convert', llamaQuantize('Q4_0', '--pure')),
  step('+ Q8_0', 'llama.cpp quantize', 'llama.cpp convert', llamaQuantize('Q8_0')),
  step('vlm-convert int4, Qwen-VL 2B', 'vlm-convert', '2b', ours('--precision', 'int4')),
  step('vlm-convert fp16, Qwen-VL 2B', 'vlm-convert', '2b', ours('--precision', 'fp16')),
  step('mobius fp16, Qwen2-VL-2B', 'mobius', 'qwen2-vl', mobius()),
  step(
    '+ MatMulNBits of Qwen2-VL-2B',
    'onnxruntime',
    'mobius fp16, Qwen2-VL-2B',
    matMulNBits('decoder/model.onnx'),
  ),
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

/** What its CMakeLists.txt calls itself. @param {string} folder */
function llamaVersion(folder) {
  const path = join(folder, 'CMakeLists.txt');
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const parts = [...text.matchAll(/set\(LLAMA_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)\)/g)];
  return parts.length === 3 ? parts.map(([, part]) => part).join('.') : undefined;
}

/**
 * Version of every tool that a step names, undefined where it is not installed.
 *
 * @param {Tools} tools @returns {Readonly<Record<string, string | undefined>>}
 */
export function versions({ python, llamaCpp, llamaQuantize: binary, cli }) {
  const own = answer(process.execPath, cli, '--version');
  const llama = llamaCpp === undefined ? undefined : llamaVersion(llamaCpp);
  const gguf = pythonPackage(python, 'gguf', 'gguf');
  const help = answer(process.execPath, cli, '--help') ?? '';
  return {
    'vlm-convert': own,
    'vlm-convert quantize': /vlm-convert quantize/.test(help) ? own : undefined,
    genai: pythonPackage(python, 'onnxruntime-genai', 'onnxruntime_genai'),
    onnxruntime: pythonPackage(python, 'onnxruntime', 'onnxruntime'),
    mobius: pythonPackage(python, 'mobius-onnx', 'mobius'),
    'llama.cpp convert': gguf && llama,
    'llama.cpp quantize': binary !== undefined && existsSync(binary) ? (llama ?? 'as built') : undefined,
  };
}
