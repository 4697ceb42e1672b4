import { describe, expect, it } from 'vitest';
import { diagnostic } from '../../src/report/diagnostics.ts';
import { formatBytes, formatSeconds, formatTable, plural } from '../../src/report/format.ts';
import { formatProgress, formatWarnings, plainReporter, warningsReporter } from '../../src/report/sinks.ts';

describe('numbers for people', () => {
  it('formats bytes, times, counts', () => {
    expect([0, 1023, 1024, 1536, 2 ** 30, 5 * 2 ** 40].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '1.0 GiB',
      '5.0 TiB',
    ]);
    expect([0, 8.4, 59.6, 185, 7625].map(formatSeconds)).toEqual([
      '0 s',
      '8 s',
      '1 min 00 s',
      '3 min 05 s',
      '2 h 07 min',
    ]);
    expect([plural(1, 'tile'), plural(6, 'tile')]).toEqual(['1 tile', '6 tiles']);
  });

  it('aligns tables, numbers to the right', () => {
    expect(
      formatTable(
        [
          ['a', '1', ''],
          ['bcd', '22', 'x'],
        ],
        [1],
      ),
    ).toEqual(['a     1', 'bcd  22  x']);
  });
});

describe('warnings', () => {
  it('say a code once, with all its places', () => {
    const text = formatWarnings([
      diagnostic('VC4301', { where: 'tile 2', hint: 'train' }),
      diagnostic('VC4310', { found: '3', expected: 'at most 2', hint: 'less' }),
      diagnostic('VC4301', { where: 'tile 5', hint: 'train' }),
    ]);
    expect(text).toBe(
      [
        'warning VC4301: a tile runs adapter weights that were not trained for its position',
        '  - tile 2',
        '  - tile 5',
        '  to do: train',
        'warning VC4310: the image span is longer than the sequence length that the model was trained for',
        '  - found 3; expected at most 2',
        '  to do: less',
        '',
      ].join('\n'),
    );
    expect(formatWarnings([])).toBe('');
  });
});

describe('plain lines', () => {
  it('give a line per stage, and tenths of what is large', async () => {
    let out = '';
    let err = '';
    const reporter = plainReporter(
      (text) => {
        out += text;
      },
      (text) => {
        err += text;
      },
    );
    reporter.stages([
      { id: 'a', title: 'Read' },
      { id: 'b', title: 'Write' },
    ]);
    reporter.start('a');
    reporter.progress('a', { done: 50, total: 100, unit: 'bytes' });
    reporter.finish('a', '3 tensors');
    reporter.start('b');
    for (const done of [1, 2, 3, 4, 10]) {
      reporter.progress('b', { done: done * 2 ** 29, total: 10 * 2 ** 29, unit: 'bytes' });
    }
    reporter.progress('b', { done: 2 ** 29 * 2.5, total: 10 * 2 ** 29, unit: 'bytes' });
    reporter.warn([diagnostic('VC4301', { hint: 'x' })]);
    await reporter.close('failed');
    expect(out.split('\n')).toEqual([
      '- Read: 3 tensors',
      '  Write: 10 % (512.0 MiB of 5.0 GiB)',
      '  Write: 20 % (1.0 GiB of 5.0 GiB)',
      '  Write: 30 % (1.5 GiB of 5.0 GiB)',
      '  Write: 40 % (2.0 GiB of 5.0 GiB)',
      'x Write: failed',
      '',
    ]);
    expect(err).toContain('VC4301');
  });

  it('count steps, and nothing of no bytes', () => {
    expect(formatProgress({ done: 3, total: 8, unit: 'steps', text: 'decode' })).toBe('3 of 8 decode');
    expect(formatProgress({ done: 0, total: 0, unit: 'steps', text: 'vision' })).toBe('vision');
    expect(formatProgress({ done: 0, total: 0, unit: 'bytes' })).toBe('100 % (0 B of 0 B)');
  });

  it('can be warnings only', () => {
    const texts: string[] = [];
    const reporter = warningsReporter((text) => texts.push(text));
    reporter.start('a');
    reporter.finish('a');
    reporter.warn([diagnostic('VC4301', { hint: 'x' })]);
    expect(texts).toHaveLength(1);
  });
});
