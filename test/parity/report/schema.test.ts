/** The schema of parity-report.json: the report's own type, and what is written validates against it. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import { renderJson } from '../../../src/parity/report/json.ts';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { parityReportSchema, reportJsonSchema } from '../../../src/parity/report/schema.ts';
import { fullReport } from './full-report.ts';

/** The same without `readonly`, any JSON by its name, and a number where the file may hold null for one not finite. */
type Plain<T> = [null | boolean | number | string] extends [T]
  ? 'json'
  : [T] extends [number | null]
    ? [null] extends [T]
      ? number
      : T
    : T extends readonly (infer Item)[]
      ? Plain<Item>[]
      : T extends object
        ? { -readonly [Key in keyof T]: Plain<Exclude<T[Key], undefined>> }
        : T;

describe('the schema', () => {
  it('has the type of the report: a field of one is a field of the other', () => {
    expectTypeOf<Plain<z.output<typeof parityReportSchema>>>().toEqualTypeOf<Plain<ParityReport>>();
  });

  it('takes what is written, with and without the optional parts', () => {
    for (const report of [fullReport(), fullReport({ broken: true })]) {
      expect(parityReportSchema.parse(JSON.parse(renderJson(report)))).toBeTruthy();
      const { curves, placement, image, ...rest } = report;
      expect(parityReportSchema.safeParse(JSON.parse(renderJson(rest))).error).toBeUndefined();
    }
  });

  it('takes null where an error is not finite, and nothing of another kind', () => {
    const report = JSON.parse(renderJson(fullReport())) as {
      version: unknown;
      levels: { outputs: { metrics: Record<string, unknown> }[] }[];
    };
    const metrics = report.levels[0]?.outputs[0]?.metrics ?? {};
    metrics.relative = null;
    expect(parityReportSchema.safeParse(report).success).toBe(true);
    metrics.relative = 'large';
    expect(parityReportSchema.safeParse(report).success).toBe(false);
    metrics.relative = 0;
    report.version = 2;
    expect(parityReportSchema.safeParse(report).success).toBe(false);
  });

  it('lets readers of version 1 through what later tools add', () => {
    const report = { ...fullReport(), later: { more: 1 } };
    expect(parityReportSchema.safeParse(JSON.parse(renderJson(report))).success).toBe(true);
    expect(JSON.stringify(reportJsonSchema())).not.toContain('"additionalProperties":false');
  });

  it('is exported with the package', () => {
    const root = resolve(import.meta.dirname, '../../..');
    const { exports } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as {
      exports: Record<string, string>;
    };
    const path = exports['./parity-report.schema.json'] ?? '';
    expect(path).toBe('./dist/parity-report.schema.json');
    expect(JSON.parse(readFileSync(resolve(root, path), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(reportJsonSchema())),
    );
  });
});
