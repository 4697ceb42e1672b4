/**
 * The one table of options. Flags, help text, validation of flags and of the config file, and the exported JSON
 * Schema are all made from it (program.ts, schema.ts). It is plain data: `--help` loads nothing heavier.
 */
import { modelOptions } from './model-options.ts';

/** What a value is; each kind has one validator in schema.ts. */
export type OptionKind =
  | { readonly kind: 'path' }
  /** Repeatable. */
  | { readonly kind: 'paths' }
  /** Repeatable. */
  | { readonly kind: 'names' }
  | { readonly kind: 'text' }
  | { readonly kind: 'switch' }
  | { readonly kind: 'choice'; readonly values: readonly [string, ...string[]] }
  /** Some of these, with commas between them, or a list. */
  | { readonly kind: 'choices'; readonly values: readonly [string, ...string[]] }
  /** One of these, or false, for which there is a negative flag; true is the default. */
  | { readonly kind: 'mode'; readonly values: readonly [string, ...string[]] }
  /** A whole number from 1 on, to 256 where nothing else is said. */
  | { readonly kind: 'count'; readonly most?: number }
  /** From 0 on. */
  | { readonly kind: 'number' }
  | { readonly kind: 'integer'; readonly values: readonly [number, ...number[]] }
  /** `512MiB`, `2GiB`, or a number of bytes. */
  | { readonly kind: 'bytes' }
  /** `1544x896`. */
  | { readonly kind: 'size' }
  /** `448x448,896x896`, or a list of such. */
  | { readonly kind: 'sizes' }
  /** One precision, or `component=precision` pairs. */
  | { readonly kind: 'precision'; readonly values: readonly [string, ...string[]] }
  /** `metric=limit`, repeatable. */
  | { readonly kind: 'limits' }
  /** Pipeline text, or `component:text`, repeatable. */
  | { readonly kind: 'passes' }
  /** A folder, or `folder=share`, repeatable. */
  | { readonly kind: 'adapters' };

export interface OptionSpec {
  /** Key in the config file. */
  readonly key: string;
  /** As commander reads it. A switch that is on by default is written in its negative form. */
  readonly flag: string;
  readonly group: 'Model' | 'Picture' | 'Precision' | 'Check' | 'Run';
  readonly help: string;
  readonly type: OptionKind;
  /** Shown in the help. */
  readonly default?: string;
  /** What a wrong value is told. */
  readonly expected: string;
  /** Not an option of `quantize`, which takes one graph and runs nothing. */
  readonly convertOnly?: true;
  /** What `quantize --help` says instead. */
  readonly quantizeHelp?: string;
}

export const precisions = ['fp32', 'fp16', 'int8', 'int4'] as const;

