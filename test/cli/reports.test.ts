/** Where the report of a check goes: the output folder, the terminal, a JUnit file, the summary of a CI step. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ParityReport } from '../../src/index.ts';
import { parityReportSchema } from '../../src/parity/report/schema.ts';
import { fixtures } from '../golden-folders.ts';
import { runMain } from './run-main.ts';

const monkey = join(fixtures, 'monkey/tiny-896/checkpoint');

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'vlm-reports-'));
});
afterEach(() => rmSync(root, { recursive: true }));

it('writes every form of the report of a conversion', async () => {
  const out = join(root, 'out');
  const stepSummary = join(root, 'summary.md');
  writeFileSync(stepSummary, '# Before\n');
  const ran = await runMain([monkey, 'out', '--precision', 'int4', '--junit', 'ci/deep/parity.xml'], {
    cwd: root,
    stepSummary,
  });
  expect(ran.err).not.toMatch(/^error/m);
  expect(ran.code).toBe(0);
  const summary = ran.out.slice(ran.out.indexOf('Wrote '));
  expect(summary).toMatch(/all \d+ gates passed/);
  expect(summary).toMatch(/^ {2}features +\d.* of its limit: /m);
  expect(summary).toContain('parity-report.html');
  expect(summary.split('\n').length).toBeLessThanOrEqual(24);

  const text = readFileSync(join(out, 'parity-report.json'), 'utf8');
  const report = JSON.parse(text) as ParityReport;
  // zod leaves out what it does not know: what is written is what the schema describes, to the last key.
  expect(parityReportSchema.parse(report)).toEqual(report);
  const html = readFileSync(join(out, 'parity-report.html'), 'utf8');
  expect(html.length).toBeLessThan(200_000);
  expect(html).toMatch(/^<!doctype html>/);
  const embedded =
    /<script type="application\/json" id="parity-report">(.*?)<\/script>/.exec(html)?.[1] ?? '';
  expect(JSON.parse(embedded)).toEqual(report);

  const markdown = readFileSync(join(out, 'parity-report.md'), 'utf8');
  expect(readFileSync(stepSummary, 'utf8')).toBe(`# Before\n${markdown}`);
  const junit = readFileSync(join(root, 'ci/deep/parity.xml'), 'utf8');
  expect(junit.match(/<testcase /g)).toHaveLength(report.gates.length);
});

it('publishes the report of a check that failed', async () => {
  const stepSummary = join(root, 'summary.md');
  const junit = join(root, 'parity.xml');
  const argv = [monkey, join(root, 'out'), '--gate', 'logits.kl=0', '--precision', 'int4', '--junit', junit];
  const ran = await runMain(argv, { stepSummary });
  expect(ran.code).toBe(2);
  expect(ran.out).toMatch(
    /gates FAILED\n {2}BLAME decoder, at fidelity: more is lost by rounding .*\n {2}FAIL {2}fidelity\.logits\.kl /,
  );
  expect(readFileSync(stepSummary, 'utf8')).toContain('**FAILED**');
  expect(readFileSync(junit, 'utf8')).toMatch(/<failure type="gate" message="0\.\d+, limit ≤ 0 \(set\)">/);
});

it('refuses a JUnit file that cannot be, before the work', async () => {
  const there = join(root, 'file');
  writeFileSync(there, '');
  const out = join(root, 'out');
  const ran = await runMain([monkey, out, '--junit', join(there, 'parity.xml')]);
  expect(ran.err).toContain('VC5120');
  expect(ran.code).toBe(5);
  expect(existsSync(out)).toBe(false);
  const unchecked = await runMain([monkey, out, '--no-parity', '--junit', join(root, 'parity.xml')]);
  expect(unchecked.err).toMatch(/VC4002[\s\S]*--junit[\s\S]*--no-parity/);
  expect(unchecked.code).toBe(3);
});

it('goes on when the summary of the step cannot be written', async () => {
  const folder = join(root, 'summary');
  mkdirSync(folder);
  const ran = await runMain([monkey, join(root, 'out'), '--precision', 'int4'], { stepSummary: folder });
  expect(ran.err).toContain('warning VC5121');
  expect(ran.code).toBe(0);
});

it('writes to JUnit that a check could not run, over what an earlier one left', async () => {
  const junit = join(root, 'parity.xml');
  writeFileSync(junit, '<testsuites/>');
  const inputs = join(root, 'none.safetensors');
  const ran = await runMain([monkey, join(root, 'out'), '--inputs', inputs, '--junit', junit]);
  const code = /VC\d{4}/.exec(ran.err)?.[0] ?? 'none';
  expect(ran.code).toBeGreaterThan(2);
  const xml = readFileSync(junit, 'utf8');
  expect(xml).toContain('<testsuite name="check" tests="1" failures="0" errors="1"');
  expect(xml).toContain(`<error type="${code}" message="`);
  expect(xml).toContain('none.safetensors');
});
