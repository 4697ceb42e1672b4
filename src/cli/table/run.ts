/** How a command runs, and what it prints. */
import type { OptionSpec } from './option-spec.ts';

export const runOptions = [
  {
    key: 'format',
    flag: '--format <runtime>',
    group: 'Run',
    help:
      'the runtime that the folder is made for: onnx = any onnxruntime; transformers.js = its file names, config and ' +
      'processor files; onnxruntime-genai = its genai_config.json, and the graphs in the forms that it drives',
    type: { kind: 'choice', values: ['onnx', 'transformers.js', 'onnxruntime-genai'] },
    default: 'onnx',
    expected: 'onnx, transformers.js or onnxruntime-genai',
    convertOnly: true,
  },
  {
    key: 'dryRun',
    flag: '--dry-run',
    group: 'Run',
    help: 'print the plan (components, passes, files and bytes, memory) and stop; reads headers only',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'force',
    flag: '--force',
    group: 'Run',
    help: 'replace whatever stands under the name of the output',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'linkWeights',
    flag: '--link-weights',
    group: 'Run',
    help:
      'leave tensors that are stored as they are in the weight files, and link those into the output: smaller, ' +
      'but whoever writes to one writes to both; such tensors are not read, nor looked through for NaN',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'resume',
    flag: '--resume',
    group: 'Run',
    help: 'go on from what an earlier run of the same conversion finished before it failed or was stopped',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'verifyInputs',
    flag: '--verify-inputs',
    group: 'Run',
    help:
      'hash the weight files first: the digests go into the manifest, and --resume compares them instead of ' +
      'times',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'memory',
    flag: '--memory <bytes>',
    group: 'Run',
    help: 'memory that the whole process may take while it writes (the check takes what onnxruntime takes)',
    type: { kind: 'bytes' },
    default: '1GiB',
    expected: 'a size of at least 1MiB, such as 512MiB or 2GiB',
  },
  {
    key: 'jobs',
    flag: '--jobs <n>',
    group: 'Run',
    help: 'worker threads that compute weights',
    type: { kind: 'count' },
    default: 'one per core, as many as --memory allows',
    expected: 'a whole number from 1 to 256',
  },
  {
    key: 'json',
    flag: '--json',
    group: 'Run',
    help: 'print one JSON object on standard output; warnings and errors go to standard error',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'quiet',
    flag: '--quiet',
    group: 'Run',
    help: 'print errors only',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'debug',
    flag: '--debug',
    group: 'Run',
    help: 'print the stack of an error, and keep the graph before a pass that failed',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
] as const satisfies readonly OptionSpec[];
