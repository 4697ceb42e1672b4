/** The options of `opt`, the door for those who write passes. */
import { type OptionSpec, optionTable } from './options.ts';
import { targetIds } from './table/precision.ts';

/** Options of a conversion by key. */
function ofConversion(...keys: readonly string[]): readonly OptionSpec[] {
  return (optionTable as readonly OptionSpec[]).filter(({ key }) => keys.includes(key));
}

export const optOptions: readonly OptionSpec[] = [
  {
    key: 'output',
    flag: '-o, --output <file>',
    group: 'Run',
    help: 'the .onnx file to write, with its data files beside it where it has large weights; left out: the graph is printed',
    type: { kind: 'path' },
    expected: 'a path',
  },
  {
    key: 'passes',
    flag: '--passes <text>',
    group: 'Precision',
    help: "the passes in their order, with options in braces: 'fold,fuse-attention{target=webgpu},int4{block=32}'",
    type: { kind: 'text' },
    default: 'what a conversion of the model runs',
    expected: 'pipeline text such as fold,fuse-attention,int4{block=32}',
  },
  ...ofConversion('target').map(
    (spec): OptionSpec => ({
      ...spec,
      ...(spec.quantizeHelp === undefined ? {} : { help: spec.quantizeHelp }),
      type: { kind: 'choices', values: targetIds },
      default: 'cpu,webgpu',
      expected: `one or several of ${targetIds.join(', ')}, with commas between them`,
    }),
  ),
  {
    key: 'stopAfter',
    flag: '--stop-after <pass>',
    group: 'Precision',
    help: 'leave out what comes after the first pass of this name',
    type: { kind: 'text' },
    expected: 'a pass of the pipeline',
  },
  {
    key: 'listPasses',
    flag: '--list-passes',
    group: 'Precision',
    help: 'print every pass with its options and their defaults, and the default pipeline',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'printBefore',
    flag: '--print-before <pass>',
    group: 'Check',
    help: 'print the graph before each pass of this name, or before all (repeatable)',
    type: { kind: 'names' },
    expected: 'a pass of the pipeline, or all',
  },
  {
    key: 'printAfter',
    flag: '--print-after <pass>',
    group: 'Check',
    help: 'the same after it (repeatable)',
    type: { kind: 'names' },
    expected: 'a pass of the pipeline, or all',
  },
  {
    key: 'timing',
    flag: '--timing',
    group: 'Check',
    help: 'print where the time went: passes, and inference and verification after each',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'reproducer',
    flag: '--reproducer <folder>',
    group: 'Check',
    help: 'where the graph goes that a pass fails on, with the passes that are left and the error',
    type: { kind: 'path' },
    default: 'a new folder among the temporary files',
    expected: 'a path',
  },
  {
    key: 'reproduce',
    flag: '--reproduce <folder>',
    group: 'Check',
    help: 'run again what such a folder holds; a model is named, too, where the folder could not hold it',
    type: { kind: 'path' },
    expected: 'a path',
  },
  ...ofConversion('force', 'json', 'quiet', 'debug'),
];

export const optPositionals = [
  { key: 'model', help: 'an .onnx file; its external data stands in its folder' },
] as const;
