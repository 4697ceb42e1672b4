/**
 * The one table of options. Flags, help text, validation of flags and of the config file, and the exported JSON
 * Schema are all made from it (program.ts, schema.ts). It is plain data: `--help` loads nothing heavier.
 */
import { checkOptions } from './table/check.ts';
import { modelOptions } from './table/model.ts';
import type { OptionSpec } from './table/option-spec.ts';
import { pictureOptions } from './table/picture.ts';
import { precisionOptions } from './table/precision.ts';
import { runOptions } from './table/run.ts';

export type { OptionKind, OptionSpec } from './table/option-spec.ts';

export const optionTable = [
  ...modelOptions,
  ...pictureOptions,
  ...precisionOptions,
  ...checkOptions,
  ...runOptions,
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
