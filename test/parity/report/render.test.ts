/** The report as text: terminal summary, Markdown, JUnit, and what of the page can be told without a browser. */
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { placementLine } from '../../../src/parity/placement.ts';
import { encodeGreyPng } from '../../../src/parity/png.ts';
import { worstBlock, worstBlockText } from '../../../src/parity/report/blocks.ts';
import { renderHtml } from '../../../src/parity/report/html/page.ts';
import { counts, decades, valueTicks } from '../../../src/parity/report/html/scale.ts';
import { renderJunit } from '../../../src/parity/report/junit.ts';
import { renderMarkdown } from '../../../src/parity/report/markdown.ts';
import { methodLines } from '../../../src/parity/report/method.ts';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { summaryLines } from '../../../src/parity/report/summary.ts';
import { formatNumber, shareText, usedShare } from '../../../src/parity/report/text.ts';
import { worstToken } from '../../../src/parity/report/tokens.ts';
import { fault, fullReport } from './full-report.ts';

const good = fullReport();
const broken = fullReport({ broken: true });

/** What older reports, and checks of less, leave out. */
function bare(report: ParityReport): ParityReport {
  const { curves, placement, image, ...rest } = report;
  return {
    ...rest,
    levels: report.levels.map((level) => ({
      ...level,
      outputs: level.outputs.map((one) => {
        const { tokens, differences, ...metrics } = one.metrics;
        return { ...one, metrics };
      }),
    })),
  };
}

describe('the terminal summary', () => {
  it('says in a few lines how near each output is to its limit', () => {
    const lines = summaryLines(good);
    expect(lines[0]).toBe(`Check against the original: all ${good.gates.length} gates passed`);
    const features = good.gates.filter((gate) => gate.output === 'features');
    const most = Math.max(...features.map(usedShare));
    expect(lines.find((line) => line.startsWith('  features'))).toContain(`${shareText(most)} of its limit`);
    expect(lines.some((line) => line.includes('largest own error') && line.startsWith('  decoder'))).toBe(
      true,
    );
    expect(lines.some((line) => line.includes('610 of 612 nodes ran on WebGpuExecutionProvider'))).toBe(true);
    expect(lines.some((line) => line.includes('left no record'))).toBe(true);
  });

  it('names what failed first, with its place, and the block of the fault', () => {
    const lines = summaryLines(broken);
    expect(lines[0]).toMatch(/gates FAILED$/);
    expect(lines[1]).toMatch(
      /^ {2}BLAME vision, block 11 .*wrong zero points of .*only in tile row 0 column 2$/,
    );
    expect(lines[2]).toMatch(
      /FAIL {2}implementation\.features\.max \(local\) .*tile row 0 column 2, token 89/,
    );
    expect(lines.find((line) => line.startsWith('  vision '))).toMatch(
      /block 11 \([\w.]*resblocks\.11\) stands out: 0\.03 at implementation/,
    );
    expect(fault.block).toBe(11);
    expect(lines.length).toBeLessThanOrEqual(20);
    const failed = broken.gates.filter((gate) => !gate.passed).length;
    const listed = lines.filter((line) => line.startsWith('  FAIL')).length;
    expect(lines.find((line) => line.includes(' more'))?.trim()).toBe(`and ${failed - listed} more`);
  });

  it('says it in one line when everything ran where it was asked to', () => {
    const placement = (good.placement ?? []).slice(1, 2).map((one) => ({ ...one, fellBack: [] }));
    expect(summaryLines({ ...good, placement }).at(-1)).toBe('  Every node of vision ran on webgpu.');
    // Nothing is said of the device asked for when another one ran.
    const cpu = placement.map((one) => ({ ...one, device: 'cpu' as const }));
    expect(summaryLines({ ...good, placement: cpu }).at(-1)).not.toContain('Every node');
  });

  it('does without the optional parts', () => {
    expect(summaryLines(bare(good))).toHaveLength(5);
  });
});

