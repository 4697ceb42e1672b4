/** Gates of a sweep, and how each form of the report shows it. */
import { describe, expect, it } from 'vitest';
import { parseGates } from '../../../src/parity/gates.ts';
import { judgeRanges, rangeWarnings, withRanges } from '../../../src/parity/gates-ranges.ts';
import { renderHtml } from '../../../src/parity/report/html/page.ts';
import { renderJson } from '../../../src/parity/report/json.ts';
import { renderJunit } from '../../../src/parity/report/junit.ts';
import { renderMarkdown } from '../../../src/parity/report/markdown.ts';
import { leastPerValue } from '../../../src/parity/report/ranges-text.ts';
import { parityReportSchema } from '../../../src/parity/report/schema.ts';
import { summaryLines } from '../../../src/parity/report/summary.ts';
import { usedShare } from '../../../src/parity/report/text.ts';
import { parityFailure } from '../../../src/parity/run-parity.ts';
import { fullReport } from './full-report.ts';
import { rangeReport } from './range-report.ts';

const precision = { vision: 'fp16', decoder: 'int4' } as const;
const sound = rangeReport([3000, 6000, 9000]);
const near = rangeReport([3000, 6000, 30_000]);
const beyond = rangeReport([3000, 60_000, 90_000]);

describe('the gate', () => {
  it('asks of each component that computes in float16, at each size, for a headroom of 1', () => {
    const gates = judgeRanges(beyond, precision, []);
    expect(gates.map(({ component, size, passed }) => [component, size, passed])).toEqual([
      ['vision', '448x448', true],
      ['vision', '896x896', true],
      ['vision', '1344x896', false],
    ]);
    expect(gates[2]).toMatchObject({
      level: 'ranges',
      output: 'activations',
      metric: 'headroom',
      precision: 'fp16',
      direction: 'at-least',
      limit: 1,
      from: 'default',
      where: '1344x896, block.7/MatMul_7 (MatMul), tile row 0 column 2, token 89, channel 3',
    });
    expect(gates[2]?.value).toBeCloseTo(65504 / 90_000, 9);
    expect(gates.map(usedShare)).toEqual([3000, 60_000, 90_000].map((max) => expect.closeTo(max / 65504, 9)));
  });

  it.each(['headroom', 'ranges.activations.headroom'])('takes another limit as %s', (key) => {
    const gates = judgeRanges(beyond, precision, parseGates({ [key]: 8 }));
    expect(gates.map(({ passed, from, limit }) => [passed, from, limit])).toEqual([
      [true, 'user', 8],
      [false, 'user', 8],
      [false, 'user', 8],
    ]);
  });

  it('fails where something is not finite though every value has room, whatever the precision', () => {
    const [size] = sound.sizes;
    const [, decoder] = size?.components ?? [];
    if (size === undefined || decoder === undefined) throw new Error('no size');
    const nonFinite = {
      ...{ value: 'a', node: 'layer.0/Div', operator: 'Div', block: 'layer.0' },
      ...{ count: 1, elements: 2, where: 'prompt 0, position 1 (text), channel 2' },
    };
    const report = { ...sound, sizes: [{ ...size, components: [{ ...decoder, nonFinite }] }] };
    const gates = judgeRanges(report, precision, []);
    expect(gates).toMatchObject([{ component: 'decoder', value: 0, passed: false }]);
    expect(gates[0]?.where).toBe('448x448, layer.0/Div (Div), prompt 0, position 1 (text), channel 2');
  });

  it('warns of less than four times the room, once per component, at the size with the least', () => {
    expect(rangeWarnings(sound)).toEqual([]);
    expect(rangeWarnings(near)).toMatchObject([
      {
        code: 'VC6111',
        severity: 'warning',
        found: '30000',
        where: expect.stringMatching(/^vision at 1344x896: block\.7/),
      },
    ]);
    // What the gate fails needs no warning, but what a fused operator keeps to itself has no gate.
    expect(rangeWarnings(beyond)).toEqual([]);
    const sizes = sound.sizes.map((size) => ({
      ...size,
      components: size.components.map((one) => ({
        ...one,
        inside: one.inside.map((row) => ({ ...row, max: 1e5, headroom: 0.655 })),
      })),
    }));
    expect(rangeWarnings({ ...sound, sizes })).toMatchObject([
      { where: expect.stringContaining('block.7/MatMul_3 (MatMul, inside fused attention)') },
    ]);
  });
});

