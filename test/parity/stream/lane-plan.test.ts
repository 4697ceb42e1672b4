/** What a check runs: all of the sample twice, one prompt of it for each proof of single blocks. */
import { describe, expect, it } from 'vitest';
import type { BuildName } from '../../../src/parity/stream/builds.ts';
import { planLanes, probeOf } from '../../../src/parity/stream/lane-plan.ts';
import type { Call } from '../../../src/parity/stream/lanes.ts';

const calls: readonly Call[] = Array.from({ length: 6 }, () => ({ feeds: new Map() }));
const probe = new Set([2, 3]);
const plan = (
  builds: readonly BuildName[],
  device: 'cpu' | 'webgpu' = 'cpu',
  chained = true,
  chooses = false,
) =>
  planLanes({
    builds: new Set<BuildName>(['reference', 'plain', 'converted', ...builds]),
    devices: { reference: device, converted: device },
    calls,
    chained: chained ? [...calls] : undefined,
    probe,
    chooses,
  });
/** Runs of a component's part. */
const runs = ({ lanes }: ReturnType<typeof plan>): number =>
  lanes.reduce((sum, { only, calls: own }) => sum + (only?.size ?? own.length), 0);

describe('lanes', () => {
  it('run the sample twice, and the probe as often as something is proved with it', () => {
    expect(runs(plan([]))).toBe(2 * calls.length + 2 * probe.size);
    expect(runs(plan(['exact']))).toBe(2 * calls.length + 3 * probe.size);
    expect(runs(plan(['rewritten']))).toBe(2 * calls.length + 3 * probe.size);
    expect(runs(plan(['rewritten'], 'webgpu'))).toBe(2 * calls.length + 4 * probe.size);
  });

  it('prove single blocks on what the original has there', () => {
    for (const { id, only, fedFrom, device } of plan(['rewritten', 'exact'], 'webgpu').lanes) {
      const isMain = id === 'reference' || id === 'converted';
      expect(only).toBe(isMain ? undefined : probe);
      expect(fedFrom).toBe(isMain || id === 'host' ? undefined : id === 'rewritten' ? 'host' : 'reference');
      expect(device).toBe(id === 'rewritten' || id === 'host' ? 'cpu' : 'webgpu');
    }
  });

  it('are compared by level, those without quantized activations where there are some', () => {
    const levels = (one: ReturnType<typeof plan>) =>
      one.pairs.map(({ reference, other, level }) => [level?.name, level?.feed, reference, other]);
    expect(levels(plan(['rewritten', 'exact'], 'webgpu'))).toEqual([
      ['device', 'local', 'host', 'reference'],
      ['rewrite', 'local', 'host', 'rewritten'],
      ['implementation', 'local', 'plain', 'exact'],
      ['fidelity', 'chain', 'reference', 'converted'],
      [undefined, undefined, 'reference', 'local'],
    ]);
    expect(levels(plan([], 'cpu', false)).slice(0, 2)).toEqual([
      ['implementation', 'local', 'plain', 'local'],
      ['fidelity', 'local', 'reference', 'converted'],
    ]);
  });
});

describe('the probe', () => {
  const prompt = (length: number, pictures: readonly number[] = []) => ({
    ids: Array.from({ length }, () => 0),
    spans: pictures.map((picture) => ({ first: 0, count: 1, media: picture })),
  });
  const of = (...prompts: ReturnType<typeof prompt>[]) =>
    probeOf({ seed: 1, source: 'drawn', media: [], prompts });

  it('is the shortest prompt that shows a picture, else the shortest', () => {
    expect(of(prompt(9, [0]), prompt(7, [0]), prompt(2))).toBe(1);
    expect(of(prompt(9), prompt(4), prompt(6))).toBe(1);
  });
});
