/** A conversion swept over sizes, from the checkpoint to the report and the exit code. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConvertOptions, convert, planConversion, recheck } from '../../src/index.ts';
import type { ParityReport } from '../../src/parity/index.ts';
import type { DiagnosticRecord } from '../../src/report/diagnostics.ts';
import { silentReporter } from '../../src/report/sinks.ts';
import { fixtures } from '../golden-folders.ts';
import { growingTower, scaledCheckpoint } from '../support/scaled-checkpoint.ts';

const llava = join(fixtures, 'llava/hf-tiny/checkpoint');
const small = { width: 28, height: 28 };
const large = { width: 112, height: 112 };

let folder = '';
let growing = '';
let made = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-sweep-'));
  growing = await scaledCheckpoint(llava, join(folder, 'growing'), growingTower.factors);
});
afterAll(() => rm(folder, { recursive: true }));

/** Converts into a folder of its own, and collects warnings. */
async function run(options: Omit<ConvertOptions, 'output'>) {
  made += 1;
  const output = join(folder, `out-${made}`);
  const warnings: DiagnosticRecord[] = [];
  const stages: string[] = [];
  const reporter = {
    ...silentReporter,
    start: (id: string) => stages.push(id),
    warn: (records: readonly DiagnosticRecord[]) => warnings.push(...records),
  };
  const result = await convert({ ...options, output }, { reporter });
  return { ...result, warnings, stages };
}

const headroom = (report: ParityReport | undefined) =>
  report?.gates
    .filter(({ metric }) => metric === 'headroom')
    .map((gate) => [gate.size, gate.component, gate.passed]);

describe('a tower that float16 holds at the smaller size only', () => {
  const options = { checkpoint: '', resolution: small, precision: { vision: 'fp16' } } as const;

  it('passes where only the smaller size is looked at', async () => {
    const plain = await run({ ...options, checkpoint: growing });
    expect(plain.passed).toBe(true);
    expect(plain.stages).not.toContain('sweep');
    expect(plain.parity).not.toHaveProperty('ranges');
    const swept = await run({ ...options, checkpoint: growing, sweepResolutions: [small] });
    expect(swept.passed).toBe(true);
    expect(swept.stages).toContain('sweep');
    expect(headroom(swept.parity)).toEqual([['28x28', 'vision', true]]);
    // It is near.
    expect(swept.warnings.map(({ code }) => code)).toEqual(['VC6111']);
    expect(swept.parity?.warnings.map(({ code }) => code)).toContain('VC6111');
  });

  it('fails at the larger size, with the block and the node, and the output is written', async () => {
    const result = await run({ ...options, checkpoint: growing, sweepResolutions: [small, large] });
    expect(result.passed).toBe(false);
    expect(result.failure).toMatchObject({
      code: 'VC6201',
      where: expect.stringMatching(
        /^ranges\.activations\.headroom.*112x112, block\.1\/MatMul_7 \(MatMul\), token/,
      ),
      expected: 'at least 1',
    });
    // At the conversion's own size nothing failed.
    const failed = result.parity?.gates.filter(({ passed }) => !passed) ?? [];
    expect(failed.map(({ size, component }) => [size, component])).toEqual([['112x112', 'vision']]);
    expect(headroom(result.parity)).toEqual([
      ['28x28', 'vision', true],
      ['112x112', 'vision', false],
    ]);
    const report = JSON.parse(
      await readFile(join(result.output, 'parity-report.json'), 'utf8'),
    ) as ParityReport;
    const [, at] = report.ranges?.sizes ?? [];
    const vision = at?.components.find(({ component }) => component === 'vision');
    expect(vision?.nonFinite).toMatchObject({ node: growingTower.node, block: growingTower.block });
    expect(vision?.blocks.filter((block) => block.headroom < 1).map(({ name }) => name)).toEqual(['block.1']);
    const markdown = await readFile(join(result.output, 'parity-report.md'), 'utf8');
    expect(markdown).toMatch(/\| 112x112 \| [^|]+ \| \d+ \| \*\*0\.9\d*\*\* block\.1\/MatMul_7 \|/);
    const left = (await readdir(folder)).filter((name) => name.startsWith('.'));
    expect(left).toEqual([]);
  });

  it('is told again by a later check of the output, with the limit that is asked for', async () => {
    const { output } = await run({ ...options, checkpoint: growing, parity: false });
    const again = { output, checkpoint: growing, sweepResolutions: [large] };
    expect(await recheck({ ...again, report: join(folder, 'again') })).toMatchObject({
      passed: false,
      failure: { code: 'VC6201', where: expect.stringContaining(growingTower.node) },
    });
    const lenient = await recheck({ ...again, gate: { headroom: 0.5 } });
    expect(lenient.passed).toBe(true);
    const [gate] = lenient.parity.gates.filter(({ metric }) => metric === 'headroom');
    expect(gate).toMatchObject({ limit: 0.5, from: 'user', size: '112x112' });
    expect(gate?.value).toBeLessThan(1);
  });

  it('is told of a conversion to int4, but fails none', async () => {
    const result = await run({
      checkpoint: growing,
      resolution: small,
      precision: 'int4',
      sweepResolutions: [large],
    });
    expect(headroom(result.parity)).toEqual([]);
    const [vision] = result.parity?.ranges?.sizes[0]?.components ?? [];
    expect(vision).toMatchObject({ component: 'vision', float16: false });
    expect(vision?.nearest[0]?.headroom).toBeLessThan(1);
    expect(result.warnings).toEqual([]);
  });
});

describe('sizes that cannot be', () => {
  const sizes = [small, { width: 3, height: 28 }, { width: 99_999, height: 28 }];

  it('are refused together, with the reasons, before anything is written', async () => {
    const output = join(folder, 'refused');
    const options = { checkpoint: llava, output, sweepResolutions: sizes };
    for (const refuse of [convert, planConversion]) {
      const error = await refuse(options).then(
        () => undefined,
        (caught: unknown) => caught as { record: DiagnosticRecord },
      );
      expect(error?.record).toMatchObject({ code: 'VC4204', where: '--sweep-resolutions' });
      expect(error?.record.found).toMatch(/^3x28: [\s\S]*\(VC4202\)\s+99999x28: [\s\S]*\(VC4201\)$/);
      expect(error?.record.found).not.toContain('28x28:');
    }
    expect(existsSync(output)).toBe(false);
    expect((await readdir(folder)).filter((name) => name.includes('refused'))).toEqual([]);
  });

  it('are refused where nothing is checked', async () => {
    const output = join(folder, 'unchecked');
    await expect(
      convert({ checkpoint: llava, output, parity: false, sweepResolutions: [small] }),
    ).rejects.toMatchObject({
      code: 'VC4002',
    });
  });
});
