/** Ranges at several sizes: sound models, one that float16 holds at the smaller size only, and NaN in one tile. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComponentRanges, RangeReport } from '../../../src/parity/report/range-report.ts';
import { inlineTensor, readAll } from '../../../src/tensor/tensor.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { growingTower, scaledCheckpoint } from '../../support/scaled-checkpoint.ts';
import { sweepCase } from './in-memory.ts';

const llava = goldenCase('llava/hf-tiny');
const monkey = goldenCase('monkey/tiny-896');
const qwen = goldenCase('qwen-vl/tiny-long');

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-sweep-'));
});
afterAll(() => rm(folder, { recursive: true }));

function component(report: RangeReport, size: string, id: string): ComponentRanges {
  const found = report.sizes.find((one) => one.size === size)?.components.find((one) => one.component === id);
  if (found === undefined) throw new Error(`no ${id} at ${size}`);
  return found;
}

describe('a sweep', () => {
  it.each([
    [llava, 'fp16', ['28x28', '56x42']],
    [monkey, 'fp16', ['448x448', '1344x448']],
    [qwen, 'fp16', ['112x56']],
    [llava, 'int4', ['28x28']],
  ] as const)('finds room in a sound model (%#)', async ({ checkpoint }, precision, sizes) => {
    const pixels = sizes.map((size) => size.split('x').map(Number) as [number, number]);
    const report = await sweepCase({ checkpoint, options: { precision }, sizes: pixels });
    expect(report.limit).toBe(65504);
    expect(report.sizes.map(({ size }) => size)).toEqual(sizes);
    for (const { components, tokens, promptTokens } of report.sizes) {
      expect(components.map((one) => one.component)).toEqual(['vision', 'embed', 'decoder']);
      expect(promptTokens).toBeGreaterThan(tokens);
      for (const { float16, nonFinite, nearest, inside, blocks, component: id } of components) {
        expect(float16).toBe(precision === 'fp16');
        expect(nonFinite).toBeUndefined();
        expect(nearest[0]?.headroom).toBeGreaterThan(1000);
        const order = nearest.map(({ headroom }) => headroom);
        expect(order).toEqual([...order].sort((a, b) => a - b));
        expect(Math.min(...blocks.map(({ headroom }) => headroom))).toBe(order[0]);
        expect(inside.length > 0).toBe(id !== 'embed');
        for (const { where, max, headroom } of nearest) {
          expect(where).toMatch(/channel \d+$/);
          expect(headroom).toBeCloseTo(65504 / max, 6);
        }
      }
    }
  });

  it('measures what draws pictures once, and tiles at several scales by name', async () => {
    const janus = await sweepCase({
      checkpoint: goldenCase('janus/tiny-generate').checkpoint,
      options: { precision: 'fp16' },
      sizes: [
        [96, 96],
        [64, 96],
      ],
    });
    const [first, second] = janus.sizes.map(({ components }) => components.map((one) => one.component));
    expect(first).toEqual(['vision', 'embed', 'decoder', 'gen_head', 'gen_embed', 'image_decoder']);
    expect(second).toEqual(['vision', 'embed', 'decoder']);
    const places = (id: string) => component(janus, '96x96', id).nearest.map(({ where }) => where);
    expect(places('gen_embed').join()).toMatch(/^drawn picture, code \d+, channel \d+/);
    expect(places('gen_head').join()).toMatch(/^prompt 1, position \d+ \((text|image)\), channel \d+/);
    expect(places('image_decoder').join()).toMatch(/drawn picture, row \d+, column \d+, channel \d+/);
    for (const id of first ?? [])
      expect(component(janus, '96x96', id).nearest[0]?.headroom).toBeGreaterThan(1000);

    const vila = goldenCase('vila/nvila-dynamic_s2').checkpoint;
    const tiled = await sweepCase({ checkpoint: vila, options: { precision: 'fp16' }, sizes: [[112, 56]] });
    expect(component(tiled, '112x56', 'vision').nearest[0]?.where).toMatch(
      /^scale \d, tile row \d column \d, token \d+, channel \d+$/,
    );
  });

  it('finds the node and the block that float16 holds at the smaller size only', async () => {
    const checkpoint = await scaledCheckpoint(
      llava.checkpoint,
      join(folder, 'growing'),
      growingTower.factors,
    );
    const report = await sweepCase({
      checkpoint,
      options: { precision: 'fp16' },
      sizes: [
        [28, 28],
        [112, 112],
      ],
    });
    const [small, large] = ['28x28', '112x112'].map((size) => component(report, size, 'vision'));
    expect(small?.nonFinite).toBeUndefined();
    expect(small?.nearest[0]?.headroom).toBeGreaterThan(1);
    expect(large?.nonFinite).toMatchObject({ node: growingTower.node, operator: 'MatMul', block: 'block.1' });
    expect(large?.nonFinite?.where).toMatch(/^token \d+, channel \d+$/);
    const product = large?.nearest.find(({ node }) => node === growingTower.node);
    expect(product?.headroom).toBeLessThan(1);
    // The true size, which float16 has no number for.
    expect(product?.max).toBeGreaterThan(70_000);
    expect(product?.max).toBeLessThan(75_000);
    const over = large?.blocks.filter(({ headroom }) => headroom < 1).map(({ name }) => name);
    expect(over).toEqual([growingTower.block]);
    for (const size of ['28x28', '112x112']) {
      expect(component(report, size, 'decoder').nonFinite).toBeUndefined();
    }
  });

  it('finds the node and the tile where NaN arises', async () => {
    let planted = '';
    const report = await sweepCase({
      checkpoint: monkey.checkpoint,
      options: { precision: 'fp16' },
      sizes: [[896, 896]],
      plant: async (id, { graph }) => {
        if (id !== 'vision') return;
        // The copy of a weight that one tile alone runs.
        const node = [...graph.nodes()].find(
          ({ op, name, inputs }) =>
            op === 'MatMul' && name.startsWith('block.1/') && inputs[1]?.name.endsWith('@view2'),
        );
        const weight = node?.input(1);
        if (node === undefined || weight?.initializer === undefined) throw new Error('no adapter was merged');
        planted = node.name;
        const halves = Uint8Array.from(await readAll(weight.initializer));
        new DataView(halves.buffer).setUint16(2 * 5, 0x7e00, true);
        graph.setInitializer(weight, inlineTensor('float16', weight.initializer.shape, halves));
      },
    });
    const { nonFinite } = component(report, '896x896', 'vision');
    expect(nonFinite).toMatchObject({ node: planted, operator: 'MatMul', block: 'block.1', count: 1024 });
    expect(nonFinite?.where).toBe('tile row 1 column 0, token 0, channel 5');
  });
});
