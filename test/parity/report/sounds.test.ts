/** What a report says of sounds: the worst frame with its time, and the error along each sound. */
import { describe, expect, it } from 'vitest';
import { renderHtml } from '../../../src/parity/report/html/page.ts';
import { renderMarkdown } from '../../../src/parity/report/markdown.ts';
import { frameLine, worstToken } from '../../../src/parity/report/tokens.ts';
import { loud, quiet, sound, soundReport } from './sound-report.ts';

const maps = [sound(0, loud), sound(1, quiet)];

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
    const text = renderMarkdown(soundReport(maps));
    expect(text).toContain('- Sound: sounds of up to 2 s → 200 frames → 50 tokens');
    expect(text).toContain('## Worst frame of the sound');
    expect(text).toContain('sound 0, frame 12 (0.48 s): 0.01, 100 times the median');
    expect(text).toContain(`sound 0, 0.00 to 1.64 s: ▁`);
    expect(text).toContain('1 drawn sound, seed 1: 166 frames, 41 tokens, sha256 aaaaaaaaaaaaaaaa…');
    expect(text).toContain('60 tokens (41 of the sound)');
    expect(text).not.toContain('picture');
  });

  it('is a curve on the page, one for each sound', () => {
    const page = renderHtml(soundReport(maps)).toString();
    expect(page).toContain('Where in the sound');
    expect(page).not.toContain('Where in the picture');
    expect(page).toMatch(/data-plot="frames:\d+:\d+:0" data-columns="41"/);
    expect(page).toMatch(/data-plot="frames:\d+:\d+:1" data-columns="18"/);
    // One of 41 frames is marked: the thirteenth.
    expect(page).toContain(`<rect class="worst" x="${Math.round(12000 / 41)}"`);
    expect(renderHtml(soundReport([sound(0, [0, 0])])).toString()).toContain(
      'No frame differs from the reference',
    );
  });
});