describe('a report with a sweep', () => {
  const passed = withRanges(fullReport(), sound, []);
  const failed = withRanges(fullReport(), beyond, []);

  it('fails as a whole, with a code and the place', () => {
    expect([passed.passed, failed.passed]).toEqual([true, false]);
    expect(passed.gates.length).toBe(fullReport().gates.length + 3);
    expect(parityFailure(passed)).toBeUndefined();
    expect(parityFailure(failed)?.record).toMatchObject({
      code: 'VC6201',
      found: '0.728',
      expected: 'at least 1',
      where: expect.stringContaining('1344x896, block.7/MatMul_7'),
    });
  });

  it('validates against its schema', () => {
    for (const report of [passed, failed]) {
      expect(parityReportSchema.safeParse(JSON.parse(renderJson(report))).error).toBeUndefined();
    }
  });

  it('says it in the terminal', () => {
    const lines = summaryLines(failed);
    expect(lines.some((line) => /FAIL {2}ranges\.activations\.headroom .*0\.7278 {2}≥ 1 /.test(line))).toBe(
      true,
    );
    expect(lines.find((line) => line.startsWith('  ranges'))).toContain(
      'vision: block.7/MatMul_7 (MatMul) is the first beyond float16 at 1344x896',
    );
    expect(lines.some((line) => line.startsWith('  activations'))).toBe(false);
    expect(summaryLines(passed).find((line) => line.startsWith('  ranges'))).toContain(
      'vision: least headroom 7.28 at 1344x896: block.7/MatMul_7 (MatMul), tile row 0 column 2',
    );
  });

  it('says it in Markdown, size by size', () => {
    const text = renderMarkdown(failed);
    expect(text).toContain('## Ranges: how many times larger activations could be');
    expect(text).toContain(
      '| **FAIL** | activations | chain | headroom | 0.7278 | ≥ 1 | 1344x896, block.7/MatMul_7',
    );
    expect(text).toContain('| Size | Picture | Prompt | vision | decoder |');
    expect(text).toContain(
      '| 896x896 | 896x896 → tiles | 291 | 1.09 block.7/MatMul_7 | (1640 layer.0/Mul_13) |',
    );
    expect(text).toContain('| **0.728** block.7/MatMul_7 |');
    expect(renderMarkdown(fullReport())).not.toContain('Headroom');
  });

  it('lists each value once, at the size with the least room', () => {
    expect(
      leastPerValue(beyond, 'vision').map(({ node, size, max, fused }) => [node, size, max, fused]),
    ).toEqual([
      ['block.7/MatMul_7', '1344x896', 90_000, false],
      ['block.6/MatMul_7', '1344x896', 45_000, false],
      ['block.7/MatMul_3', '448x448', 120, true],
    ]);
  });

  it('says it in JUnit, a case per size', () => {
    const xml = renderJunit(failed);
    for (const size of ['448x448', '896x896', '1344x896']) {
      expect(xml).toContain(
        `classname="parity.ranges.activations" name="vision activations headroom at ${size}"`,
      );
    }
    expect(xml).toMatch(/<testsuite name="ranges" tests="3" failures="1"/);
    expect(renderJunit(fullReport())).not.toContain('ranges');
  });

  it('draws a line per size and the end of float16 on the page', () => {
    const page = renderHtml(failed);
    const section = /<section id="ranges"[\s\S]*?<\/section>/.exec(page)?.[0] ?? '';
    expect(section.match(/class="line s\d"/g)).toEqual([
      'class="line s0"',
      'class="line s1"',
      'class="line s2"',
    ]);
    // The axis ends at 10^5 or 10^6; what is larger than another is higher.
    const peaks = [...section.matchAll(/class="line s\d" d="([^"]+)"/g)].map(([, d = '']) =>
      Math.min(...[...d.matchAll(/[ML]\d+ (\d+)/g)].map(([, y]) => Number(y))),
    );
    const limit = Number(/class="line limit" d="M0 (\d+)/.exec(section)?.[1]);
    const [first = 0, second = 0, third = 0] = peaks;
    expect(first > second && second > limit && limit > third).toBe(true);
    expect(section).toContain('decoder, if it computed in float16');
    expect(renderHtml(fullReport())).not.toContain('id="ranges"');
  });
});
