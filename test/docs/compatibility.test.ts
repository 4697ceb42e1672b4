/** The tables of what runs where are what `npm run compatibility` wrote, for every family that there is. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { architectures } from '../../src/architectures/registry.ts';
import {
  type Compatibility,
  pageFile,
  precisions,
  readRecord,
  recordFile,
  recordText,
  withTables,
} from '../support/compatibility.ts';

const record = readRecord();
const page = readFileSync(pageFile, 'utf8');

it('is the page that the record makes', () => {
  expect(withTables(page, record)).toBe(page);
  expect(recordText(record)).toBe(readFileSync(recordFile, 'utf8'));
});

it('has run every family, every component and every precision, and nothing failed', () => {
  const ids = architectures.map(({ id }) => id).sort();
  expect([...new Set(record.clients.map(({ family }) => family))].sort()).toEqual(ids);
  expect([...new Set(record.targets.map(({ family }) => family))].sort()).toEqual(ids);
  expect(record.clients.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
  for (const { family, component } of record.targets) {
    const own = record.targets.filter((cell) => cell.family === family && cell.component === component);
    const onCpu = own.filter(({ target }) => target === 'onnxruntime, CPU');
    expect(onCpu.map(({ precision, passed }) => [precision, passed])).toEqual(
      precisions.map((precision) => [precision, true]),
    );
  }
});

it('says of a client what it did, precision by precision', () => {
  const cell = (precision: string, outcome: 'same' | 'other' | 'refused') => ({
    family: 'f',
    client: 'c',
    precision,
    outcome,
  });
  const target = (precision: string, nodes: readonly [number, number], passed = true) => ({
    family: 'f',
    component: 'vision',
    target: 't',
    precision,
    passed,
    nodes,
  });
  const made = (clients: Compatibility['clients']): string => {
    const targets = [target('fp32', [9, 9]), target('int8', [8, 9]), target('int4', [9, 9], false)];
    return withTables(page, { versions: { ort: '1' }, targets, clients });
  };
  const mixed = made([cell('fp32', 'same'), cell('int8', 'same'), cell('int4', 'other')]);
  expect(mixed).toContain('\n| f | fp32 int8, int4 (other tokens) |\n');
  expect(mixed).toContain('\n| f | vision | fp32, int8 (88 % of nodes, the rest on the CPU) |\n');
  expect(made([cell('fp32', 'refused'), cell('int8', 'refused')])).toContain('\n| f | – |\n');
  const drawn = made([cell('fp32', 'same'), { ...cell('fp32', 'other'), task: 'draw' }]);
  expect(drawn).toContain('\n| f | fp32 |\n| f, pictures drawn | fp32 (another picture) |\n');
});
