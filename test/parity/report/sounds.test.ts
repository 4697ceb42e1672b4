/** What a report says of sounds: the worst frame with its time, and the error along each sound. */
import { describe, expect, it } from 'vitest';
import type { TokenMap } from '../../../src/parity/metrics.ts';
import { renderHtml } from '../../../src/parity/report/html/page.ts';
import { renderMarkdown } from '../../../src/parity/report/markdown.ts';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { frameLine, worstToken } from '../../../src/parity/report/tokens.ts';
import { fullReport } from './full-report.ts';

const sound = (index: number, errors: readonly number[]): TokenMap => ({
  ...{ view: `sound ${index}`, rows: 1, columns: errors.length, seconds: 0.04 },
  errors,
});
const quiet = Array.from({ length: 18 }, () => 1e-6);
const loud = Array.from({ length: 41 }, (_, frame) => (frame === 12 ? 1e-2 : 1e-4));
const maps = [sound(0, loud), sound(1, quiet)];

/** A report of a model that takes sounds. */
function heard(tokens: readonly TokenMap[]): ParityReport {
  const { image, ...report } = fullReport();
  return {
    ...report,
    audio: { seconds: 2, tokens: 50, summary: 'sounds of up to 2 s → 200 frames → 50 tokens' },
    sample: {
      ...{ seed: 1, source: 'drawn', decodeSteps: 8, prompts: [{ tokens: 60, imageTokens: 41 }] },
      sounds: [{ frames: 166, tokens: 41, sha256: 'a'.repeat(64) }],
    },
    levels: report.levels.map((level) => ({
      ...level,
      outputs: level.outputs.map((one) => {
        const { tokens: _, ...metrics } = one.metrics;
        return { ...one, metrics: one.output === 'features' ? { ...metrics, tokens } : metrics };
      }),
    })),
  };
}

describe('the error of sounds', () => {
  it('is worst at a frame that has a time', () => {
    expect(worstToken(maps)?.text).toBe('sound 0, frame 12 (0.48 s): 0.01, 100 times the median');
  });

  it('is a line along time, a hundredth of the largest at its foot', () => {
    const line = `${'▁'.repeat(12)}█${'▁'.repeat(28)}`;
    expect(frameLine(sound(0, loud))).toBe(`sound 0, 0.00 to 1.64 s: ${line}`);
    expect(frameLine(sound(1, quiet))).toBe(`sound 1, 0.00 to 0.72 s: ${'█'.repeat(18)}`);
    expect(frameLine(sound(1, [0, 1, Number.POSITIVE_INFINITY, 0.1]))).toBe('sound 1, 0.00 to 0.16 s: ▁█!▅');
    expect(frameLine(sound(1, [0, 0]))).toBeUndefined();
    // Of a long sound each bar is the worst of the frames behind it.
    const long = Array.from({ length: 750 }, (_, frame) => (frame === 749 ? 1 : 1e-6));
    expect(frameLine(sound(0, long))).toBe(`sound 0, 0.00 to 30.00 s: ${'▁'.repeat(59)}█`);
  });

  it('stands in the text, with what was heard', () => {
    const text = renderMarkdown(heard(maps));
    expect(text).toContain('- Sound: sounds of up to 2 s → 200 frames → 50 tokens');
    expect(text).toContain('## Worst frame of the sound');
    expect(text).toContain('sound 0, frame 12 (0.48 s): 0.01, 100 times the median');
    expect(text).toContain(`sound 0, 0.00 to 1.64 s: ▁`);
    expect(text).toContain('1 drawn sound, seed 1: 166 frames, 41 tokens, sha256 aaaaaaaaaaaaaaaa…');
    expect(text).toContain('60 tokens (41 of the sound)');
    expect(text).not.toContain('picture');
  });

  it('is a curve on the page, one for each sound', () => {
    const page = renderHtml(heard(maps)).toString();
    expect(page).toContain('Where in the sound');
    expect(page).not.toContain('Where in the picture');
    expect(page).toMatch(/data-plot="frames:\d+:\d+:0" data-columns="41"/);
    expect(page).toMatch(/data-plot="frames:\d+:\d+:1" data-columns="18"/);
    // One of 41 frames is marked: the thirteenth.
    expect(page).toContain(`<rect class="worst" x="${Math.round(12000 / 41)}"`);
    expect(renderHtml(heard([sound(0, [0, 0])])).toString()).toContain('No frame differs from the reference');
  });
});
