/**
 * How well converted models read: the trained tiny Qwen2-VL of fixtures/, converted in every precision, answers its 100
 * pictures from PNG to text, and the answers are held to the truth and to what the original says.
 *
 *   npm run bench:digits            prints the table
 *   npm run bench:digits -- --write puts it into docs/models.md
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { convert, generate } from '../dist/index.js';

const home = resolve(import.meta.dirname, '..');
const fixture = join(home, 'fixtures/qwen2-vl/trained-digits');
const page = join(home, 'docs/models.md');
const [begin, end] = ['<!-- begin bench/digits.js -->', '<!-- end bench/digits.js -->'];

/** @type {readonly (readonly [string, import('../dist/index.js').ConvertOptions['precision']])[]} */
const variants = [
  ['fp32', 'fp32'],
  ['fp16', 'fp16'],
  ['int8', 'int8'],
  ['int4', 'int4'],
  ['decoder int4, vision int8', { vision: 'int8', embed: 'int8', decoder: 'int4' }],
];

/** @type {Record<string, { readonly answer: string, readonly reference: string }>} */
const answers = JSON.parse(await readFile(join(fixture, 'eval/answers.json'), 'utf8'));
const pictures = Object.entries(answers);

/** @param {(text: string, of: { readonly answer: string, readonly reference: string }) => boolean} right @param {Map<string, string>} texts */
const share = (texts, right) => {
  const count = pictures.filter(([name, of]) => right(texts.get(name) ?? '', of)).length;
  return `${count} of ${pictures.length}`;
};
/** @param {string} text */
const reading = (text) => text.split('@')[0];
/** @param {string} text */
const place = (text) => text.split('@')[1];

const root = await mkdtemp(join(tmpdir(), 'vlm-digits-'));
try {
  /** @type {string[][]} */
  const rows = [];
  for (const [title, precision] of variants) {
    const output = join(root, 'out');
    const { passed, plan } = await convert({
      checkpoint: join(fixture, 'checkpoint'),
      output,
      precision,
      force: true,
    });
    /** @type {Map<string, string>} */
    const texts = new Map();
    for (const [name] of pictures) {
      const images = [join(fixture, 'eval', name)];
      const { text } = await generate({ output, images, prompt: 'read', maxTokens: 14 });
      texts.set(name, text);
    }
    rows.push([
      title,
      `${(plan.bytes.output / 2 ** 20).toFixed(1)} MiB`,
      passed ? 'passed' : 'failed',
      share(texts, (text, { reference }) => text === reference),
      share(texts, (text, { answer }) => text === answer),
      share(texts, (text, { answer }) => reading(text) === reading(answer)),
      share(texts, (text, { answer }) => place(text) === place(answer)),
    ]);
    console.error(rows.at(-1)?.join('  '));
  }
  const header = [
    'Precision',
    'Output',
    'Parity',
    "The original's text",
    'Right',
    'Number right',
    'Place right',
  ];
  const table = [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
  if (process.argv.includes('--write')) {
    const text = await readFile(page, 'utf8');
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from === -1 || to === -1) throw new Error(`${page} has no ${begin}`);
    await writeFile(page, `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`);
  } else {
    console.log(table);
  }
} finally {
  await rm(root, { recursive: true, force: true });
}
