/** The options of `bisect`: those of a conversion that decide what its graphs are, and its own. */
import { type OptionSpec, optionTable } from './options.ts';

const keys: readonly string[] = [
  'device',
  'inputs',
  'samples',
  'seed',
  'memory',
  'jobs',
  'json',
  'quiet',
  'debug',
];

function ofConversion(wanted: (spec: OptionSpec) => boolean): readonly OptionSpec[] {
  return (optionTable as readonly OptionSpec[]).filter(wanted);
}

export const bisectOptions: readonly OptionSpec[] = [
  ...ofConversion(({ group }) => group === 'Model' || group === 'Picture' || group === 'Precision'),
  {
    key: 'checkpoint',
    flag: '--checkpoint <folder>',
    group: 'Check',
    help: 'of an output: the checkpoint that it was made from',
    type: { kind: 'path' },
    default: 'the current folder',
    expected: 'a path',
  },
  {
    key: 'threshold',
    flag: '--threshold <error>',
    group: 'Check',
    help: 'how far a pass may move a value, as max |error| / std',
    type: { kind: 'number' },
    default: 'what the check allows a block at its precision, 1e-4 but for fp16',
    expected: 'a number from 0 on',
  },
  {
    key: 'component',
    flag: '--component <id>',
    group: 'Check',
    help: 'the component to look at; the others only feed it',
    type: { kind: 'path' },
    default: 'all',
    expected: 'a component',
  },
  {
    key: 'reproducer',
    flag: '--reproducer <folder>',
    group: 'Check',
    help: 'where the small models go that show the faults',
    type: { kind: 'path' },
    default: '<checkpoint name>-bisect beside the current folder',
    expected: 'a path',
  },
  ...ofConversion(({ key }) => keys.includes(key)),
];

export const bisectPositionals = [
  { key: 'source', help: 'a checkpoint, or an output of vlm-convert, whose options then hold' },
] as const;