export const optionTable = [
  ...modelOptions,
  {
    key: 'resolution',
    flag: '--resolution <WxH>',
    group: 'Picture',
    help: 'width x height of the pictures that the graphs take',
    type: { kind: 'size' },
    default: "the checkpoint's own",
    expected: 'width x height in whole pixels, such as 1544x896',
    convertOnly: true,
  },
  {
    key: 'tiling',
    flag: '--tiling <how>',
    group: 'Picture',
    help:
      'a size that is not a whole number of tiles: fit = the largest that fits inside (1544x896 becomes ' +
      '3x2 tiles, 1344x896); crop = as the original code does, the tiles ignore the rest and the global view ' +
      'sees it; cover = round up and pad',
    type: { kind: 'choice', values: ['fit', 'crop', 'cover'] },
    default: 'fit',
    expected: 'fit, crop or cover',
    convertOnly: true,
  },
  {
    key: 'maxAudioSeconds',
    flag: '--max-audio-seconds <n>',
    group: 'Picture',
    help: 'whole seconds of the longest sound that the graphs take, where the model takes sounds',
    type: { kind: 'count', most: 3600 },
    default: "the checkpoint's own",
    expected: 'whole seconds, from 1 on',
    convertOnly: true,
  },
  {
    key: 'precision',
    flag: '--precision <p>',
    group: 'Precision',
    help: 'fp32, fp16, int8 or int4; or per component, as vision=fp16,decoder=int4 (the rest stays fp32)',
    type: { kind: 'precision', values: precisions },
    default: 'fp32',
    quantizeHelp: 'fp16, int8 or int4',
    expected: 'fp32, fp16, int8 or int4, or component=precision pairs such as vision=fp16,decoder=int4',
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
      'them would leave to the CPU is a warning',
    type: { kind: 'choices', values: ['cpu', 'webgpu', 'wasm', 'cuda', 'tensorrt', 'generic'] },
    default: 'cpu,webgpu, and what --format names',
    quantizeHelp:
      'what the graph has to run on: cpu, webgpu, cuda and wasm (onnxruntime), tensorrt, or generic for operators of ' +
      'ai.onnx only; several with commas between them',
    expected: 'one or several of cpu, webgpu, wasm, cuda, tensorrt and generic, with commas between them',
  },
  {
    key: 'parity',
    flag: '--parity <how>',
    group: 'Check',
    help:
      'how the result is run beside the original, always part after part: whole = the original, loaded whole, ' +
      'picks the tokens that follow the prompts; streamed = they are drawn, and memory does not grow with the ' +
      'number of layers; auto = whole where it fits. --no-parity writes without running it',
    type: { kind: 'mode', values: ['auto', 'streamed', 'whole'] },
    default: 'auto',
    expected: 'auto, streamed or whole',
    convertOnly: true,
  },
  {
    key: 'device',
    flag: '--device <name>',
    group: 'Check',
    help:
      'what runs the check: cpu, webgpu, cuda, or auto for the best of them that works here. The report says ' +
      'what each node really ran on',
    type: { kind: 'choice', values: ['auto', 'cpu', 'webgpu', 'cuda'] },
    default: 'cpu',
    expected: 'auto, cpu, webgpu or cuda',
    convertOnly: true,
  },
  {
    key: 'gate',
    flag: '--gate <metric=limit>',
    group: 'Check',
    help: 'another limit for one metric of the report, such as logits.kl=0.05 (repeatable)',
    type: { kind: 'limits' },
    expected: 'metric=limit with a number, such as logits.kl=0.05',
    convertOnly: true,
  },
  {
    key: 'inputs',
    flag: '--inputs <file>',
    group: 'Check',
    help:
      'recorded tensors for the check, in safetensors: pixel_values, input_ids and attention_mask; what is missing ' +
      'is drawn',
    type: { kind: 'path' },
    expected: 'a path',
    convertOnly: true,
  },
  {
    key: 'dim',
    flag: '--dim <name=size>',
    group: 'Check',
    help: 'of an ONNX model: size of a symbolic dimension of inputs that are drawn, such as sequence_length=64 (repeatable)',
    type: { kind: 'limits' },
    expected: 'name=size with a whole number, such as sequence_length=64',
    convertOnly: true,
  },
  {
    key: 'samples',
    flag: '--samples <folder>',
    group: 'Check',
    help:
      'pictures and prompts for the check: a.png with a.txt beside it, or prompts.txt with a prompt per line, ' +
      "through the family's own preprocessing and the checkpoint's tokenizer",
    type: { kind: 'path' },
    expected: 'a path',
    convertOnly: true,
  },
  {
    key: 'seed',
    flag: '--seed <n>',
    group: 'Check',
    help: 'of what is drawn for the check: picture, prompts and, with --parity streamed, what follows them',
    type: { kind: 'count' },
    default: '1',
    expected: 'a whole number from 1 to 256',
    convertOnly: true,
  },
  {
    key: 'sweepResolutions',
    flag: '--sweep-resolutions <sizes>',
    group: 'Check',
    help:
      'sizes of pictures at which the range of every activation is measured against that of float16, since some ' +
      'towers overflow at some sizes only: 448x448,896x896',
    type: { kind: 'sizes' },
    expected: 'sizes in whole pixels with commas between them, such as 448x448,896x896',
    convertOnly: true,
  },
  {
    key: 'baseline',
    flag: '--baseline <file>',
    group: 'Check',
    help: 'parity-report.json of an earlier conversion of the same kind: being further off than it, beyond noise, fails',
    type: { kind: 'path' },
    expected: 'a path',
    convertOnly: true,
  },
  {
    key: 'junit',
    flag: '--junit <file>',
    group: 'Check',
    help: 'write the gates as JUnit XML, too, for the test view of a CI system',
    type: { kind: 'path' },
    expected: 'a path',
    convertOnly: true,
  },
  {
    key: 'strict',
    flag: '--strict',
    group: 'Check',
    help: 'warnings are errors: nothing is written, exit code 2',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'allowNonfinite',
    flag: '--allow-nonfinite',
    group: 'Check',
    help: 'keep weights that are NaN or infinite; otherwise the first one stops the conversion',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
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

/** The options of `quantize`. */
export const quantizeOptions: readonly OptionSpec[] = optionTable.filter(
  (spec: OptionSpec) => spec.convertOnly !== true,
);

export type OptionKey = (typeof optionTable)[number]['key'];

/** The two that stand without a flag. */
export const positionals = [
  {
    key: 'checkpoint',
    help:
      'folder with config.json and safetensors files, or an .onnx file; left out: the current folder, when it holds a ' +
      'config.json',
  },
  {
    key: 'output',
    help: 'folder to write; left out: <checkpoint name>-onnx, or <model name>-<precision>, beside the current folder',
  },
] as const;

/** Says where the config file is, so it is the one option that no config file holds. */
export const configFlag = {
  flag: '--config <file>',
  help: 'config file instead of vlm-convert.config.json',
} as const;

/** The two of `quantize` that stand without a flag. */
export const quantizePositionals = [
  { key: 'model', help: 'an .onnx file; its external data stands in its folder' },
  {
    key: 'output',
    help: 'folder to write; left out: <model name>-<precision> beside the current folder',
  },
] as const;
