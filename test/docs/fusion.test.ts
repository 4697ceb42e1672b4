/** The page of what passes find is what `npm run fusion-table` recorded, and that is what they find. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { optimizePasses } from '../../src/pipeline/optimize-passes.ts';
import { onnxCases } from '../graph/onnx-cases.ts';
import { measure, pageFile, pageText, readRecord, recordFile, recordText } from '../support/fusion-table.ts';

const record = readRecord();

it('is the page that the record makes', () => {
  expect(pageText(record)).toBe(readFileSync(pageFile, 'utf8'));
  expect(recordText(record)).toBe(readFileSync(recordFile, 'utf8'));
});

it('is of the pipeline that runs', () => {
  expect(record.passes).toBe(optimizePasses);
});

it('finds what the sources call, in every case', () => {
  expect(
    record.rows.filter(({ expected, found }) => JSON.stringify(expected) !== JSON.stringify(found)),
  ).toEqual([]);
  expect(record.rows.length).toBeGreaterThan(30);
});

describe('what was recorded is found', () => {
  const cases = onnxCases().filter(({ name }) => record.rows.some((row) => row.case === name));
  it.each(cases)('$name', async (one) => {
    const row = record.rows.find((known) => known.case === one.name);
    const { difference: _, nodes: __, deviation, ...found } = (await measure(one)) ?? {};
    expect(row).toMatchObject(found);
    // Sums in another order on another machine.
    expect(deviation).toBeLessThan(4 * (row?.deviation ?? 0) + 1e-6);
  });
});
