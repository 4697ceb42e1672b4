/** The text of `--help`, made from the option table. */
import { bisectOptions, bisectPositionals } from './bisect-options.ts';
import { compareOptions, comparePositionals, parityOptions, parityPositionals } from './check-options.ts';
import { helpExamples } from './help-examples.ts';
import {
  configFlag,
  inspectFlags,
  type OptionSpec,
  optionTable,
  positionals,
  quantizeOptions,
  quantizePositionals,
} from './options.ts';

interface Row {
  readonly name: string;
  readonly text: string;
}

const groups = ['Picture', 'Precision', 'Check', 'Run'] as const;

/** `columns` is the width of the terminal. */
export function convertHelp(columns: number): string {
  return render(
    columns,
    [
      'Usage: vlm-convert [checkpoint] [output] [options]',
      '       vlm-convert quantize <model.onnx> [output] [options]',
      '       vlm-convert parity <output> [--checkpoint <folder>] [options]',
      '       vlm-convert compare <a> <b> [options]',
      '       vlm-convert bisect <checkpoint | output> [options]',
      '       vlm-convert inspect [folder | file.safetensors | model.onnx]',
    ],
    'Compiles a vision-language checkpoint into ONNX graphs at the resolution and precision asked for, and ' +
      'checks them against the original.',
    [
      argumentRows(positionals),
      ...groups.map((group) => ({
        title: group,
        rows:
          group === 'Run'
            ? [...optionRows(optionTable, group), { name: configFlag.flag, text: configFlag.help }, ...common]
            : optionRows(optionTable, group),
      })),
    ],
    helpExamples,
  );
}

export function quantizeHelp(columns: number): string {
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

export function parityHelp(columns: number): string {
  return render(
    columns,
    ['Usage: vlm-convert parity <output> [--checkpoint <folder>] [options]'],
    'Checks an output again, with the options that its vlm-convert.json holds: the checkpoint has to be the one that ' +
      'it was made from, and every file the one that was written. A fresh report replaces the old one.',
    checkSections(parityPositionals, parityOptions),
    '',
  );
}

export function compareHelp(columns: number): string {
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

export function bisectHelp(columns: number): string {
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

interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

function argumentRows(named: readonly { readonly key: string; readonly help: string }[]): Section {
  return { title: 'Arguments', rows: named.map(({ key, help }) => ({ name: key, text: help })) };
}

function optionRows(options: readonly OptionSpec[], group: (typeof groups)[number]): Row[] {
  return options
    .filter((spec) => spec.group === group)
    .map((spec) => ({
      name: spec.flag,
      text: spec.default === undefined ? spec.help : `${spec.help} (default: ${spec.default})`,
    }));
}

const common: readonly Row[] = [
  { name: '--version', text: 'print the version' },
  { name: '-h, --help', text: 'print this' },
];

export function inspectHelp(columns: number): string {
  const width = 24;
  return [
    'Usage: vlm-convert inspect [folder | file.safetensors | model.onnx]',
    '',
    ...wrap(
      'Prints what is inside a checkpoint, a .safetensors or an .onnx file: dtypes, shapes, bytes, config, ' +
        'components and problems. Reads no weights. Left out: the current folder.',
      columns,
    ),
    '',
    ...inspectFlags.flatMap(({ flag, help }) => entry({ name: flag, text: help }, width, columns)),
    '',
  ].join('\n');
}

function render(
  columns: number,
  usage: readonly string[],
  summary: string,
  sections: readonly Section[],
  end: string,
): string {
  const width = Math.max(...sections.flatMap(({ rows }) => rows.map(({ name }) => name.length))) + 4;
  return [
    ...usage,
    '',
    ...wrap(summary, columns),
    ...sections.flatMap(({ title, rows }) => [
      '',
      `${title}:`,
      ...rows.flatMap((row) => entry(row, width, columns)),
    ]),
    end,
  ].join('\n');
}

function entry({ name, text }: Row, width: number, columns: number): string[] {
  const lines = wrap(text, Math.max(columns - width, 30));
  return lines.map((line, index) => `${(index === 0 ? `  ${name}` : '').padEnd(width)}${line}`);
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
