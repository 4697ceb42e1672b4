/** The texts of `--help` of the commands beside a conversion, made from their option tables. */
import { bisectOptions, bisectPositionals } from './bisect-options.ts';
import { compareOptions, comparePositionals, parityOptions, parityPositionals } from './check-options.ts';
import { generateOptions, generatePositionals } from './generate-options.ts';
import { argumentRows, common, groups, optionRows, render, type Section } from './help.ts';
import { inspectOptions, inspectPositionals } from './inspect-options.ts';
import { optOptions, optPositionals } from './opt-options.ts';
import { type OptionSpec, quantizeOptions, quantizePositionals } from './options.ts';

/** By command. */
export const commandHelps: Readonly<Record<string, (columns: number) => string>> = {
  bisect: bisectHelp,
  compare: compareHelp,
  inspect: inspectHelp,
  opt: optHelp,
  parity: parityHelp,
  quantize: quantizeHelp,
  run: generateHelp,
};

function quantizeHelp(columns: number): string {
  return render(
    columns,
    ['Usage: vlm-convert quantize <model.onnx> [output] --precision <p> [options]'],
    'Writes an ONNX model with its weights in lower precision. The graph stays what it is; weights are streamed, ' +
      'never loaded. The result is not run: vlm-convert compare does that, on inputs of yours or drawn ones. Files ' +
      'beside the model (tokenizers and the like) are not copied. The config file is not read.',
    [
      argumentRows(quantizePositionals),
      ...groups.map((group) => ({
        title: group,
        rows: [...optionRows(quantizeOptions.map(forQuantize), group), ...(group === 'Run' ? common : [])],
      })),
    ].filter(({ rows }) => rows.length > 0),
    '',
  );
}

function parityHelp(columns: number): string {
  return render(
    columns,
    ['Usage: vlm-convert parity <output> [--checkpoint <folder>] [options]'],
    'Checks an output again, with the options that its vlm-convert.json holds: the checkpoint has to be the one that ' +
      'it was made from, and every file the one that was written. A fresh report replaces the old one.',
    checkSections(parityPositionals, parityOptions),
    '',
  );
}

function compareHelp(columns: number): string {
  return render(
    columns,
    ['Usage: vlm-convert compare <a> <b> [options]'],
    'Runs two ONNX models, whoever made them, on the same inputs and says how far their outputs are apart. Inputs that ' +
      'are not given are drawn by the names and types of the model: ids inside their tables, open masks, positions ' +
      'that count, pictures. Outputs are paired by name.',
    checkSections(comparePositionals, compareOptions),
    '',
  );
}

function bisectHelp(columns: number): string {
  return render(
    columns,
    [
      'Usage: vlm-convert bisect <checkpoint> [options of a conversion]',
      '       vlm-convert bisect <output> [--checkpoint <folder>] [options]',
    ],
    'Finds out which pass a conversion goes wrong in, and there which block, which node and which weight; where no pass ' +
      'is at fault, which weights cost the most by being rounded. A small model that shows the fault is left in a ' +
      'folder. Exit code 2 when a pass is at fault. The config file is not read.',
    [
      argumentRows(bisectPositionals),
      ...groups.map((group) => ({
        title: group,
        rows: [...optionRows(bisectOptions, group), ...(group === 'Run' ? common : [])],
      })),
    ],
    '',
  );
}

function generateHelp(columns: number): string {
  return render(
    columns,
    [
      'Usage: vlm-convert run <output> [--image <file>] --prompt <text> [options]',
      '       vlm-convert run <output> --generate <file.png> --prompt <text> [options]',
    ],
    'Runs the graphs of an output folder on a picture and a prompt and prints the answer as it grows: the quickest proof ' +
      'that a conversion works. Tokens are picked greedily. With --generate it draws what the prompt says. The folder alone ' +
      'suffices; the config file is not read.',
    [
      argumentRows(generatePositionals),
      { title: 'Prompt', rows: optionRows(generateOptions, 'Picture') },
      { title: 'Run', rows: [...optionRows(generateOptions, 'Run'), ...common] },
    ],
    '',
  );
}

function optHelp(columns: number): string {
  return render(
    columns,
    ["Usage: vlm-convert opt <model.onnx> [-o <file>] [--passes '<text>'] [options]"],
    'Runs passes over an ONNX model and prints or writes what they make of it: for those who write passes. Each pass that ' +
      'ran is a line on standard error; graphs go to standard output. Nothing is run or compared: a conversion of the ' +
      'model does that. Where a pass fails, the graph before it is kept and can be run again.',
    [
      argumentRows(optPositionals),
      { title: 'Passes', rows: optionRows(optOptions, 'Precision') },
      { title: 'Looking inside', rows: optionRows(optOptions, 'Check') },
      { title: 'Run', rows: [...optionRows(optOptions, 'Run'), ...common] },
    ],
    '',
  );
}

function checkSections(
  named: readonly { readonly key: string; readonly help: string }[],
  options: readonly OptionSpec[],
): readonly Section[] {
  return [
    argumentRows(named),
    { title: 'Check', rows: optionRows(options, 'Check') },
    { title: 'Run', rows: [...optionRows(options, 'Run'), ...common] },
  ];
}

function forQuantize(spec: OptionSpec): OptionSpec {
  const { default: _, ...rest } = spec;
  return spec.quantizeHelp === undefined ? spec : { ...rest, help: spec.quantizeHelp };
}

function inspectHelp(columns: number): string {
  return render(
    columns,
    ['Usage: vlm-convert inspect [folder | file.safetensors | model.onnx] [options]'],
    'Prints what is inside a checkpoint, a .safetensors or an .onnx file: components, operators, dtypes, shapes, bytes, ' +
      'config and problems; of graphs, what they mean and what the default passes of vlm-convert opt find in them, and ' +
      'why they leave the rest. Reads no weights but small constants, and writes nothing.',
    [
      argumentRows(inspectPositionals),
      { title: 'Looking inside', rows: optionRows(inspectOptions, 'Check') },
      { title: 'Run', rows: [...optionRows(inspectOptions, 'Run'), ...common] },
    ],
    '',
  );
}