describe('Markdown', () => {
  it('names the worst blocks, the worst token and what ran where', () => {
    const text = renderMarkdown(broken);
    expect(text).toMatch(
      /## Error per block[\s\S]*- vision: block 11 \([\w.]*resblocks\.11\) stands out[\s\S]*\| vision \| 11 of 24 \| [\w.]*resblocks\.11 \| [\d.e-]+ \| 0\.03 \| 0\.031 \|/,
    );
    const vision = text
      .split('\n')
      .filter((line) => line.startsWith('| vision |') && line.includes(' of 24 '));
    expect(vision).toHaveLength(5);
    expect(vision[0]).toContain('| 11 of 24 |');
    expect(text).toContain(
      '- implementation, features fed local: tile row 0 column 2, token row 5 column 9: 0.8',
    );
    expect(text).toContain(
      '- vision, converted: 610 of 612 nodes ran on WebGpuExecutionProvider; not: Gather, Range',
    );
    expect(renderMarkdown(bare(broken))).not.toMatch(/## Error per block|## Worst token|## What ran where/);
  });
});

describe('the method', () => {
  it('names what was shown: a drawn picture, pictures, recorded inputs', () => {
    const { picture, ...sample } = good.sample;
    const digest = 'a'.repeat(64);
    const first = (report: ParityReport): string | undefined => methodLines(report)[0];
    expect(first(good)).toMatch(/^A drawn picture of 1344x896, seed 1, sha256 /);
    const pictures = [{ name: 'a\n`b`.png', sha256: digest }];
    expect(first({ ...good, sample: { ...sample, source: 'samples', pictures } })).toBe(
      'Pictures: a b .png (sha256 aaaaaaaaaaaaaaaa…)',
    );
    const recorded = [{ name: '', sha256: digest }];
    expect(first({ ...good, sample: { ...sample, source: 'recorded', pictures: recorded } })).toBe(
      'Recorded inputs: sha256 aaaaaaaaaaaaaaaa…',
    );
    expect(picture).toBeDefined();
  });

  it('leaves to the table what ran where', () => {
    const [first] = (good.placement ?? []).map(placementLine);
    const runtime = { ...good.runtime, notes: [first ?? '', 'another note'] };
    expect(methodLines({ ...good, runtime }).slice(-1)).toEqual(['another note']);
    expect(methodLines({ ...good, runtime })).not.toContain(first);
  });
});

describe('JUnit XML', () => {
  it('has a case per gate and a failure per failed one, with value, limit and place', () => {
    const text = renderJunit(broken);
    const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
    const failed = broken.gates.filter((gate) => !gate.passed).length;
    expect(count(/<testcase /g)).toBe(broken.gates.length);
    expect(count(/<failure /g)).toBe(failed);
    expect(text).toContain(`tests="${broken.gates.length}" failures="${failed}" errors="0"`);
    expect(text).toMatch(
      /<testcase classname="parity\.implementation\.features" name="vision features max \(local\)" time="0">\s*<failure type="gate" message="0\.\d+, limit ≤ 0\.001, worst at tile row 0 column 2, token 89, channel 71">/,
    );
    expect(renderJunit(good)).not.toContain('<failure');
  });
});

describe('the page', () => {
  it('has the same bytes each time', () => {
    expect(renderHtml(fullReport({ broken: true }))).toBe(renderHtml(broken));
    expect(renderHtml({ ...good, timing: { check: 2 } })).toBe(renderHtml(good));
  });

  it('stays small, also with thousands of tokens and tens of blocks', () => {
    expect(Buffer.byteLength(renderHtml(broken))).toBeLessThan(400_000);
    expect(Buffer.byteLength(renderHtml(bare(good)))).toBeLessThan(100_000);
  });

  it('leaves out what there is nothing to show of', () => {
    const text = renderHtml(bare(good));
    const sections = [...text.matchAll(/<section id="(\w+)"/g)].map(([, id]) => id);
    expect(sections).toEqual(['logits', 'gates', 'numbers', 'weights', 'passes', 'warnings', 'measured']);
  });

  it('holds nothing that a browser would fetch', () => {
    const text = renderHtml(broken);
    expect(/https?:|<link[^>]*href="(?!data:)|src=/.exec(text)?.[0]).toBeUndefined();
    expect(/Content-Security-Policy" content="([^"]*)"/.exec(text)?.[1]).toMatch(
      /^default-src &#39;none&#39;;/,
    );
  });

  it('shows a block that is not finite as the worst', () => {
    const [curve] = good.curves ?? [];
    if (curve === undefined) throw new Error('no curve');
    const blocks = curve.blocks.map((block, index) =>
      index === 3 ? { ...block, local: { ...block.local, relative: Number.NaN, nonFinite: 7 } } : block,
    );
    expect(worstBlock({ ...curve, blocks }, [])).toMatchObject({ index: 3, level: 'fidelity' });
    const text = renderHtml({ ...good, curves: [{ ...curve, blocks }] });
    expect(text.includes('Largest own error not finite in block 3 ')).toBe(true);
    expect(text.includes('class="dots bad"')).toBe(true);
  });
});

describe('the worst block', () => {
  const [vision] = broken.curves ?? [];
  if (vision === undefined) throw new Error('no curve');

  it('is that of the first finding', () => {
    const worst = worstBlock(vision, broken.findings);
    expect(worst).toMatchObject({ index: fault.block, level: 'implementation', blamed: true });
    expect(worst?.metrics).toBe(vision.blocks[fault.block]?.implementation);
    const [finding] = broken.findings;
    if (finding === undefined) throw new Error('no finding');
    const other = { ...finding, component: 'decoder' };
    expect(worstBlock(vision, [other])?.blamed).toBe(false);
  });

  it('is the one with the largest own error where none is blamed', () => {
    const largest = Math.max(...vision.blocks.map(({ local }) => local.relative));
    const index = vision.blocks.findIndex(({ local }) => local.relative === largest);
    const worst = worstBlock(vision, []);
    expect(worst).toMatchObject({ index, level: 'fidelity', blamed: false });
    expect(worst && worstBlockText(worst)).toMatch(/^largest own error [\d.]+ in block \d+ \(/);
    expect(worstBlock({ ...vision, blocks: [] }, [])).toBeUndefined();
  });
});

describe('the worst token', () => {
  const map = (errors: readonly number[]) => [{ view: 'a', rows: 2, columns: 2, errors }];

  it('is the largest error, one that is not finite before all others, and nowhere when nothing differs', () => {
    expect(worstToken(map([1, 2, 8, 4]))).toMatchObject({ row: 1, column: 0, value: 8 });
    expect(worstToken(map([1, 2, 8, 4]))?.text).toBe('a, token row 1 column 0: 8, 2 times the median');
    expect(worstToken(map([1, Number.NaN, 8, 4]))).toMatchObject({ row: 0, column: 1 });
    expect(worstToken(map([1, 2, Number.POSITIVE_INFINITY, 4]))).toMatchObject({ row: 1, column: 0 });
    expect(worstToken(map([0, 0, 0, 0]))).toBeUndefined();
  });
});

describe('numbers', () => {
  it('are four digits, three beside an exponent, none of them idle', () => {
    expect([0.98765, 1.2345e-7, 1e-4, 1e-7, 123456.7, 0.35, 0, 12].map(formatNumber)).toEqual([
      '0.9877',
      '1.23e-7',
      '1e-4',
      '1e-7',
      '1.23e+5',
      '0.35',
      '0',
      '12',
    ]);
    expect([0, 0.0000005, 0.614, 1.3, 320.4, Number.POSITIVE_INFINITY].map(shareText)).toEqual([
      '0 %',
      '< 0.1 %',
      '61 %',
      '130 %',
      '320 ×',
      'beyond',
    ]);
  });

  it('tell how much of its limit a gate used, from either side', () => {
    const [gate] = good.gates;
    if (gate === undefined) throw new Error('no gate');
    const share = (direction: 'at-most' | 'at-least', value: number, limit: number): number =>
      usedShare({ ...gate, direction, value, limit, passed: false });
    expect(share('at-most', 0.2, 0.4)).toBe(0.5);
    expect(share('at-least', 0.98, 0.96)).toBeCloseTo(0.5);
    expect(share('at-least', 0.9, 0.95)).toBeCloseTo(2);
    expect(share('at-most', 3, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(share('at-most', Number.NaN, 1)).toBe(Number.POSITIVE_INFINITY);
  });

  it('are placed on logarithmic axes of whole decades', () => {
    const scale = decades([0, 3e-4, 0.02, Number.NaN]);
    expect(scale?.ticks.map(({ label }) => label)).toEqual(['10⁻⁴', '10⁻³', '10⁻²', '10⁻¹']);
    expect(scale?.at(1e-4)).toBeCloseTo(0);
    expect(scale?.at(1e-2)).toBeCloseTo(2 / 3);
    expect([0, 1e-9, 5, Number.NaN].map((value) => scale?.at(value))).toEqual([0, 0, 1, 1]);
    expect(decades([0, Number.NaN])).toBeUndefined();
    // What is four decades below the largest is at the foot, and the foot says so.
    expect(decades([1e-12, 0.9])?.ticks.map(({ label }) => label)).toEqual([
      '≤ 10⁻⁴',
      '10⁻³',
      '10⁻²',
      '10⁻¹',
      '1',
    ]);
    expect(decades([1e-12, 0.9])?.at(1e-12)).toBe(0);
    expect(counts([0, 9, 99]).at(9)).toBeCloseTo(0.5);
    expect(counts([0, 0]).ticks.map(({ label }) => label)).toEqual(['0', '1']);
  });

  it('are placed between the edges of bins', () => {
    const ticks = valueTicks([-1, -0.5, 0, 0.5, 1]);
    expect(ticks.map(({ label }) => label)).toEqual(['-1', '-0.5', '0', '0.5', '1']);
    expect(ticks.map(({ at }) => at)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(valueTicks([0.3, 0.3])).toEqual([]);
  });
});

it('writes PNG files that others read', () => {
  const levels = Uint8Array.from({ length: 5 * 3 }, (_, index) => index);
  const png = PNG.sync.read(Buffer.from(encodeGreyPng(5, 3, levels)));
  expect([png.width, png.height]).toEqual([5, 3]);
  for (const [index, level] of levels.entries()) expect(png.data[index * 4]).toBe(level * 17);
});
