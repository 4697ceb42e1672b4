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
import { fixtures } from '../../golden-folders.ts';

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

const checkpoint = join(fixtures, 'monkey/tiny-896/checkpoint');

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-faults-'));
  planted.updates = 0;
});

afterEach(() => rm(folder, { recursive: true }));

/** With one job: worker threads run the build, which no fault is planted in. */
async function converted(fault: Fault) {
  planted.fault = fault;
  const output = join(folder, 'out');
  const size = ['--resolution', '1344x896', '--precision', 'int4', '--jobs', '1'];
  const ran = await runMain([checkpoint, output, ...size], { cwd: folder });
  const read = (name: string): Promise<string> => readFile(join(output, name), 'utf8');
  const report = JSON.parse(await read('parity-report.json')) as ParityReport;
  return { ...ran, report, markdown: await read('parity-report.md'), page: await read('parity-report.html') };
}

describe('a conversion', () => {
  it('without a fault has nothing to blame', async () => {
    const { code, report, markdown, out } = await converted('none');
    expect([code, report.findings]).toEqual([0, []]);
    expect(`${markdown}${out}`).not.toMatch(/BLAME|What is wrong/);
  });

  it('whose merged adapter has a scale off by 5 % names the weight, and the tile that runs it', async () => {
    const opened = await openCheckpoint(checkpoint);
    const tensor = [...opened.tensors].find(([name]) =>
      /resblocks\.0\.attn\.in_proj_lora\.1\.lora_scale$/.test(name),
    );
    if (tensor === undefined) throw new Error(`no scale among ${[...opened.tensors.keys()]}`);
    const bytes = await readAll(tensor[1].tensor);
    planted.scale = new DataView(new Uint8Array([0, 0, ...bytes]).buffer).getFloat32(0, true);
    await opened.close();
    const { code, report, markdown, page, out, err } = await converted('scale');
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

  it.each(['a', 'corners', 'half a pixel'] as const)(
    'whose position table is resized with the wrong alignment (%s) names the table, and no tile',
    async (fault) => {
      const { code, report } = await converted(fault);
      expect(code).toBe(2);
      // Both tables of the model are resized.
      const wrong = {
        level: 'rewrite',
        component: 'vision',
        otherBlocks: 0,
        kind: 'resized table',
        places: [],
      };
      expect(report.findings).toMatchObject([
        { ...wrong, block: { name: 'embed' } },
        { ...wrong, block: { name: 'pool' } },
      ]);
      expect(report.findings.map(({ tensors }) => tensors.map(({ name }) => name))).toEqual([
        [expect.stringContaining('positional_embedding')],
        [expect.stringContaining('pos_embed')],
      ]);
    },
  );
});
