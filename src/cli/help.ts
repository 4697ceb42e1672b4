/** The text of `--help`, made from the option table. */
import { configFlag, helpExamples, inspectFlags, optionTable, positionals } from './options.ts';

interface Row {
  readonly name: string;
  readonly text: string;
}

const groups = ['Picture', 'Precision', 'Check', 'Run'] as const;

/** `columns` is the width of the terminal. */
export function convertHelp(columns: number): string {
  const rows = (group: (typeof groups)[number]): Row[] =>
    optionTable
      .filter((spec) => spec.group === group)
      .map((spec) => ({
        name: spec.flag,
        text: 'default' in spec ? `${spec.help} (default: ${spec.default})` : spec.help,
      }));
  return render(columns, [
    { title: 'Arguments', rows: positionals.map(({ key, help }) => ({ name: key, text: help })) },
    ...groups.map((group) => ({
      title: group,
      rows:
        group === 'Run'
          ? [...rows(group), { name: configFlag.flag, text: configFlag.help }, ...common]
          : rows(group),
    })),
  ]);
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

function render(columns: number, sections: readonly { title: string; rows: readonly Row[] }[]): string {
  const width = Math.max(...sections.flatMap(({ rows }) => rows.map(({ name }) => name.length))) + 4;
  return [
    'Usage: vlm-convert [checkpoint] [output] [options]',
    '       vlm-convert inspect [folder | file.safetensors | model.onnx]',
    '',
    ...wrap(
      'Compiles a vision-language checkpoint into ONNX graphs at the resolution and precision asked for, and ' +
        'checks them against the original.',
      columns,
    ),
    ...sections.flatMap(({ title, rows }) => [
      '',
      `${title}:`,
      ...rows.flatMap((row) => entry(row, width, columns)),
    ]),
    helpExamples,
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
