/** The journal: what was appended is read, whatever became of its end. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Journal, type JournalHeader, readJournal } from '../../../src/pipeline/engine/journal.ts';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vlm-journal-'));
  path = join(folder, 'journal');
});
afterEach(() => rmSync(folder, { recursive: true }));

const header: JournalHeader = {
  journal: 1,
  version: '1.2.3',
  plan: 'abc',
  inputs: [{ name: 'weights', size: 5, mtimeNs: '1234567890123456789' }],
};

function begun(): void {
  const journal = Journal.begin(path, header);
  journal.finished(3, [1, 2]);
  journal.finished(0, [4_294_967_295]);
  journal.close();
}

it('gives back its header and, of each unit, what was noted last', () => {
  begun();
  const contents = readJournal(path);
  expect(contents?.header).toEqual(header);
  expect([...(contents?.finished ?? [])]).toEqual([
    [3, [1, 2]],
    [0, [4_294_967_295]],
  ]);
  if (contents === undefined) throw new Error('no journal');
  const journal = Journal.goOn(path, contents);
  journal.finished(3, [7, 8]);
  journal.close();
  expect(readJournal(path)?.finished.get(3)).toEqual([7, 8]);
});

it.each([
  '{"unit":5,"crc32":[1',
  '\u0000\u0000\u0000\n{"unit":5,"crc32":[1]}\n',
  '{"unit":"5","crc32":[1]}\n',
  'null\n',
])('ends before a line that is torn, and goes on there: %j', (tail) => {
  begun();
  const whole = readFileSync(path, 'utf8');
  appendFileSync(path, tail);
  const contents = readJournal(path);
  if (contents === undefined) throw new Error('no journal');
  expect([...contents.finished.keys()]).toEqual([3, 0]);
  const journal = Journal.goOn(path, contents);
  journal.finished(9, [1]);
  journal.close();
  expect(readFileSync(path, 'utf8')).toBe(`${whole}{"unit":9,"crc32":[1]}\n`);
});

it('is none without a whole header', () => {
  expect(readJournal(path)).toBeUndefined();
  begun();
  const text = readFileSync(path, 'utf8');
  for (const broken of [
    '',
    text.slice(0, 20),
    text.replace('"journal":1', '"journal":2'),
    '[]\n',
    'null\n',
  ]) {
    writeFileSync(path, broken);
    expect(readJournal(path)).toBeUndefined();
  }
  expect(statSync(path).size).toBe(5);
});
