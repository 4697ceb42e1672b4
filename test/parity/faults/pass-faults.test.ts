/**
 * Faults of passes, planted in what they compute with, in whole conversions: exit code 2, and one finding that says
 * which block, which kind of tensor and which tile. At int4, where fidelity alone could not see them.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import type { BicubicTaps } from '../../../src/kernels/bicubic.ts';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { readAll } from '../../../src/tensor/tensor.ts';
import { runMain } from '../../cli/run-main.ts';
import { goldenCase } from '../../support/golden-cases.ts';

type Fault = 'none' | 'scale' | 'a' | 'corners' | 'half a pixel';

const planted = vi.hoisted(() => ({ fault: 'none' as Fault, scale: 0, updates: 0 }));

/** The update, in the order of merging, whose scale is off: the second tile's in the first layer. */
const faultyUpdate = 2;

vi.mock('../../../src/tensor/derived/low-rank-update.ts', async (original) => {
  const real = await original<typeof import('../../../src/tensor/derived/low-rank-update.ts')>();
  const { inlineTensor } = await import('../../../src/tensor/tensor.ts');
  const lowRankUpdate: typeof real.lowRankUpdate = (base, updates) => {
    planted.updates += 1;
    if (planted.fault !== 'scale' || planted.updates !== faultyUpdate)
      return real.lowRankUpdate(base, updates);
    const bytes = new Uint8Array(Float32Array.of(1.05 * planted.scale).buffer);
    return real.lowRankUpdate(
      base,
      updates.map((update) => ({ ...update, scale: inlineTensor('float32', update.scale.shape, bytes) })),
    );
  };
  return { ...real, lowRankUpdate };
});

vi.mock('../../../src/kernels/bicubic.ts', async (original) => {
  const real = await original<typeof import('../../../src/kernels/bicubic.ts')>();
  /** Positions of the outputs in the source grid. */
  const positions: Readonly<Partial<Record<Fault, (out: number, from: number, to: number) => number>>> = {
    a: (out, from, to) => ((out + 0.5) * from) / to - 0.5,
    corners: (out, from, to) => (out * (from - 1)) / (to - 1),
    'half a pixel': (out, from, to) => (out * from) / to,
  };
  const bicubicTaps: typeof real.bicubicTaps = (from, to) => {
    const position = positions[planted.fault];
    if (position === undefined) return real.bicubicTaps(from, to);
    const sharpness = planted.fault === 'a' ? -0.5 : -0.75;
    return taps(from, to, (out) => position(out, from, to), sharpness);
  };
  return { ...real, bicubicTaps };
});

/** Cubic convolution at any positions, as the kernel's own but for these and `a`. */
function taps(from: number, to: number, position: (out: number) => number, a: number): BicubicTaps {
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  const index = new Int32Array(to * 4);
  const weight = new Float64Array(to * 4);
  for (let out = 0; out < to; out += 1) {
    const floor = Math.floor(position(out));
    const t = position(out) - floor;
    weight.set([far(t + 1), near(t), near(1 - t), far(2 - t)], out * 4);
    for (let tap = 0; tap < 4; tap += 1)
      index[out * 4 + tap] = Math.min(Math.max(floor - 1 + tap, 0), from - 1);
  }
  return { index, weight };
}

/** A checkpoint, another size than its own, and its position tables by the block that each is in. */
interface Resized {
  readonly checkpoint: string;
  readonly size: string;
  readonly tables: readonly { readonly block: string; readonly table: string }[];
}

const monkey: Resized = {
  checkpoint: 'monkey/tiny-896',
  size: '1344x896',
  tables: [
    { block: 'embed', table: 'positional_embedding' },
    { block: 'pool', table: 'pos_embed' },
  ],
};

const resized: readonly Resized[] = [
  monkey,
  { checkpoint: 'janus/tiny-hf', size: '64x128', tables: [{ block: 'embed', table: 'position_embedding' }] },
  {
    checkpoint: 'vila/tiny-mlp_downsample',
    size: '112x84',
    tables: [{ block: 'embed', table: 'position_embedding' }],
  },
];

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-faults-'));
  planted.updates = 0;
});

afterEach(() => rm(folder, { recursive: true }));

/** With one job: worker threads run the build, which no fault is planted in. */
async function converted(fault: Fault, { checkpoint, size }: Resized) {
  planted.fault = fault;
  const output = join(folder, 'out');
  const argv = ['--resolution', size, '--precision', 'int4', '--jobs', '1'];
  const ran = await runMain([goldenCase(checkpoint).checkpoint, output, ...argv], { cwd: folder });
  const read = (name: string): Promise<string> => readFile(join(output, name), 'utf8');
  const report = JSON.parse(await read('parity-report.json')) as ParityReport;
  return { ...ran, report, markdown: await read('parity-report.md'), page: await read('parity-report.html') };
}

describe('a conversion', () => {
  it.each(resized)('without a fault has nothing to blame: $checkpoint', async (family) => {
    const { code, report, markdown, out } = await converted('none', family);
    expect([code, report.findings]).toEqual([0, []]);
    expect(`${markdown}${out}`).not.toMatch(/BLAME|What is wrong/);
  });

  it('whose merged adapter has a scale off by 5 % names the weight, and the tile that runs it', async () => {
    const opened = await openCheckpoint(goldenCase(monkey.checkpoint).checkpoint);
    const tensor = [...opened.tensors].find(([name]) =>
      /resblocks\.0\.attn\.in_proj_lora\.1\.lora_scale$/.test(name),
    );
    if (tensor === undefined) throw new Error(`no scale among ${[...opened.tensors.keys()]}`);
    const bytes = await readAll(tensor[1].tensor);
    planted.scale = new DataView(new Uint8Array([0, 0, ...bytes]).buffer).getFloat32(0, true);
    await opened.close();
    const { code, report, markdown, page, out, err } = await converted('scale', monkey);
    expect(code).toBe(2);
    expect(report.findings).toMatchObject([
      {
        level: 'rewrite',
        component: 'vision',
        block: { name: 'block.0' },
        otherBlocks: 0,
        kind: 'adapter',
        places: ['tile row 0 column 1'],
        tensors: [
          {
            name: 'transformer.visual.transformer.resblocks.0.attn.in_proj.weight@view1',
            what: 'its adapter is 1.05 times what it should be',
          },
        ],
      },
    ]);
    const said = /block\.0\), at rewrite: wrongly merged adapter in \S+@view1 .*only in tile row 0 column 1/;
    for (const text of [markdown, page, out, err]) expect(text).toMatch(said);
    expect(err).toContain('VC6201');
  });

  it.each(
    resized.flatMap((family) =>
      (['a', 'corners', 'half a pixel'] as const).map((fault) => ({
        name: family.checkpoint,
        family,
        fault,
      })),
    ),
  )(
    'whose position tables are resized with the wrong alignment ($fault) names them, and no tile: $name',
    async ({ family, fault }) => {
      const { code, report } = await converted(fault, family);
      expect(code).toBe(2);
      expect(report.findings).toMatchObject(
        family.tables.map(({ block }) => ({
          level: 'rewrite',
          component: 'vision',
          otherBlocks: 0,
          kind: 'resized table',
          places: [],
          block: { name: block },
        })),
      );
      expect(report.findings.map(({ tensors }) => tensors.map(({ name }) => name))).toEqual(
        family.tables.map(({ table }) => [expect.stringContaining(table)]),
      );
    },
  );
});
