/** Drawn pictures in all forms of the report: the numbers, both pictures and their difference, and where it is worst. */
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import type { OutputResult } from '../../../src/parity/outputs.ts';
import { PictureComparison } from '../../../src/parity/picture-metrics.ts';
import { renderHtml } from '../../../src/parity/report/html/page.ts';
import { renderJson } from '../../../src/parity/report/json.ts';
import { renderMarkdown } from '../../../src/parity/report/markdown.ts';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { parityReportSchema } from '../../../src/parity/report/schema.ts';
import { float32Value, type RunTensor } from '../../../src/runtime/values.ts';
import { fullReport } from './full-report.ts';

const [width, height] = [48, 32];
const scale = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** A slope from black to white, in red and green; with `wrong`, one pixel of the second block of the second row. */
function pixels(wrong: number): RunTensor {
  const data = Float32Array.from({ length: 3 * width * height }, (_, at) => {
    const [channel, y, x] = [Math.floor(at / (width * height)), Math.floor(at / width) % height, at % width];
    const own = channel === 2 ? -1 : (2 * x) / (width - 1) - 1;
    return y === 20 && x === 24 ? own + wrong : own;
  });
  return float32Value([1, 3, height, width], data);
}

/** A report with one output more. */
function reportOf(output: RunTensor): ParityReport {
  const comparison = new PictureComparison(scale);
  comparison.add(pixels(0), output);
  const picture = comparison.finish();
  const report = fullReport();
  const levels = report.levels.map((level) => {
    const [some] = level.outputs;
    if (level.level !== 'fidelity' || some === undefined || picture === undefined) return level;
    const metrics = { ...some.metrics, picture };
    const pixelsOf: OutputResult = { ...some, output: 'pixels', component: 'image_decoder', metrics };
    return { ...level, outputs: [...level.outputs, pixelsOf] };
  });
  return { ...report, levels };
}

describe('drawn pictures', () => {
  const report = reportOf(pixels(0.41));

  it('are in the report as its schema says, and in Markdown with the worst place', () => {
    const read = parityReportSchema.parse(JSON.parse(renderJson(report)));
    const [picture] = read.levels.flatMap(({ outputs }) =>
      outputs.flatMap(({ metrics }) => metrics.picture ?? []),
    );
    expect(picture?.worstBlock.where).toBe('picture 0, block row 1 column 1');
    const lines = renderMarkdown(report).split('\n');
    expect(lines).toContain('## Drawn pictures');
    expect(lines.find((line) => line.includes('block row 1 column 1'))).toMatch(
      /^\| fidelity \| \w+ \| [\d.]+ \| [\d.]+ \| picture 0, block row 1 column 1 \|$/,
    );
  });

  it('are shown side by side, with their difference and the worst block', () => {
    const page = renderHtml(report);
    const section = page.slice(page.indexOf('<section id="pictures"'), page.indexOf('<section id="logits"'));
    const shown = [...section.matchAll(/data:image\/png;base64,([A-Za-z0-9+/=]+)/g)].map(([, text = '']) =>
      PNG.sync.read(Buffer.from(text, 'base64')),
    );
    expect(shown.map((png) => [png.width, png.height])).toEqual([0, 1, 2].map(() => [width, height]));
    const at = (png: PNG | undefined, x: number, y: number): number[] => [
      ...(png?.data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3) ?? []),
    ];
    const [reference, output, difference] = shown;
    expect(at(reference, width - 1, 3)).toEqual([255, 255, 0]);
    expect(at(reference, 24, 20)).toEqual([130, 130, 0]);
    expect(at(output, 24, 20)).toEqual([182, 182, 52]);
    // The largest is white, and nothing else differs.
    expect(at(difference, 24, 20)).toEqual([255, 255, 255]);
    expect(at(difference, 23, 20)).toEqual([0, 0, 0]);
    expect(section).toMatch(/white: 52\.2\d of 255/);
    expect(section).toMatch(
      /<rect class="h\d+" x="16" y="16" [^>]*><title>block row 1 column 1: [\d.]+<\/title>/,
    );
  });

  it('are numbers alone where they are equal', () => {
    const page = renderHtml(reportOf(pixels(0)));
    expect(page).toContain('<section id="pictures"');
    expect(
      page.slice(page.indexOf('<section id="pictures"'), page.indexOf('<section id="logits"')),
    ).not.toContain('data:image');
  });
});
