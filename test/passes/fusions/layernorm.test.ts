/** Layer normalization in the spellings that exporters use, and what only looks like one. */
import { describe, expect, it } from 'vitest';
import { float } from '../../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import { printModel } from '../../../src/graph/print.ts';
import type { Value } from '../../../src/graph/value.ts';
import { census } from '../../../src/passes/census.ts';
import { add, cast, div, fuse, half, type Make, mean, mul, pow, rounded, sub, vector } from './spelled.ts';

const epsilon = 1e-3;

/** The variance plus epsilon over the centered values c. */
const padded = (b: GraphBuilder, c: Value, axes: readonly number[] = [-1]): Value =>
  add(b, mean(b, pow(b, c, b.scalar(2)), axes), b.scalar(epsilon));
const root = (b: GraphBuilder, value: Value): Value => b.op('Sqrt', [value]);
const affine = (b: GraphBuilder, x: Value): Value => add(b, mul(b, x, vector(b, 1)), vector(b, 2));

/** Makes of x, x - mean and the variance plus epsilon. */
const spelled =
  (finish: (b: GraphBuilder, c: Value, padded: Value, x: Value) => Value): Make =>
  (b, x) => {
    const c = sub(b, x, mean(b, x));
    return finish(b, c, padded(b, c), x);
  };

const moments: Make = (b, x) => {
  const average = mean(b, x);
  const variance = sub(b, mean(b, mul(b, x, x)), mul(b, average, average));
  return affine(b, div(b, sub(b, x, average), root(b, add(b, variance, b.scalar(epsilon)))));
};

