/** What a check is planned to take: whole where the memory suffices, else streamed, which takes one part at a time. */
import { expect, it } from 'vitest';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { cutBuilds } from '../../src/parity/index.ts';
import { buildsOf, checkCut, planCheck } from '../../src/pipeline/check-plan.ts';
import { compile } from '../../src/pipeline/compile.ts';
import { resolveOptions } from '../../src/pipeline/options.ts';
import { build } from '../../src/pipeline/plan.ts';
import { goldenCase } from '../support/golden-cases.ts';

it('loads the original whole where that fits, and never more than a part where it does not', async () => {
  const options = resolveOptions({ checkpoint: goldenCase('llava/hf-tiny').checkpoint, precision: 'int4' });
  const checkpoint = await openCheckpoint(options.checkpoint);
  try {
    const built = build(checkpoint, options);
    const components = await compile(built, options);
    const plan = (...args: [mode: 'auto' | 'whole' | 'streamed', available?: number]) =>
      planCheck(built, components, ...args);
    const [whole, streamed] = [plan('whole'), plan('streamed')];
    expect([whole.mode, streamed.mode]).toEqual(['whole', 'streamed']);
    expect(plan('auto', whole.memory)).toEqual(whole);
    expect(plan('auto', whole.memory - 1)).toEqual(streamed);
    // The decoder's weights and the embedding table, against the larger of its layers in two builds.
    const decoder = components.find(({ component }) => component.id === 'decoder');
    const parts =
      decoder === undefined ? [] : (cutBuilds(buildsOf(decoder), checkCut).get('reference') ?? []);
    const weights = parts.map(({ weightBytes }) => weightBytes);
    const all = weights.reduce((sum, bytes) => sum + bytes, 0);
    expect(weights.length).toBe(3);
    expect(whole.scratch).toBeGreaterThan(all);
    // Two parts stand there at a time, in two builds.
    expect(streamed.scratch).toBeGreaterThan(3.8 * Math.max(...weights.slice(0, -1)));
    expect(streamed.scratch).toBeLessThan(4.2 * Math.max(...weights));
    expect(streamed.memory).toBeLessThan(whole.memory);
  } finally {
    await checkpoint.close();
  }
});
