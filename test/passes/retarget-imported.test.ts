/**
 * Vision towers that were exported at one size, rewritten for another, against what PyTorch computes there with the
 * family's own way to resize positions (`interpolate_pos_encoding` of transformers, `get_abs_pos` of Qwen-VL).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { staticShape, tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { verifyModel } from '../../src/graph/verify.ts';
import { float32Value } from '../../src/runtime/values.ts';
import { bicubicTable } from '../../src/tensor/derived/bicubic-table.ts';
import { inlineTensor, readAll } from '../../src/tensor/tensor.ts';
import { fixtures } from '../golden-folders.ts';
import { withModel } from '../graph/onnx-cases.ts';
import { deviation } from '../support/deviation.ts';
import { readIo } from '../support/read-io.ts';
import { buildModel, randomWeight, runModel } from '../support/run-model.ts';
import { runPasses } from './run-pass.ts';

interface Case {
  readonly name: string;
  readonly to: string;
  readonly refused: boolean;
  /** Element type of the pictures; recorded as float32. */
  readonly input: 'float32' | 'uint8';
}

const root = process.env.RETARGET ?? join(fixtures, 'onnx-retarget');
const cases = readdirSync(root).map(
  (name) => JSON.parse(readFileSync(join(root, name, 'case.json'), 'utf8')) as Case,
);

describe('an exported tower at another size', () => {
  it.each(cases.filter(({ refused }) => !refused))('$name at $to', async ({ name, to, input }) => {
    const folder = join(root, name);
    const io = await readIo(join(folder, 'io.safetensors'));
    await withModel(join(folder, 'model.onnx'), async (model) => {
      await runPasses(model, `retarget-resolution{${to}},dead-code`);
      const { shape } = io.get('b.in.pixel_values');
      const pixels = io.float32('b.in.pixel_values');
      const feeds = {
        pixel_values:
          input === 'uint8'
            ? { dtype: input, shape, data: Uint8Array.from(pixels) }
            : float32Value(shape, pixels),
      };
      const outputs = await runModel(model, feeds);
      expect(outputs.size).toBeGreaterThan(0);
      for (const [output, { data, shape: found }] of outputs) {
        expect(found).toEqual(io.get(`b.out.${output}`).shape);
        expect(deviation(data as Float32Array, io.float32(`b.out.${output}`)), output).toBeLessThan(1e-4);
      }
    });
  });
});

const patch = 4;

/** A tower of one convolution at 24 by 24, as its exporter wrote it; `body` takes tokens [1, 36, 8] on. */
function tower(
  body: (b: GraphBuilder, tokens: Value) => Value,
  reshape: readonly number[] = [1, 8, 36],
): Model {
  const model = buildModel((b) => {
    const pixels = b.input('pixel_values', tensorType('float32', [1, 3, 24, 24]));
    const weight = b.weight('patches', randomWeight('patches', [8, 3, patch, patch], 1));
    const maps = b.op('Conv', [pixels, weight], {
      attributes: { strides: [patch, patch], kernel_shape: [patch, patch] },
    });
    const rows = b.op('Reshape', [maps, b.int64(reshape)]);
    const tokens = b.op('Transpose', [rows], { attributes: { perm: [0, 2, 1] } });
    b.output('out', body(b, tokens));
  });
  model.producerName = 'test';
  return model;
}

const weight = (b: GraphBuilder, name: string, shape: readonly number[]): Value =>
  b.weight(name, randomWeight(name, shape, 3));

