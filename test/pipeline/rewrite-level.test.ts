/**
 * The rewrite level of parity in whole conversions: sound ones pass it, and faults of what merge-lora and
 * retarget-resolution compute are met by it at a precision where fidelity has to let far larger errors through.
 */
import { type Dirent, readdirSync, statSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ConvertOptions, type ConvertResult, convert } from '../../src/index.ts';
import { blockLimits } from '../../src/parity/gate-limits.ts';
import { changesSums } from '../../src/pipeline/steps.ts';
import { fixtures } from '../golden-folders.ts';

type Fault = 'none' | 'scales' | 'one scale' | 'swapped tiles' | 'table';

const planted = vi.hoisted(() => ({ fault: 'none' as Fault, updates: 0 }));

const opened = vi.hoisted(() => ({ bytes: [] as number[] }));

vi.mock('../../src/runtime/session.ts', async (original) => {
  const real = await original<typeof import('../../src/runtime/session.ts')>();
  const openSession: typeof real.openSession = (...args) => {
    opened.bytes.push(scratchNow());
    return real.openSession(...args);
  };
  return { ...real, openSession };
});

vi.mock('../../src/tensor/derived/low-rank-update.ts', async (original) => {
  const real = await original<typeof import('../../src/tensor/derived/low-rank-update.ts')>();
  const { inlineTensor } = await import('../../src/tensor/tensor.ts');
  const one = (shape: readonly number[]) =>
    inlineTensor('float32', shape, new Uint8Array(Float32Array.of(1).buffer));
  const lowRankUpdate: typeof real.lowRankUpdate = (base, updates) => {
    planted.updates += 1;
    const dropped = planted.fault === 'scales' || (planted.fault === 'one scale' && planted.updates === 1);
    return real.lowRankUpdate(
      base,
      dropped ? updates.map((update) => ({ ...update, scale: one(update.scale.shape) })) : updates,
    );
  };
  return { ...real, lowRankUpdate };
});

vi.mock('../../src/tensor/derived/join.ts', async (original) => {
  const real = await original<typeof import('../../src/tensor/derived/join.ts')>();
  const unstack: typeof real.unstack = (tensor) => {
    const parts = real.unstack(tensor);
    const [first, second, ...rest] = parts ?? [];
    if (planted.fault !== 'swapped tiles' || first === undefined || second === undefined) return parts;
    return [second, first, ...rest];
  };
  return { ...real, unstack };
});

vi.mock('../../src/kernels/bicubic.ts', async (original) => {
  const real = await original<typeof import('../../src/kernels/bicubic.ts')>();
  const taps: typeof real.bicubicTaps = (from, to) => {
    const { index, weight } = real.bicubicTaps(from, to);
    for (let at = 0; at < weight.length; at += 4) weight.set(softer(weight.subarray(at, at + 4)), at);
    return { index, weight };
  };
  return {
    ...real,
    bicubicTaps: (...sizes: Parameters<typeof taps>) =>
      (planted.fault === 'table' ? taps : real.bicubicTaps)(...sizes),
  };
});

/** The taps of a = -0.5 at the place where a = -0.75 gives `taps`: the outer ones are linear in a. */
function softer(taps: Float64Array): readonly number[] {
  const [before = 0, near = 0, next = 0, after = 0] = taps;
  // far(1 + t) = a t (1 - t)² and far(2 - t) = a t² (1 - t); the inner taps hold what these lose, crosswise.
  return [before * (2 / 3), near + after / 3, next + before / 3, after * (2 / 3)];
}

const monkey = join(fixtures, 'monkey/tiny-896/checkpoint');
const size = { width: 1544, height: 896 };

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-rewrite-'));
  planted.fault = 'none';
  planted.updates = 0;
});

afterEach(() => rm(folder, { recursive: true }));

/** With one job: worker threads run the build, which no fault is planted in. */
const run = (options: Omit<ConvertOptions, 'checkpoint' | 'output'>): Promise<ConvertResult> =>
  convert({ checkpoint: monkey, output: join(folder, 'out'), resolution: size, jobs: 1, ...options });

/** The most bytes of data files that stood in the scratch folder when a session was opened. */
function scratchNow(): number {
  const files: Dirent[] = readdirSync(folder, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile() && /scratch[/\\]part-/.test(file.parentPath))
    .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
}

/** Levels with a failed gate. */
function failedLevels({ parity }: ConvertResult): readonly string[] {
  const failed = parity?.gates.filter((gate) => !gate.passed) ?? [];
  return [...new Set(failed.map((gate) => gate.level))];
}

const everyBlock = ['block.0', 'block.1', 'block.2'];

