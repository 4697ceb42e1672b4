/** Against an earlier report: the same passes, what is further off fails though every default gate lets it through. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Precision } from '../../src/parity/gates.ts';
import { parseBaseline } from '../../src/parity/gates-baseline.ts';
import { renderJson } from '../../src/parity/report/json.ts';
import type { ParityReport } from '../../src/parity/report/report.ts';
import { type ParityRequest, parityFailure, runParity } from '../../src/parity/run-parity.ts';
import { type Build, image, makeTinyVlm, recipe, streamOf, type TinyVlm } from './tiny-vlm.ts';

let reference: TinyVlm;
let rounded: TinyVlm;
let earlier: ParityReport;

const bytesOf = (report: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(report));
const asBaseline = (report: ParityReport) =>
  parseBaseline('baseline.json', new TextEncoder().encode(renderJson(report)));

function request(converted: TinyVlm, options: Partial<ParityRequest['subject']> = {}): ParityRequest {
  const int4: Precision = 'int4';
  return {
    subject: {
      tool: { name: 'vlm-convert', version: '0.0.0' },
      model: { name: 'tiny', architecture: 'test', structureSha256: 'abc' },
      options: { precision: 'int4', gate: {} },
      precision: { vision: int4, embed: 'fp32', decoder: int4 },
      passes: [],
      coverage: [],
      warnings: [],
      ...options,
    },
    recipe,
    image,
    stream: streamOf({ reference, plain: converted, converted }),
  };
}

/** Weights rounded to steps of 1/16: errors of the size that int4 has. */
const rounding = (more: number): Build => ({
  alter: (name, w) => {
    if (!/\.(up|down|q|k|v|out|head)$/.test(name)) return;
    const original = Float32Array.from(w);
    for (const [i, value] of original.entries()) {
      w[i] = value + (Math.round(value * 16) / 16 - value) * more;
    }
  },
});

beforeAll(async () => {
  reference = await makeTinyVlm();
  rounded = await makeTinyVlm(rounding(1));
  earlier = await runParity(request(rounded));
});

const fromBaseline = (report: ParityReport) => report.gates.filter(({ from }) => from === 'baseline');

describe('a baseline', () => {
  it('passes the same conversion, with verdicts of its own', async () => {
    expect(earlier.passed).toBe(true);
    const report = await runParity({ ...request(rounded), baseline: asBaseline(earlier) });
    expect(report.passed).toBe(true);
    expect(parityFailure(report)).toBeUndefined();
    const gates = fromBaseline(report).map(({ level, output, feed, metric }) =>
      [level, output, feed, metric].join(' '),
    );
    expect(gates).toContain('fidelity features local relative');
    expect(gates).toContain('fidelity logits chain kl');
    expect(gates).toContain('fidelity logits chain perplexity');
    expect(gates).toContain('implementation cache local mean');
    // The others are what they were without it.
    expect(report.gates.filter(({ from }) => from !== 'baseline')).toEqual(earlier.gates);
  });

  it('fails what is further off than noise, where the default gates do not', async () => {
    const worse = await makeTinyVlm(rounding(1.3));
    const report = await runParity({ ...request(worse), baseline: asBaseline(earlier) });
    expect(report.gates.filter(({ from, passed }) => from !== 'baseline' && !passed)).toEqual([]);
    expect(report.passed).toBe(false);
    const failed = fromBaseline(report).filter(({ passed }) => !passed);
    expect(failed.map(({ output, metric }) => `${output} ${metric}`)).toContain('features relative');
    expect(failed.every(({ level }) => level === 'fidelity')).toBe(true);
    expect(parityFailure(report)?.code).toBe('VC6202');
    expect(parityFailure(report)?.exitCode).toBe(2);
  });

  it('lets through what is within noise, and what is better', async () => {
    for (const share of [1.03, 0.5]) {
      const other = await makeTinyVlm(rounding(share));
      const report = await runParity({ ...request(other), baseline: asBaseline(earlier) });
      expect(report.gates.filter(({ passed }) => !passed)).toEqual([]);
    }
  });

  it('stands behind a gate that fails by itself', async () => {
    const broken = await makeTinyVlm(rounding(8));
    const report = await runParity({ ...request(broken), baseline: asBaseline(earlier) });
    expect(fromBaseline(report).some(({ passed }) => !passed)).toBe(true);
    expect(parityFailure(report)?.code).toBe('VC6201');
  });

  it.each<[string, string, ParityRequest['subject'] | object, object]>([
    ['another model', 'structureSha256', { model: { structureSha256: 'def' } }, {}],
    ['other options', 'options.precision', { options: { precision: 'int8' } }, {}],
    ['another precision', 'precision', { precision: { vision: 'int8' } }, {}],
    ['other inputs', 'sample', {}, { seed: 2 }],
    ['other steps', 'sample', {}, { decodeSteps: 3 }],
  ])('of %s is refused', async (_what, where, subject, change) => {
    const asked = { ...request(rounded, subject), ...change, baseline: asBaseline(earlier) };
    const refusal = await runParity(asked).catch((error: unknown) => String(error));
    expect(refusal).toContain('VC6106');
    expect(refusal).toContain(where);
  });

  it('may differ in how it was judged, and in options that one of both does not know', async () => {
    const options = { precision: 'int4', gate: { 'logits.kl': 1 }, newer: true };
    const report = await runParity({ ...request(rounded, { options }), baseline: asBaseline(earlier) });
    expect(report.passed).toBe(true);
  });

  it('is refused when an output of it is not measured now', async () => {
    const { recipe: _, ...rest } = request(rounded);
    const { encoder: _vision, splice: _splice, ...text } = recipe;
    const alone = { ...rest, recipe: text, image: undefined };
    const sample = { ...(await runParity(alone)).sample };
    const levels = earlier.levels;
    const baseline = parseBaseline('b.json', bytesOf({ ...earlier, sample, levels }));
    await expect(runParity({ ...alone, baseline })).rejects.toThrow('VC6106');
  });

  it.each([
    ['text', 'not JSON'],
    ['another file', '{"a": 1}'],
    ['a later version', '{"version": 99, "levels": []}'],
    ['a list', '[]'],
  ])('that is %s is refused', (_what, text) => {
    expect(() => parseBaseline('x.json', new TextEncoder().encode(text))).toThrow('VC6106');
  });
});