describe('spellings that become one LayerNormalization', () => {
  it.each<[string, Make]>([
    ['division by the root', spelled((b, c, v) => affine(b, div(b, c, root(b, v))))],
    ['reciprocal of the root', spelled((b, c, v) => affine(b, mul(b, b.op('Reciprocal', [root(b, v)]), c)))],
    ['one over the root', spelled((b, c, v) => affine(b, mul(b, c, div(b, b.scalar(1), root(b, v)))))],
    ['power of -0.5', spelled((b, c, v) => affine(b, mul(b, c, pow(b, v, b.scalar(-0.5)))))],
    ['power of 0.5', spelled((b, c, v) => affine(b, div(b, c, pow(b, v, b.scalar(0.5)))))],
    ['scale first', spelled((b, c, v) => add(b, vector(b, 2), mul(b, vector(b, 1), div(b, c, root(b, v)))))],
    ['second centering', spelled((b, _, v, x) => affine(b, div(b, sub(b, x, mean(b, x)), root(b, v))))],
    [
      'square as a product',
      (b, x) => {
        const c = sub(b, x, mean(b, x));
        return affine(b, div(b, c, root(b, add(b, b.scalar(epsilon), mean(b, mul(b, c, c))))));
      },
    ],
    ['mean(x²) - mean²', moments],
    [
      'mean(x²) - mean², not below zero',
      (b, x) => {
        const average = mean(b, x);
        const variance = sub(b, mean(b, mul(b, x, x)), mul(b, average, average));
        const kept = b.op('Max', [variance, b.scalar(0)]);
        return affine(b, div(b, sub(b, x, average), root(b, add(b, kept, b.scalar(epsilon)))));
      },
    ],
    [
      'distributed, with the scale in both products',
      (b, x) => {
        const average = mean(b, x);
        const c = sub(b, x, average);
        const factor = mul(b, b.op('Reciprocal', [root(b, padded(b, c))]), vector(b, 1));
        return add(b, mul(b, x, factor), sub(b, vector(b, 2), mul(b, average, factor)));
      },
    ],
    [
      'a scale of [1, 1, C]',
      spelled((b, c, v) =>
        add(b, mul(b, div(b, c, root(b, v)), vector(b, 1, [1, 1, 8])), vector(b, 2, [1, 8])),
      ),
    ],
  ])('%s', async (_, make) => {
    const { record, ops, error, model } = await fuse('fold,fuse-layernorm', make);
    expect(record.notes).toEqual([]);
    expect(ops).toEqual(['LayerNormalization']);
    const [norm] = model.graph.nodes();
    expect(norm?.float('epsilon')).toBe(Math.fround(epsilon));
    expect(norm?.inputs).toHaveLength(3);
    expect(error).toBeLessThan(2e-6);
  });

  it('prints as one line with its sources', async () => {
    const { model } = await fuse(
      'fuse-layernorm',
      spelled((b, c, v) => affine(b, div(b, c, root(b, v)))),
    );
    await expect(printModel(model)).toMatchFileSnapshot('../golden/fuse-layernorm.txt');
    const [norm] = model.graph.nodes();
    expect(norm?.metadata.get('vlm-convert.from')?.split(' ')).toEqual(
      expect.arrayContaining(['Add_1', 'Mul', 'Div', 'Sub', 'ReduceMean', 'Sqrt', 'Pow']),
    );
  });

  it('takes a scale of ones where none was learned, and leaves alone what is no scale', async () => {
    const bare = await fuse(
      'fuse-layernorm',
      spelled((b, c, v) => div(b, c, root(b, v))),
    );
    expect(bare.ops).toEqual(['LayerNormalization']);
    expect(bare.error).toBeLessThan(2e-6);
    // A scale over a scale that was learned.
    const twice = await fuse(
      'fuse-layernorm',
      spelled((b, c, v) => mul(b, mul(b, div(b, c, root(b, v)), vector(b, 1)), vector(b, 2))),
    );
    expect(twice.ops).toEqual(['LayerNormalization', 'Mul']);
    expect(twice.error).toBeLessThan(2e-6);
    // One number per row, as adaptive norms have it.
    const rows = await fuse(
      'fuse-layernorm',
      spelled((b, c, v) => mul(b, div(b, c, root(b, v)), vector(b, 1, [5, 1]))),
    );
    expect(rows.ops).toEqual(['LayerNormalization', 'Mul']);
    expect(rows.error).toBeLessThan(2e-6);
  });

  it('is what RMS normalization of centered values is', async () => {
    const make =
      (axes: readonly number[]): Make =>
      (b, x) => {
        const scale = vector(b, 1);
        return b.op('SimplifiedLayerNormalization', [sub(b, x, mean(b, x, axes)), scale], {
          attributes: { epsilon: float(epsilon) },
        });
      };
    const { ops, error } = await fuse('fuse-layernorm', make([2]));
    expect(ops).toEqual(['LayerNormalization']);
    expect(error).toBeLessThan(2e-6);
    expect((await fuse('fuse-layernorm', make([1]))).ops).not.toContain('LayerNormalization');
  });

  it('finds two norms of one value, each with its scale', async () => {
    const make: Make = (b, x) => {
      const c = sub(b, x, mean(b, x));
      const normed = div(b, c, root(b, padded(b, c)));
      const other = add(b, mul(b, normed, vector(b, 5)), vector(b, 6));
      return add(b, affine(b, normed), b.op('Exp', [other]));
    };
    const { ops, error } = await fuse('fuse-layernorm', make);
    expect(ops.filter((op) => op === 'LayerNormalization')).toHaveLength(2);
    expect(ops).toHaveLength(4);
    expect(error).toBeLessThan(2e-6);
  });

  it('normalizes several last axes', async () => {
    const { ops, error, model } = await fuse('fuse-layernorm', (b, x) => {
      const c = sub(b, x, mean(b, x, [1, 2]));
      const normed = div(b, c, root(b, padded(b, c, [2, 1])));
      return add(b, mul(b, normed, vector(b, 1, [5, 8])), vector(b, 2, [1, 5, 8]));
    });
    expect(ops).toEqual(['LayerNormalization']);
    expect([...model.graph.nodes()][0]?.int('axis')).toBe(-2);
    expect(error).toBeLessThan(2e-6);
  });

  it('normalizes channels that come first between two Transposes', async () => {
    const make: Make = (b, x) => {
      const c = sub(b, x, mean(b, x, [1]));
      const normed = div(b, c, root(b, padded(b, c, [1])));
      return add(b, mul(b, vector(b, 1, [6, 1, 1]), normed), vector(b, 2, [1, 6, 1, 1]));
    };
    const { ops, error } = await fuse('fuse-layernorm', make, [2, 6, 3, 5]);
    expect(ops).toEqual(['Transpose', 'LayerNormalization', 'Transpose']);
    expect(error).toBeLessThan(2e-6);
  });
});