describe('what is refused, by name', () => {
  const refusals: readonly [string, string, RegExp, () => Model][] = [
    [
      'a bias for each pair of patches',
      'VC3204',
      /constant pairs, .*no table with a row for each patch/s,
      () =>
        tower((b, tokens) => {
          const turned = b.op('Transpose', [tokens], { attributes: { perm: [0, 2, 1] } });
          const scores = b.op('Add', [b.op('MatMul', [tokens, turned]), weight(b, 'pairs', [1, 36, 36])]);
          return b.op('MatMul', [b.op('Softmax', [scores]), tokens]);
        }),
    ],
    [
      'a weight that mixes patches',
      'VC3204',
      /constant mixing, .*takes it as a weight/s,
      () => tower((b, tokens) => b.op('MatMul', [weight(b, 'mixing', [36, 36]), tokens])),
    ],
    [
      'a table that is multiplied',
      'VC3204',
      /constant factors, .*not added to the tokens/s,
      () => tower((b, tokens) => b.op('Mul', [tokens, weight(b, 'factors', [36, 8])])),
    ],
    [
      'one place of the grid',
      'VC3204',
      /Gather.*it picks places of height\/4·width\/4/s,
      () => tower((b, tokens) => b.op('Gather', [tokens, b.int64([7])], { attributes: { axis: 1 } })),
    ],
    [
      'a cut inside the grid',
      'VC3205',
      /12 of 36 lies inside the grid/,
      () => tower((b, tokens) => b.op('Slice', [tokens, b.int64([0]), b.int64([12]), b.int64([1])])),
    ],
    [
      'a count that could be of patches or of something else',
      'VC3204',
      /Expand.*36, which is also a size of the grid/s,
      () =>
        tower((b, tokens) =>
          b.op('ReduceMax', [
            b.op(
              'Concat',
              [
                b.op('ReduceMean', [tokens, b.int64([1])]),
                b.op('ReduceMean', [
                  b.op('Expand', [weight(b, 'one', [1, 1, 8]), b.int64([1, 36, 8])]),
                  b.int64([1]),
                ]),
              ],
              { attributes: { axis: 1 } },
            ),
            b.int64([1]),
          ]),
        ),
    ],
    [
      'positions that are divided by the side of the grid',
      'VC3204',
      /Div.*6, which may be a size of the grid/s,
      () =>
        tower((b, tokens) => {
          const counted = b.op('Range', [b.int64([0], []), b.int64([6], []), b.int64([1], [])]);
          const steps = b.op('Cast', [counted], { attributes: { to: 1 } });
          const places = b.op('Unsqueeze', [b.op('Div', [steps, b.float32([6], [])]), b.int64([0])]);
          const grid = b.op('Reshape', [tokens, b.int64([6, 6, 8])]);
          return b.op('Add', [grid, b.op('Unsqueeze', [places, b.int64([2])])]);
        }),
    ],
    [
      'a mean as a sum and a number',
      'VC3204',
      /Div.*36, which may be a size of the grid/s,
      () =>
        tower((b, tokens) => b.op('Div', [b.op('ReduceSum', [tokens, b.int64([1])]), b.float32([36], [])])),
    ],
    [
      'a window as large as the grid',
      'VC3204',
      /AveragePool.*as large as the grid/s,
      () =>
        tower((b, tokens) => {
          const grid = b.op('Reshape', [
            b.op('Transpose', [tokens], { attributes: { perm: [0, 2, 1] } }),
            b.int64([1, 8, 6, 6]),
          ]);
          return b.op('AveragePool', [grid], { attributes: { kernel_shape: [6, 6] } });
        }),
    ],
    [
      'a split of which either part could be constant',
      'VC3204',
      /Reshape.*a part of the grid or a constant, both would fit/s,
      () =>
        tower((b, tokens) => {
          const halves = b.op('Reshape', [tokens, b.int64([3, 2, 6, 8])]);
          return b.op('ReduceMax', [halves, b.int64([0])]);
        }),
    ],
    [
      'an operator that nobody knows',
      'VC3205',
      /the operator has no rule.*height\/4·width\/4/s,
      () => tower((b, tokens) => b.op('Windows', [tokens], { domain: 'elsewhere' })),
    ],
  ];

  it.each(refusals)('%s', async (_, code, reason, make) => {
    await expect(runPasses(make(), 'retarget-resolution{32x40}')).rejects.toThrow(code);
    await expect(runPasses(make(), 'retarget-resolution{32x40}')).rejects.toThrow(reason);
  });

  it('windows, whose masks and tables are made for a size', async () => {
    await withModel(join(root, 'swin-ts17', 'model.onnx'), async (model) => {
      await expect(runPasses(model, 'retarget-resolution{32x32}')).rejects.toThrow(/VC320[45]/);
    });
  });

  it('a size that is no multiple of the patch', async () => {
    const model = tower((b, tokens) => b.op('Relu', [tokens]));
    await expect(runPasses(model, 'retarget-resolution{30x32}')).rejects.toThrow(
      /VC3206.*width 30.*a multiple of 4/s,
    );
  });

  it('a table that was resized when it was exported', async () => {
    await withModel(join(root, 'clip-dyn18', 'model.onnx'), async (model) => {
      await runPasses(model, 'retarget-resolution{32x24}');
      await expect(runPasses(model, 'retarget-resolution{24x24}')).rejects.toThrow(
        /VC3204.*embedding.*a table of 6x8 was resized before/s,
      );
    });
  });

  it('a graph without pictures', async () => {
    const model = buildModel((b) =>
      b.output('y', b.op('Relu', [b.input('x', tensorType('float32', [1, 4]))])),
    );
    model.producerName = 'test';
    await expect(runPasses(model, 'retarget-resolution{32x32}')).rejects.toThrow(
      /VC3205.*x: float32\[1,4\]/s,
    );
  });
});