/** Blocks of the tower that are beyond ten times the limits of the level rewrite. */
function blocksFarOff({ parity }: ConvertResult): readonly string[] {
  const { max = 0, relative = 0 } = blockLimits.rewrite.int4;
  const [vision] = parity?.curves ?? [];
  return (vision?.blocks ?? []).flatMap(({ name, rewrite }) =>
    rewrite !== undefined && rewrite.max > 10 * max && rewrite.relative > 10 * relative ? [name] : [],
  );
}

/** With whether int4 fidelity sees it, too (at its limits it cannot be asked to), and the blocks that it is in. */
const faults: readonly (readonly [string, Fault, readonly string[], readonly string[]])[] = [
  ['the scales of all adapters are ignored', 'scales', ['rewrite', 'fidelity'], everyBlock],
  ['the scale of one adapter of one layer is ignored', 'one scale', ['rewrite'], ['block.0']],
  ['the adapters of two tiles are swapped', 'swapped tiles', ['rewrite', 'fidelity'], everyBlock],
  ['position tables are resized with a = -0.5', 'table', ['rewrite'], ['embed', 'pool']],
];

describe('at int4', () => {
  it('passes a sound conversion, and says so in both reports', async () => {
    const result = await run({ precision: 'int4' });
    expect(failedLevels(result)).toEqual([]);
    expect(planted.updates).toBeGreaterThan(0);
    const [rewrite, ...others] = result.parity?.levels ?? [];
    expect(others.map(({ level }) => level)).toEqual(['implementation', 'fidelity']);
    expect(rewrite).toMatchObject({ level: 'rewrite', greedy: [], outputs: [{ component: 'vision' }] });
    expect(rewrite).not.toHaveProperty('cacheLayers');
    const gates = result.parity?.gates.filter(({ level }) => level === 'rewrite');
    expect(gates?.map(({ output, feed, metric }) => [output, feed, metric])).toEqual(
      ['blocks', 'features'].flatMap((output) =>
        ['finite', 'max', 'relative'].map((metric) => [output, 'local', metric]),
      ),
    );
    const report = async (name: string) => readFile(join(folder, 'out', name), 'utf8');
    const markdown = await report('parity-report.md');
    expect(markdown).toContain('## Rewrite: the graph after merging and resizing, against the original\n');
    expect(markdown).toContain('- Cache compared in 2 layers');
    expect(await report('parity-report.json')).toContain('"level": "rewrite"');
  });

  it.each(faults)('fails when %s', async (_what, fault, levels, blocks) => {
    planted.fault = fault;
    const result = await run({ precision: 'int4' });
    expect(failedLevels(result)).toEqual(levels);
    expect(result.failure?.where).toMatch(/^rewrite\.blocks\.max \(local\), vision (embed|block\.\d), tile/);
    expect(blocksFarOff(result)).toEqual(blocks);
  });
});

describe('the graphs of the check', () => {
  it.each(['fp32', 'int4'] as const)(
    'stand at %s in the scratch folder one part at a time, as the plan counts, and are gone afterwards',
    async (precision) => {
      for (const mode of ['streamed', 'whole'] as const) {
        opened.bytes = [];
        const result = await run({ precision, parity: mode, force: true });
        expect(result.passed).toBe(true);
        // Small weights stand in the models, and data files have gaps for alignment.
        const most = Math.max(...opened.bytes);
        expect(most).toBeGreaterThan(result.plan.bytes.scratch * 0.9);
        expect(most).toBeLessThan(result.plan.bytes.scratch * 1.2);
        expect(await readdir(folder)).toEqual(['out']);
      }
    },
  );
});

describe('a component', () => {
  it.each([
    [[], false],
    [[['merge-lora', true]], true],
    [[['retarget-resolution', true]], true],
    [
      [
        ['merge-lora', false],
        ['retarget-resolution', false],
      ],
      false,
    ],
    [
      [
        ['fold', true],
        ['dead-code', true],
      ],
      false,
    ],
  ] as const)('after the passes %j needs proof: %s', (records, needed) => {
    expect(changesSums(records.map(([name, changed]) => ({ name, changed })))).toBe(needed);
  });

  const compared = ({ parity }: ConvertResult) =>
    parity?.levels.find(({ level }) => level === 'rewrite')?.outputs.map(({ component }) => component);

  it('is compared when a pass changed its sums', async () => {
    const passes = { vision: 'merge-lora,dead-code', embed: 'dead-code', decoder: 'fold' };
    expect(compared(await run({ passes }))).toEqual(['vision']);
  });

  it('is not when passes only fold and drop', async () => {
    const passes = { vision: 'fold,dead-code', embed: 'dead-code', decoder: 'fold' };
    const result = await run({ passes });
    expect(result.passed).toBe(true);
    expect(compared(result)).toBeUndefined();
  });
});
