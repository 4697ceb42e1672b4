/**
 * docs/models.md says what --resolution and --max-audio-seconds mean for every family, with an example of each that is
 * built here: a family without a row fails, and a row that is wrong.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { architectures, findArchitecture } from '../../src/architectures/registry.ts';
import { openSource } from '../../src/pipeline/open-source.ts';
import { type ConvertOptions, resolveOptions } from '../../src/pipeline/options.ts';
import { build } from '../../src/pipeline/plan.ts';
import { VlmError } from '../../src/report/diagnostics.ts';
import { goldenCase } from '../support/golden-cases.ts';

interface Row {
  readonly family: string;
  readonly case: string;
  /** `56x42: 12 tokens at 56x42`, `56x42: VC4202`. */
  readonly resolution: string;
  /** `1: 25 tokens of 1 s`, `1: VC4205`. */
  readonly seconds: string;
}

const page = readFileSync(join(import.meta.dirname, '../../docs/models.md'), 'utf8');

const rows = (page.split(/<!-- \/?sizes -->/)[1] ?? '')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| Family |'))
  .map((line): Row => {
    const [family = '', name = '', , resolution = '', , seconds = ''] = line
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.trim().replaceAll('`', ''));
    return { family, case: name, resolution, seconds };
  });

/** What an option makes of a case, as the table has it. */
async function outcome(name: string, asked: string, options: Partial<ConvertOptions>): Promise<string> {
  const resolved = resolveOptions({ ...options, checkpoint: goldenCase(name).checkpoint });
  const source = await openSource(resolved);
  try {
    const { image, audio } = build(source, resolved);
    if (options.maxAudioSeconds !== undefined && audio !== undefined) {
      return `${asked}: ${audio.tokens} tokens of ${audio.seconds} s`;
    }
    if (image === undefined) return `${asked}: nothing`;
    const views = image.views.length === 1 ? '' : ` of ${image.views.length} views`;
    return `${asked}: ${image.tokens} tokens${views} at ${image.input.width}x${image.input.height}`;
  } catch (error) {
    if (!(error instanceof VlmError)) throw error;
    return `${asked}: ${error.code}`;
  } finally {
    await source.close();
  }
}

describe('the table of sizes', () => {
  it('has a row for every family, in their order', () => {
    const known = architectures.map(({ id }) => id);
    expect(new Set(rows.map(({ family }) => family))).toEqual(new Set(known));
    expect(rows.map(({ family }) => family)).toEqual(
      [...rows.map(({ family }) => family)].sort((a, b) => known.indexOf(a) - known.indexOf(b)),
    );
  });

  it.each(rows)('$family, $case: --resolution $resolution', async (row) => {
    const resolved = resolveOptions({ checkpoint: goldenCase(row.case).checkpoint });
    const source = await openSource(resolved);
    const { id } = findArchitecture(source.config, new Set(source.tensors.keys()));
    await source.close();
    expect(id).toBe(row.family);
    const [asked = ''] = row.resolution.split(':');
    const [width = 0, height = 0] = asked.split('x').map(Number);
    expect(await outcome(row.case, asked, { resolution: { width, height } })).toBe(row.resolution);
  });

  it.each(rows)('$family, $case: --max-audio-seconds $seconds', async (row) => {
    const [asked = ''] = row.seconds.split(':');
    expect(await outcome(row.case, asked, { maxAudioSeconds: Number(asked) })).toBe(row.seconds);
  });
});
