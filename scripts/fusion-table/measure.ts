/** Writes docs/fusion.json and docs/fusion.md. */
import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { optimizePasses } from '../../src/pipeline/optimize-passes.ts';
import { onnxCases } from '../../test/graph/onnx-cases.ts';
import {
  caseJson,
  type FusionRow,
  measure,
  pageFile,
  pageText,
  recordFile,
  recordText,
} from '../../test/support/fusion-table.ts';

it('measures every recorded model', async () => {
  const rows: FusionRow[] = [];
  let versions: Readonly<Record<string, string>> = {};
  for (const one of onnxCases()) {
    const row = await measure(one);
    if (row === undefined) continue;
    rows.push(row);
    versions = caseJson(one.folder).versions ?? versions;
  }
  expect(rows.length).toBeGreaterThan(3);
  const record = { passes: optimizePasses, versions, rows };
  writeFileSync(recordFile, recordText(record));
  writeFileSync(pageFile, pageText(record));
});
