/** The text of `--help`, made from the option table, and how every command lays out its own. */
import { helpExamples } from './help-examples.ts';
import { configFlag, type OptionSpec, optionTable, positionals } from './options.ts';

export interface Row {
  readonly name: string;
  readonly text: string;
}

export const groups = ['Model', 'Picture', 'Precision', 'Check', 'Run'] as const;

/** `columns` is the width of the terminal. */
export function convertHelp(columns: number): string {
  return render(
    columns,
    [
      'Usage: vlm-convert [checkpoint | model.onnx] [output] [options]',
      '       vlm-convert quantize <model.onnx> [output] [options]',
      "       vlm-convert opt <model.onnx> [-o <file>] [--passes '<text>'] [options]",
      '       vlm-convert parity <output> [--checkpoint <folder>] [options]',
      '       vlm-convert compare <a> <b> [options]',
      '       vlm-convert bisect <checkpoint | output> [options]',
      '       vlm-convert run <output> --image <file> --prompt <text> [options]',
      '       vlm-convert inspect [folder | file.safetensors | model.onnx]',
    ],
    'Compiles a vision-language checkpoint, or an ONNX model, into ONNX graphs at the resolution and precision asked ' +
      'for, and checks them against the original.',
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

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

export function argumentRows(named: readonly { readonly key: string; readonly help: string }[]): Section {
  return { title: 'Arguments', rows: named.map(({ key, help }) => ({ name: key, text: help })) };
}

export function optionRows(options: readonly OptionSpec[], group: (typeof groups)[number]): Row[] {
  return options
    .filter((spec) => spec.group === group)
    .map((spec) => ({
      name: spec.flag,
      text: spec.default === undefined ? spec.help : `${spec.help} (default: ${spec.default})`,
    }));
}

export const common: readonly Row[] = [
  { name: '--version', text: 'print the version' },
  { name: '-h, --help', text: 'print this' },
];

export function render(
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

export function entry({ name, text }: Row, width: number, columns: number): string[] {
  const lines = wrap(text, Math.max(columns - width, 30));
  return lines.map((line, index) => `${(index === 0 ? `  ${name}` : '').padEnd(width)}${line}`);
}

export function wrap(text: string, columns: number): string[] {
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
