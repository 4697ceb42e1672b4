/** docs/errors.md lists the whole catalogue. Regenerate it with `npx vitest run test/docs -u`. */
import { expect, it } from 'vitest';
import { catalogue } from '../../src/report/catalogue.ts';
import { exitCodes } from '../../src/report/diagnostics.ts';

const meanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'done, and every gate passed',
  internal: 'a bug of ours: please report it',
  gate: 'a parity gate failed (the output is written, with the report), or a warning under `--strict` (nothing is written)',
  usage: 'the command line or the config file is wrong',
  input: 'a checkpoint, adapter or ONNX file is wrong or not supported',
  output: 'the output cannot be written',
  runtime: 'a runtime that is needed is missing or failed',
  interrupted: 'stopped by Ctrl-C or a termination signal',
};

const areas: readonly (readonly [string, string])[] = [
  ['VC10', 'safetensors files'],
  ['VC11', 'Checkpoint folders and indexes'],
  ['VC12', 'config.json, and tensors against it'],
  ['VC13', 'PEFT adapters, and parts in folders of their own'],
  ['VC2', 'ONNX files'],
  ['VC3', 'Graphs and passes'],
  ['VC4', 'Options, resolution, adapters'],
  ['VC5', 'Output'],
  ['VC6', 'Runtimes and parity'],
  ['VC9', 'Internal'],
];

function page(): string {
  const lines = [
    '# Errors, warnings and exit codes',
    '',
    'Every message has one stable code. An error says what was found, what was expected, where, and what to do.',
    'Nothing half-written is left under the name of the output, and an existing output is never damaged.',
    '',
    '| Exit code | Meaning |',
    '|---:|---|',
    ...Object.entries(exitCodes).map(
      ([name, code]) => `| ${code} | ${meanings[name as keyof typeof meanings]} |`,
    ),
  ];
  const entries = Object.entries(catalogue);
  for (const [prefix, title] of areas) {
    lines.push(
      '',
      `## ${title}`,
      '',
      '| Code | | Exit | What is wrong | What to do |',
      '|---|---|---:|---|---|',
    );
    for (const [code, entry] of entries
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))) {
      const hint = 'hint' in entry ? entry.hint : '';
      const exit = entry.severity === 'warning' ? '' : exitCodes[entry.exit];
      lines.push(`| ${code} | ${entry.severity} | ${exit} | ${cell(entry.title)} | ${cell(hint ?? '')} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const cell = (text: string): string =>
  text
    .replaceAll('|', '\\|')
    .replaceAll('\n', ' ')
    .replaceAll(/<([a-z])/g, '&lt;$1');

it('puts every code into an area of the page', () => {
  const missing = Object.keys(catalogue).filter((code) => !areas.some(([prefix]) => code.startsWith(prefix)));
  expect(missing).toEqual([]);
});

it('is the page that users read', async () => {
  await expect(page()).toMatchFileSnapshot('../../docs/errors.md');
});
