/** How the result is held to the original. */
import type { OptionSpec } from './option-spec.ts';

export const checkOptions = [
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
      'recorded tensors for the check, in safetensors: pixel_values or input_features, input_ids and ' +
      'attention_mask; what is missing is drawn',
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
      'pictures, sounds and prompts for the check: a.png or a.wav with a.txt beside it, or prompts.txt with a prompt per line, ' +
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
] as const satisfies readonly OptionSpec[];
