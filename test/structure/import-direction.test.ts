/**
 * Holds the direction of imports between rooms (docs/architecture.md): a room imports only from itself, from
 * rooms below it, and from `report`, which is a leaf. `graph` never meets formats, and nothing meets the CLI.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';

const src = resolve(import.meta.dirname, '../../src');

/** What each room may import besides itself and `report`. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  report: [],
  kernels: [],
  tensor: ['kernels'],
  graph: ['tensor', 'kernels'],
  rewrite: ['graph', 'tensor', 'kernels'],
  formats: ['graph', 'tensor', 'kernels'],
  // A kernel serves versions of an operator, and graph/op-schema.ts knows those.
  targets: ['graph'],
  architectures: ['formats', 'rewrite', 'graph', 'tensor', 'kernels'],
  packages: ['targets', 'architectures', 'formats', 'graph', 'tensor', 'kernels'],
  passes: ['targets', 'rewrite', 'graph', 'tensor', 'kernels'],
  runtime: ['formats', 'graph', 'tensor', 'kernels'],
  parity: ['runtime', 'architectures', 'passes', 'rewrite', 'formats', 'graph', 'tensor', 'kernels'],
  pipeline: [
    'parity',
    'runtime',
    'packages',
    'architectures',
    'passes',
    'targets',
    'rewrite',
    'formats',
    'graph',
    'tensor',
    'kernels',
  ],
  /** The library's entry, `src/index.ts`. */
  '.': ['pipeline', 'parity', 'architectures', 'passes', 'formats', 'graph', 'tensor'],
  /** The CLI uses only what the library exports. */
  cli: ['.'],
};

const sources = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

function roomOf(file: string): string {
  const path = relative(src, file);
  return path.includes('/') ? (path.split('/')[0] ?? '.') : '.';
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const specifiers = [
    ...text.matchAll(/\bfrom\s+'([^']+)'/g),
    ...text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g),
    ...text.matchAll(/\bimport\s+'([^']+)'/g),
  ];
  return specifiers.flatMap((match) => (match[1]?.startsWith('.') ? [resolve(dirname(file), match[1])] : []));
}

it('lets imports point one way', () => {
  const wrong: string[] = [];
  for (const source of sources) {
    const file = join(src, source);
    const room = roomOf(file);
    const may = allowed[room];
    if (may === undefined) {
      wrong.push(`${source}: room ${room} is not in the table`);
      continue;
    }
    for (const target of importsOf(file)) {
      const other = roomOf(target);
      if (other !== room && other !== 'report' && !may.includes(other)) {
        wrong.push(`${source} imports ${relative(src, target)}: ${room} must not know ${other}`);
      }
    }
  }
  expect(sources.length).toBeGreaterThan(20);
  expect(wrong).toEqual([]);
});

it('sees imports at all: the table forbids something that a file could write', () => {
  expect(importsOf(join(src, 'graph/graph.ts')).map(roomOf)).toContain('tensor');
  expect(allowed.graph).not.toContain('formats');
});

it('keeps passes and architectures free of I/O and of runtimes', () => {
  const wrong = sources.filter(
    (source) =>
      // Reads the compiled kernels.
      source !== 'kernels/module.ts' &&
      /^(passes|architectures|graph|rewrite|targets|kernels)\//.test(source) &&
      /from '(node:fs|node:fs\/promises|node:child_process|node:net|onnxruntime-node)'/.test(
        readFileSync(join(src, source), 'utf8'),
      ),
  );
  expect(wrong).toEqual([]);
});
