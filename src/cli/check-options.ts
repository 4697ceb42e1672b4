/** The options of the commands that check what is there, `parity` and `compare`: some of convert's, and their own. */
import { type OptionSpec, optionTable } from './options.ts';

/** Options of a conversion by key. */
function shared(...keys: readonly (typeof optionTable)[number]['key'][]): OptionSpec[] {
  return optionTable.filter(({ key }) => keys.includes(key));
}

const mode: OptionSpec = {
  key: 'parity',
  flag: '--parity <how>',
  group: 'Check',
  help: 'auto, streamed or whole, as in a conversion',
  type: { kind: 'choice', values: ['auto', 'streamed', 'whole'] },
  default: 'auto',
  expected: 'auto, streamed or whole',
};

/** Options of the check, which may be others than those of the conversion; the rest comes from the manifest. */
const ofCheck: readonly OptionSpec[] = optionTable.filter(
  ({ key, group }) => group === 'Check' && !['parity', 'dim', 'strict', 'allowNonfinite'].includes(key),
);

export const parityOptions: readonly OptionSpec[] = [
  {
    key: 'checkpoint',
    flag: '--checkpoint <folder>',
    group: 'Check',
    help: 'the checkpoint that the output was made from',
    type: { kind: 'path' },
    default: 'the current folder, when it holds a config.json',
    expected: 'a path',
  },
  {
    key: 'report',
    flag: '--report <folder>',
    group: 'Check',
    help: 'where the report goes; the output is then left as it is',
    type: { kind: 'path' },
    default: 'the output',
    expected: 'a path',
  },
  ...shared('adapter', 'base', 'visionTower').map((spec): OptionSpec => ({ ...spec, group: 'Check' })),
  mode,
  ...ofCheck,
  ...shared('memory', 'jobs', 'json', 'quiet', 'debug'),
];

export const parityPositionals = [{ key: 'output', help: 'a folder that vlm-convert wrote' }] as const;

const device = shared('device');

export const compareOptions: readonly OptionSpec[] = [
  {
    key: 'gate',
    flag: '--gate <metric=limit>',
    group: 'Check',
    help:
      'exit code 2 when a metric is beyond a limit, for all outputs (relative=1e-3) or for one ' +
      '(logits.kl=0.05); numbers that are not finite and integers that differ then fail, too (repeatable)',
    type: { kind: 'limits' },
    expected: 'metric=limit with a number, such as relative=1e-3',
  },
  {
    key: 'taps',
    flag: '--taps',
    group: 'Check',
    help: 'compare the values inside, too, that have the same name in both, and name the first that differs',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'inputs',
    flag: '--inputs <file>',
    group: 'Check',
    help: 'safetensors file with values by name of the input; what is missing is drawn',
    type: { kind: 'path' },
    expected: 'a path',
  },
  {
    key: 'dim',
    flag: '--dim <name=size>',
    group: 'Check',
    help: 'size of a symbolic dimension of the inputs, such as sequence_length=64 (repeatable)',
    type: { kind: 'limits' },
    expected: 'name=size with a whole number, such as sequence_length=64',
  },
  {
    key: 'seed',
    flag: '--seed <n>',
    group: 'Check',
    help: 'of what is drawn',
    type: { kind: 'count' },
    default: '1',
    expected: 'a whole number from 1 to 256',
  },
  ...device.map((spec) => ({ ...spec, help: spec.help.replace('what runs the check', 'what runs both') })),
  ...shared('json', 'quiet', 'debug'),
];

export const comparePositionals = [
  { key: 'a', help: 'an .onnx file, or a folder that holds some: an output of vlm-convert, or any other' },
  { key: 'b', help: 'the same of what is compared with it; files of folders are paired by name' },
] as const;