describe('what follows from the size alone', () => {
  it('is filled, counted or left to the graph', async () => {
    const make = (): Model =>
      tower((b, tokens) => {
        const ones = b.float32(new Float32Array(36).fill(0.5), [1, 36, 1]);
        const grid = b.op('Reshape', [b.op('Mul', [tokens, ones]), b.int64([6, 6, 8])]);
        const pooled = b.op('ReduceMean', [grid, b.int64([0])], { attributes: { keepdims: 1 } });
        return b.op('Add', [grid, pooled]);
      });
    const model = make();
    const { record } = await runPasses(model, 'retarget-resolution{32x40}');
    expect(record.stats).toEqual({ tables: 0, activations: 0, counts: 2, uniform: 1 });
    const [input] = model.graph.inputs;
    expect(staticShape(input?.type)).toEqual([1, 3, 40, 32]);
    expect(staticShape(model.graph.outputs[0]?.type)).toEqual([10, 8, 8]);
    verifyModel(model);
  });

  it('also where channels are as many as patches', async () => {
    const model = buildModel((b) => {
      const pixels = b.input('pixel_values', tensorType('float32', [1, 3, 24, 24]));
      const kernel = b.weight('patches', randomWeight('patches', [36, 3, patch, patch], 1));
      const maps = b.op('Conv', [pixels, kernel], { attributes: { strides: [patch, patch] } });
      b.output('out', b.op('Reshape', [maps, b.int64([1, 36, 36])]));
    });
    model.producerName = 'test';
    await runPasses(model, 'retarget-resolution{32x40}');
    expect(staticShape(model.graph.outputs[0]?.type)).toEqual([1, 36, 80]);
  });

  it('and nothing where the graph takes every size', async () => {
    const model = buildModel((b) => {
      const pixels = b.input('pixel_values', tensorType('float32', ['n', 3, 'height', 'width']));
      const kernel = b.weight('kernel', randomWeight('kernel', [5, 3, patch, patch], 1));
      b.output('out', b.op('Conv', [pixels, kernel], { attributes: { strides: [patch, patch] } }));
    });
    model.producerName = 'test';
    await runPasses(model, 'retarget-resolution{32x40}');
    const [output] = model.graph.outputs;
    expect(output?.type).toEqual(tensorType('float32', ['n', 5, 10, 8]));
  });

  it('or a refusal where sides are symbolic and no square fits', async () => {
    const model = buildModel((b) => {
      const pixels = b.input('pixel_values', tensorType('float32', [1, 3, 'height', 'width']));
      const kernel = b.weight('kernel', randomWeight('kernel', [5, 3, patch, patch], 1));
      const maps = b.op('Conv', [pixels, kernel], { attributes: { strides: [patch, patch] } });
      b.output(
        'out',
        b.op('Add', [b.op('Reshape', [maps, b.int64([1, 5, -1])]), weight(b, 'table', [5, 12])]),
      );
    });
    model.producerName = 'test';
    await expect(runPasses(model, 'retarget-resolution{32x40}')).rejects.toThrow(
      /VC3205.*height,width\], of which 0 of 127 squares fit/s,
    );
  });

  it('or a refusal where several squares fit', async () => {
    const model = buildModel((b) => {
      const pixels = b.input('pixel_values', tensorType('float32', [1, 3, 'height', 'width']));
      const kernel = b.weight('kernel', randomWeight('kernel', [5, 3, patch, patch], 1));
      const maps = b.op('Conv', [pixels, kernel], { attributes: { strides: [patch, patch] } });
      b.output('out', b.op('Reshape', [maps, b.int64([1, 5, -1, 9])]));
    });
    model.producerName = 'test';
    await expect(runPasses(model, 'retarget-resolution{36x36}')).rejects.toThrow(
      /VC3205.*42 of 127 squares fit/s,
    );
  });

  it('but not where another grid has as many patches by chance', async () => {
    const model = tower((b, tokens) => {
      const all = b.op('Concat', [weight(b, 'class', [1, 1, 8]), tokens], { attributes: { axis: 1 } });
      const rows = b.op('Transpose', [all], { attributes: { perm: [0, 2, 1] } });
      const packed = b.weight('packed', inlineTensor('uint8', [4, 2, 16], new Uint8Array(128)));
      const scales = b.float32(new Float32Array(8).fill(1), [8]);
      const attributes = { K: 37, N: 4, bits: 4, block_size: 32 };
      return b.op('MatMulNBits', [rows, packed, scales], { domain: 'com.microsoft', attributes });
    });
    await expect(runPasses(model, 'retarget-resolution{36x16}')).rejects.toThrow(/VC3204.*MatMulNBits/s);
  });

  it('also a table of sines and cosines with a row for a class token, as a trained one', async () => {
    const table = new Float32Array(37 * 8);
    for (let place = 0; place < 36; place += 1) {
      for (const [half, position] of [place % 6, Math.floor(place / 6)].entries()) {
        for (let j = 0; j < 2; j += 1) {
          table[(place + 1) * 8 + half * 4 + j] = Math.sin(position / 100 ** j);
          table[(place + 1) * 8 + half * 4 + 2 + j] = Math.cos(position / 100 ** j);
        }
      }
    }
    const model = tower((b, tokens) => {
      const all = b.op('Concat', [weight(b, 'class', [1, 1, 8]), tokens], { attributes: { axis: 1 } });
      return b.op('Add', [all, b.float32(table, [1, 37, 8])]);
    });
    await runPasses(model, 'retarget-resolution{32x40}');
    const resized = [...model.graph.initializers()].find(({ initializer }) => initializer.shape[1] === 81);
    if (resized === undefined) throw new Error('no table of the new size');
    const found = new Float32Array((await readAll(resized.initializer)).slice().buffer);
    const stored = inlineTensor('float32', [36, 8], new Uint8Array(table.slice(8).buffer));
    const expected = new Float32Array((await readAll(bicubicTable(stored, [6, 6], [10, 8]))).slice().buffer);
    expect(found.slice(0, 8)).toEqual(new Float32Array(8));
    expect(found.slice(8)).toEqual(expected);
  });
});
