/** Bicubic resampling as architectures spell it, before and after, in onnxruntime. */
import { describe, expect, it } from 'vitest';
import { bicubic, resizePositions } from '../../src/architectures/blocks/resize.ts';
import { float } from '../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import { buildModel, randomInput, randomWeight } from '../support/run-model.ts';
import { countOps, difference, runPasses } from './run-pass.ts';

const table = () => ({ name: 'positions', tensor: randomWeight('positions', [16, 6], 1) });

function tableModel(): Model {
  return buildModel((b) => {
    const x = b.input('x', tensorType('float32', ['n', 35, 6]));
    const positions = b.scope('embed', () =>
      resizePositions(b, table(), 6, { rows: 4, columns: 4 }, { rows: 5, columns: 7 }),
    );
    b.output('y', b.op('Add', [x, positions]));
  });
}

/**
 * Scales of 1.25 and 2.5, at which every source position is exact: onnxruntime rounds positions otherwise than
 * torch, whose rounding ours is (test/kernels/bicubic-recorded.test.ts).
 */
function pictureModel(batch: number | string): Model {
  return buildModel((b) => {
    const x = b.input('pixel_values', tensorType('float32', [batch, 3, 20, 30]));
    b.output(
      'y',
      b.scope('global', () => bicubic(b, x, { rows: 16, columns: 12 })),
    );
  });
}

describe('a table of positions', () => {
  it('becomes a constant of the new size', async () => {
    const model = tableModel();
    const { record } = await runPasses(model, 'retarget-resolution');
    expect(record.stats).toEqual({ tables: 1, activations: 0 });
    expect([...model.graph.nodes()].map((node) => node.op)).toEqual(['Add']);
    expect([...model.graph.initializers()].map(({ name }) => name)).toEqual(['positions@5x7']);
    expect(await difference(model, tableModel(), { x: randomInput([2, 35, 6], 2) })).toBeLessThan(1e-6);
    await expect(printModel(model)).toMatchFileSnapshot('golden/retarget-table.txt');
  });

  it('keeps the stored table where something else reads it', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const x = b.input('x', tensorType('float32', [16, 6]));
        const { name, tensor } = table();
        b.output('y', b.op('Add', [x, b.weight(name, tensor)]));
        b.output(
          'z',
          resizePositions(b, { name, tensor }, 6, { rows: 4, columns: 4 }, { rows: 8, columns: 8 }),
        );
      });
    const model = make();
    // An output of the graph has no reader to take the constant from: it is handed on by an Identity.
    await runPasses(model, 'retarget-resolution');
    expect([...model.graph.initializers()]).toHaveLength(2);
    expect(await difference(model, make(), { x: randomInput([16, 6], 3) })).toBeLessThan(1e-6);
  });
});

describe('an activation', () => {
  it.each([2, 'batch'])('with a batch of %s becomes two products with constant matrices', async (batch) => {
    const model = pictureModel(batch);
    const { record } = await runPasses(model, 'retarget-resolution{30x20}');
    expect(record.stats).toEqual({ tables: 0, activations: 1 });
    expect(countOps(model, 'Resize')).toBe(0);
    for (const node of model.graph.nodes())
      expect(node.metadata.get('vlm-convert.precision')).toBe('float32');
    const feeds = { pixel_values: randomInput([2, 3, 20, 30], 4) };
    expect(await difference(model, pictureModel(batch), feeds)).toBeLessThan(2e-6);
    if (batch === 'batch') await expect(printModel(model)).toMatchFileSnapshot('golden/retarget-picture.txt');
  });

  it('also when it grows', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const x = b.input('x', tensorType('float32', [1, 2, 5, 3]));
        b.output('y', bicubic(b, x, { rows: 9, columns: 16 }));
      });
    const model = make();
    await runPasses(model, 'retarget-resolution');
    expect(await difference(model, make(), { x: randomInput([1, 2, 5, 3], 5) })).toBeLessThan(1e-5);
  });
});

describe('what is refused', () => {
  const resize =
    (attributes: Parameters<GraphBuilder['op']>[2]): (() => Model) =>
    () =>
      buildModel((b) => {
        const x = b.input('x', tensorType('float32', [1, 3, 8, 8]));
        b.output('y', b.op('Resize', [x, null, null, b.int64([1, 3, 4, 4])], attributes ?? {}));
      });
  const cubic = { mode: 'cubic', cubic_coeff_a: float(-0.75) };

  it.each([
    [{ ...cubic, antialias: 1 }, /antialias/],
    [{ ...cubic, cubic_coeff_a: float(-0.5) }, /cubic_coeff_a -0.5/],
    [{ ...cubic, coordinate_transformation_mode: 'align_corners' }, /align_corners/],
    [{ ...cubic, exclude_outside: 1 }, /exclude_outside/],
  ])('a cubic Resize that is not torch: %j', async (attributes, reason) => {
    await expect(runPasses(resize({ attributes })(), 'retarget-resolution')).rejects.toThrow(reason);
    await expect(runPasses(resize({ attributes })(), 'retarget-resolution')).rejects.toThrow(/VC3202/);
  });

  it('scales, and sizes that are not known', async () => {
    const scaled = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [1, 3, 8, 8]));
      const scales = b.float32([1, 1, 0.5, 0.5]);
      b.output('y', b.op('Resize', [x, null, scales], { attributes: cubic }));
    });
    await expect(runPasses(scaled, 'retarget-resolution')).rejects.toThrow(/scales are given/);
    const open = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [1, 3, 'h', 8]));
      b.output('y', b.op('Resize', [x, null, null, b.int64([1, 3, 4, 4])], { attributes: cubic }));
    });
    await expect(runPasses(open, 'retarget-resolution')).rejects.toThrow(/sizes are not known/);
  });

  it('sizes of other axes than the last two', async () => {
    const swapped = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [1, 3, 8, 8]));
      b.output(
        'y',
        b.op('Resize', [x, null, null, b.int64([6, 4])], { attributes: { ...cubic, axes: [1, 3] } }),
      );
    });
    await expect(runPasses(swapped, 'retarget-resolution')).rejects.toThrow(/axes \[1,3\]/);
    const channels = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [1, 3, 8, 8]));
      b.output('y', b.op('Resize', [x, null, null, b.int64([1, 6, 4, 4])], { attributes: cubic }));
    });
    await expect(runPasses(channels, 'retarget-resolution')).rejects.toThrow(/other axes/);
  });

  it('another kind of Resize is not ours', async () => {
    const model = resize({ attributes: { mode: 'linear' } })();
    expect((await runPasses(model, 'retarget-resolution')).record.changed).toBe(false);
  });

  it('a picture of another size than the text says', async () => {
    await expect(runPasses(pictureModel(1), 'retarget-resolution{20x30}')).rejects.toThrow(/VC3203/);
    await expect(runPasses(pictureModel(1), 'retarget-resolution{20x30}')).rejects.toThrow(
      /float32\[1,3,20,30\]/,
    );
  });
});