describe('float16', () => {
  it('computed in float32 between casts is what the operator does', async () => {
    const make: Make = (b, x) => {
      const narrow = cast(b, x, 'float16');
      const wide = cast(b, narrow, 'float32');
      const c = sub(b, wide, mean(b, wide));
      const normed = cast(b, div(b, c, root(b, padded(b, c))), 'float16');
      const scaled = mul(b, normed, half(b, [1, 2, 3, 4, 5, 6, 7, 8], [8]));
      return cast(b, scaled, 'float32');
    };
    const { ops, error } = await fuse('fuse-layernorm', make);
    expect(ops).toEqual(['Cast', 'LayerNormalization', 'Cast']);
    // Rounded once instead of twice.
    expect(error).toBeLessThan(2e-3);
  });

  it('centered in float16, divided in float64, is one operator', async () => {
    const make: Make = (b, x) => {
      const narrow = cast(b, x, 'float16');
      const c = cast(b, sub(b, narrow, mean(b, narrow)), 'float64');
      const two = cast(b, b.scalar(2), 'float64');
      const variance = add(b, mean(b, pow(b, c, two)), cast(b, b.scalar(epsilon), 'float64'));
      return cast(b, cast(b, div(b, c, root(b, variance)), 'float16'), 'float32');
    };
    const { ops, error } = await fuse('fold,fuse-layernorm', make);
    expect(ops).toEqual(['Cast', 'LayerNormalization', 'Cast']);
    expect(error).toBeLessThan(5e-3);
  });

  it('with single operators in float32 between casts is one operator', async () => {
    const make: Make = (b, x) => {
      const narrow = b.op('Neg', [cast(b, x, 'float16')]);
      const wide = (value: Value): Value => cast(b, value, 'float32');
      const back = (value: Value): Value => cast(b, value, 'float16');
      const c = sub(b, narrow, back(mean(b, wide(narrow))));
      const variance = back(mean(b, wide(back(pow(b, wide(c), b.scalar(2))))));
      const deviation = back(root(b, wide(add(b, variance, half(b, [epsilon])))));
      return wide(mul(b, div(b, c, deviation), half(b, [1, 2, 3, 4, 5, 6, 7, 8], [8])));
    };
    const { ops, error } = await fuse('fuse-layernorm', make);
    expect(ops).toEqual(['Cast', 'Neg', 'LayerNormalization', 'Cast']);
    expect(error).toBeLessThan(5e-3);
  });

  it('rounded to after the norm stays so', async () => {
    const { ops, error } = await fuse(
      'fuse-layernorm',
      spelled((b, c, v) => cast(b, cast(b, div(b, c, root(b, v)), 'float16'), 'float32')),
    );
    expect(ops).toEqual(['LayerNormalization', 'Cast', 'Cast']);
    expect(error).toBeLessThan(1e-3);
  });

  it('all through is found with the constants as rounded', async () => {
    const make: Make = (b, x) => {
      const narrow = cast(b, x, 'float16');
      const c = sub(b, narrow, mean(b, narrow));
      const variance = mean(b, pow(b, c, half(b, [2])));
      return cast(b, div(b, c, root(b, add(b, variance, half(b, [epsilon])))), 'float32');
    };
    const { ops, error } = await fuse('fuse-layernorm', make);
    expect(ops).toEqual(['Cast', 'LayerNormalization', 'Cast']);
    expect(error).toBeLessThan(5e-3);
  });
});

describe('what is no layer normalization', () => {
  it.each<[string, Make, RegExp]>([
    ['epsilon outside the root', spelled((b, c, v) => div(b, c, add(b, root(b, v), b.scalar(1e-3)))), /^$/],
    [
      'another scale of the variance',
      (b, x) => {
        const c = sub(b, x, mean(b, x));
        const variance = mul(b, mean(b, mul(b, c, c)), b.scalar(8 / 7));
        return div(b, c, root(b, add(b, variance, b.scalar(epsilon))));
      },
      /^$/,
    ],
    [
      'means over different axes',
      (b, x) => {
        const c = sub(b, x, mean(b, x, [1]));
        return div(b, c, root(b, padded(b, c, [-1])));
      },
      /is over the axes \[1\], another mean over \[2\]|is over the axes \[2\], another mean over \[1\]/,
    ],
  ])('%s', async (_, make, reason) => {
    const { ops, record } = await fuse('fuse-layernorm', make);
    expect(ops).not.toContain('LayerNormalization');
    expect(record.notes.join(' ')).toMatch(reason);
  });
});

describe('what has the meaning, but cannot be replaced', () => {
  it.each<[string, Make, RegExp]>([
    [
      'centered values that are read elsewhere',
      (b, x) => {
        const c = sub(b, x, mean(b, x));
        b.output('centered', b.op('Exp', [c]));
        return affine(b, div(b, c, root(b, padded(b, c))));
      },
      /is also read by/,
    ],
    [
      'quantized values inside',
      (b, x) => {
        const input = rounded(b, x);
        const c = rounded(b, sub(b, input, rounded(b, mean(b, input))));
        return rounded(b, affine(b, div(b, c, rounded(b, root(b, padded(b, c)), 0.01))));
      },
      /values inside are quantized/,
    ],
  ])('%s', async (_, make, reason) => {
    const { ops, model, record, error } = await fuse('fuse-layernorm,fuse-rmsnorm', make);
    expect(ops).not.toContain('LayerNormalization');
    expect(ops).not.toContain('SimplifiedLayerNormalization');
    expect(census(model).get('layer_norm')?.found).toBe(1);
    expect(census(model).get('rms_norm')?.found).toBe(0);
    expect(error).toBe(0);
    const marked = await fuse('fuse-layernorm', make);
    expect(marked.record.notes.join()).toMatch(reason);
    expect(record.changed).toBe(false);
  });

  it('values quantized before and after do not keep it from being one operator', async () => {
    const make: Make = (b, x) => {
      const input = rounded(b, x);
      const c = sub(b, input, mean(b, input));
      return rounded(b, affine(b, div(b, c, root(b, padded(b, c)))));
    };
    const { ops } = await fuse('fuse-layernorm', make);
    expect(ops.filter((op) => !op.includes('Quantize') && !op.includes('quantize'))).toEqual([
      'LayerNormalization',
    ]);
  });
});
