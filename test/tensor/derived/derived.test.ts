import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../src/kernels/bytes.ts';
import { floatToHalf } from '../../../src/kernels/half.ts';
import { dequantizeRows, quantizeRows, quantizeTableRows } from '../../../src/kernels/quantize.ts';
import { quantizeChannels as channelTwin } from '../../../src/kernels/quantize-channels.ts';
import { memorySource } from '../../../src/tensor/byte-source.ts';
import { bicubicTable } from '../../../src/tensor/derived/bicubic-table.ts';
import { cast } from '../../../src/tensor/derived/cast.ts';
import { dequantizeBlocks } from '../../../src/tensor/derived/dequantize-blocks.ts';
import { dequantizeChannels } from '../../../src/tensor/derived/dequantize-channels.ts';
import { filledBytes, isZeros, zeros } from '../../../src/tensor/derived/fill.ts';
import { concat, stack, unstack } from '../../../src/tensor/derived/join.ts';
import { lowRankUpdate } from '../../../src/tensor/derived/low-rank-update.ts';
import { quantizeBlocks, quantizeTable } from '../../../src/tensor/derived/quantize-blocks.ts';
import { quantizeChannels } from '../../../src/tensor/derived/quantize-channels.ts';
import { describeTensors, rebuildTensors, type TensorRecipe } from '../../../src/tensor/derived/registry.ts';
import { reshape } from '../../../src/tensor/derived/reshape.ts';
import { permuteRows, sliceRows } from '../../../src/tensor/derived/rows.ts';
import { transpose2d, untranspose } from '../../../src/tensor/derived/transpose.ts';
import { leafWindows } from '../../../src/tensor/evaluate.ts';
import { inlineTensor, readAll, sourceTensor, type Tensor } from '../../../src/tensor/tensor.ts';
import { computeTiles } from '../../../src/tensor/tiles.ts';
import { Workspace } from '../../../src/tensor/workspace.ts';
import { bfloat16, float32, floats, bytesOfSource as memory, numbers, random } from './samples.ts';

const workspace = new Workspace();

const derivation = (tensor: Tensor) => {
  if (tensor.origin.kind !== 'derived') throw new Error('not derived');
  return tensor.origin.derivation;
};

describe('values', () => {
  const values = floats(6 * 4, 1);
  const w = float32([6, 4], values);
  const at = (row: number, column: number) => values[row * 4 + column] ?? NaN;

  it('transposes matrices, and each matrix of a stack', async () => {
    const expected = [0, 1, 2, 3].flatMap((column) => [0, 1, 2, 3, 4, 5].map((row) => at(row, column)));
    const transposed = transpose2d(w);
    expect(transposed.shape).toEqual([4, 6]);
    expect(await numbers(transposed)).toEqual(expected);
    const batch = transpose2d(reshape(w, [2, 3, 4]));
    expect(batch.shape).toEqual([2, 4, 3]);
    const perMatrix = [0, 1].flatMap((m) =>
      [0, 1, 2, 3].flatMap((column) => [0, 1, 2].map((row) => at(m * 3 + row, column))),
    );
    expect(await numbers(batch)).toEqual(perMatrix);
  });

  it.each([1, 2, 8])('transposes elements of %i bytes', async (size) => {
    const bytes = Uint8Array.from({ length: 35 * 33 * size }, (_, i) => (i * 7919) % 251);
    const dtype = ({ 1: 'int8', 2: 'float16', 8: 'int64' } as const)[size] ?? 'int8';
    const out = await readAll(transpose2d(inlineTensor(dtype, [35, 33], bytes)));
    const wrong: number[] = [];
    for (let row = 0; row < 35; row++) {
      for (let column = 0; column < 33; column++) {
        const from = bytes.subarray((row * 33 + column) * size, (row * 33 + column + 1) * size);
        const to = out.subarray((column * 35 + row) * size, (column * 35 + row + 1) * size);
        if (Buffer.compare(from, to) !== 0) wrong.push(row * 33 + column);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('transposes a few columns of a wide matrix', async () => {
    const columns = 300_000;
    const wide = float32([3, columns], floats(3 * columns, 5));
    const transposed = transpose2d(wide);
    const rows = new Float32Array((await transposed.read(7 * 12, 9 * 12)).slice().buffer);
    const all = new Float32Array((await readAll(wide)).slice().buffer);
    const expected = [7, 8].flatMap((column) => [0, 1, 2].map((row) => all[row * columns + column]));
    expect([...rows]).toEqual(expected);
  });

  it('selects rows, also of vectors and of more than two axes', async () => {
    const picked = permuteRows(w, [
      [4, 2],
      [0, 3],
      [1, 1],
    ]);
    expect(picked.shape).toEqual([6, 4]);
    expect(await numbers(picked)).toEqual(
      [4, 5, 0, 1, 2, 1].flatMap((row) => [0, 1, 2, 3].map((column) => at(row, column))),
    );
    expect(await numbers(sliceRows(w, 2, 3))).toEqual([...values.subarray(8, 12)]);
    const bias = float32([6], floats(6, 2));
    expect(await numbers(permuteRows(bias, [[1, 3]]))).toEqual((await numbers(bias)).slice(1, 4));
    const cube = permuteRows(reshape(w, [3, 2, 4]), [
      [2, 1],
      [0, 1],
    ]);
    expect(await numbers(cube)).toEqual([...values.subarray(16), ...values.subarray(0, 8)]);
  });

  it('joins along the first axis and along a new one', async () => {
    const other = float32([2, 4], floats(8, 3), 'v');
    const joined = concat([w, other, zeros('float32', [1, 4])]);
    expect(joined.shape).toEqual([9, 4]);
    expect(await numbers(joined)).toEqual([...values, ...floats(8, 3), 0, 0, 0, 0]);
    const stacked = stack([w, zeros('float32', [6, 4]), w]);
    expect(stacked.shape).toEqual([3, 6, 4]);
    expect(await numbers(stacked)).toEqual([...values, ...new Float32Array(24), ...values]);
    const scalars = stack([float32([], floats(1, 1)), float32([], floats(1, 2))]);
    expect(scalars.shape).toEqual([2]);
    expect(await numbers(scalars)).toEqual([...floats(1, 1), ...floats(1, 2)]);
    const vectors = stack([float32([5], floats(5, 1)), float32([5], floats(5, 2))]);
    expect(await numbers(transpose2d(vectors))).toEqual(
      [0, 1, 2, 3, 4].flatMap((i) => [floats(5, 1)[i], floats(5, 2)[i]]),
    );
  });

  it('fills', async () => {
    expect([...(await readAll(filledBytes([2, 2], 0x88)))]).toEqual([0x88, 0x88, 0x88, 0x88]);
    expect((await readAll(zeros('int64', [3]))).every((byte) => byte === 0)).toBe(true);
  });

  it('casts', async () => {
    const [narrow, exact] = bfloat16([6, 4], values);
    expect(await numbers(cast(narrow, 'float32'))).toEqual([...exact]);
  });

  it('folds low-rank updates in', async () => {
    const [a1, b1, a2, b2] = [floats(2 * 4, 11), floats(6 * 2, 12), floats(3 * 4, 13), floats(6 * 3, 14)];
    const scale = Float32Array.of(0.5);
    const updated = lowRankUpdate(w, [
      { a: float32([2, 4], a1), b: float32([6, 2], b1), scale: float32([1], scale) },
      { a: float32([3, 4], a2), b: float32([6, 3], b2), scale: float32([1], Float32Array.of(-2)) },
    ]);
    const result = await numbers(updated);
    for (let row = 0; row < 6; row++) {
      for (let column = 0; column < 4; column++) {
        let expected = at(row, column);
        for (let r = 0; r < 2; r++) expected += 0.5 * (b1[row * 2 + r] ?? NaN) * (a1[r * 4 + column] ?? NaN);
        for (let r = 0; r < 3; r++) expected -= 2 * (b2[row * 3 + r] ?? NaN) * (a2[r * 4 + column] ?? NaN);
        expect(Math.abs((result[row * 4 + column] ?? NaN) - expected)).toBeLessThan(2e-6);
      }
    }
  });

  it('rounds a low-rank update once: small terms are not lost in a large weight', async () => {
    const rank = 8;
    const one = new Float32Array(rank).fill(1);
    const small = new Float32Array(rank).fill(2 ** -26);
    const updated = lowRankUpdate(float32([1, 1], Float32Array.of(1)), [
      { a: float32([rank, 1], one), b: float32([1, rank], small), scale: float32([1], Float32Array.of(1)) },
    ]);
    expect(await numbers(updated)).toEqual([1 + 2 ** -23]);
  });

  it('names the tensor when a weight to quantize is not finite', async () => {
    const bad = floats(32 * 2, 4);
    bad[40] = NaN;
    const { values: codes } = quantizeBlocks(float32([2, 32], bad, 'h.0.weight'), {
      bits: 4,
      block: 32,
      symmetric: false,
    });
    await expect(readAll(codes)).rejects.toMatchObject({
      code: 'VC3901',
      record: { where: 'h.0.weight', found: 'no finite scale for row 1, columns 0 to 31' },
    });
  });
});

describe('quantized weights', () => {
  const [rows, columns] = [12, 96];
  // A block of zeros: where the rules for matrices and tables differ most.
  const values = floats(rows * columns, 31).fill(0, 0, 32);
  const w = float32([rows, columns], values);
  const options = { bits: 4, block: 32, symmetric: false } as const;
  const same = async (tensor: Tensor | undefined, bytes: ArrayBufferView | undefined) => {
    if (tensor === undefined || bytes === undefined) throw new Error('nothing to compare');
    expect(Buffer.compare(await readAll(tensor), bytesOf(bytes))).toBe(0);
  };

  it('are rounded by the rule of what they are for', async () => {
    const [matrix, table] = [quantizeBlocks(w, options), quantizeTable(w, options)];
    const [matrixTwin, tableTwin] = [quantizeRows, quantizeTableRows].map((twin) =>
      twin(values, columns, options),
    );
    await same(matrix.values, matrixTwin?.values);
    await same(matrix.zeroPoints, matrixTwin?.zeroPoints);
    await same(table.values, tableTwin?.values);
    await same(table.scales, tableTwin?.scales);
    expect(matrixTwin?.values).not.toEqual(tableTwin?.values);
  });

  it('of a float16 graph have float16 scales, and codes that go with them', async () => {
    const narrow = cast(w, 'float16');
    const halves = new Float32Array((await readAll(cast(narrow, 'float32'))).slice().buffer);
    const { values: codes, scales } = quantizeBlocks(narrow, options);
    const twin = quantizeRows(halves, columns, { ...options, half: true });
    await same(codes, twin.values);
    await same(scales, floatToHalf(twin.scales));
    expect(twin.values).not.toEqual(quantizeRows(halves, columns, options).values);
    const table = quantizeTable(narrow, options);
    await same(table.values, quantizeTableRows(halves, columns, { ...options, half: true }).values);
    await same(
      dequantizeBlocks({ ...table, ...quantizeBlocks(narrow, options) }, [rows, columns]),
      dequantizeRows(twin, columns, options),
    );
  });

  it('are brought back column by column: a transpose of them reads no more than the blocks it needs', () => {
    const back = transpose2d(dequantizeBlocks(quantizeBlocks(w, options), [rows, columns]));
    const [leaf, ...others] = leafWindows(derivation(back), { row: 40, rows: 2, column: 0, columns: rows });
    expect(others).toEqual([]);
    expect(leaf?.window).toEqual({ row: 0, rows, column: 32, columns: 32 });
  });

  it('have a scale per channel, whatever the channel is made of', async () => {
    const kernel = reshape(w, [rows, 4, 3, 8]);
    const channels = quantizeChannels(kernel);
    expect(channels.values.shape).toEqual([rows, 4, 3, 8]);
    const twin = channelTwin(values, columns);
    await same(channels.values, twin.values);
    await same(channels.scales, twin.scales);
    const back = Float32Array.from(
      twin.values,
      (code, i) => code * (twin.scales[Math.floor(i / columns)] ?? NaN),
    );
    await same(dequantizeChannels(channels), back);
    const bad = values.slice();
    bad[3 * columns + 5] = -Infinity;
    await expect(
      readAll(quantizeChannels(float32([rows, columns], bad, 'conv')).values),
    ).rejects.toMatchObject({
      code: 'VC3901',
      record: { where: 'conv', found: 'a value that is not finite in channel 3' },
    });
  });
});

describe('algebra', () => {
  const [narrow] = bfloat16([5, 3], floats(15, 1));
  const w = float32([5, 3], floats(15, 2));

  it('undoes what is done twice', () => {
    expect(cast(w, 'float32')).toBe(w);
    expect(transpose2d(transpose2d(w))).toBe(w);
    expect(reshape(w, [5, 3])).toBe(w);
    expect(cast(cast(narrow, 'float32'), 'bfloat16')).toBe(narrow);
    expect(sliceRows(w, 0, 5)).toBe(w);
    expect(concat([w])).toBe(w);
  });

  it('looks behind transposes and stacks, through casts', async () => {
    expect(untranspose(transpose2d(w))).toBe(w);
    expect(untranspose(w)).toBeUndefined();
    // A view of another shape is no transpose.
    expect(untranspose(reshape(transpose2d(w), [15, 1]))).toBeUndefined();
    const behind = untranspose(cast(transpose2d(cast(narrow, 'float32')), 'float16'));
    expect(behind?.shape).toEqual([5, 3]);
    expect(await readAll(behind ?? w)).toEqual(await readAll(cast(narrow, 'float16')));

    const parts = [w, zeros('float32', [5, 3])];
    expect(unstack(stack(parts))).toEqual(parts);
    const transposed = unstack(transpose2d(stack(parts)));
    expect(transposed?.map(({ shape }) => shape)).toEqual([
      [3, 5],
      [3, 5],
    ]);
    expect(await readAll(transposed?.[0] ?? w)).toEqual(await readAll(transpose2d(w)));
    expect(transposed?.map(isZeros)).toEqual([false, true]);
    expect(unstack(w)).toBeUndefined();
  });

  it('moves narrow bytes, and casts what was moved', () => {
    const { op, inputs } = derivation(transpose2d(cast(narrow, 'float32')));
    expect(op).toBe('cast');
    expect(inputs[0]?.dtype).toBe('bfloat16');
  });
});

/** One of each derivation, over sources, and chains of them. */
function everything(): Tensor[] {
  const w = float32([12, 40], floats(480, 21));
  const a = float32([2, 40], floats(80, 22), 'a');
  const b = float32([12, 2], floats(24, 23), 'b');
  const [narrow] = bfloat16([12, 40], floats(480, 24));
  const merged = lowRankUpdate(w, [{ a, b, scale: float32([1], floats(1, 25), 's') }]);
  const options = { bits: 4, block: 16, symmetric: false } as const;
  const quantized = quantizeBlocks(merged, options);
  const table = quantizeTable(float32([12, 48], floats(576, 26), 't'), { ...options, symmetric: true });
  const eight = quantizeBlocks(cast(narrow, 'float32'), { bits: 8, block: 32, symmetric: true });
  const half = quantizeBlocks(cast(w, 'float16'), { bits: 4, block: 16, symmetric: false });
  const halfTable = quantizeTable(cast(reshape(w, [10, 48]), 'float16'), options);
  const channels = quantizeChannels(reshape(cast(narrow, 'float32'), [12, 2, 4, 5]));
  return [
    cast(narrow, 'float32'),
    cast(w, 'float16', { clampToFinite: true }),
    transpose2d(w),
    transpose2d(reshape(w, [3, 4, 40])),
    transpose2d(cast(narrow, 'float32')),
    permuteRows(w, [
      [6, 3],
      [0, 4],
    ]),
    concat([w, sliceRows(w, 3, 5)]),
    stack([transpose2d(w), reshape(w, [40, 12])]),
    zeros('float16', [3, 2]),
    merged,
    transpose2d(merged),
    bicubicTable(w, [3, 4], [5, 7]),
    quantized.values,
    quantized.scales,
    ...(quantized.zeroPoints === undefined ? [] : [quantized.zeroPoints]),
    table.values,
    table.scales,
    table.zeroPoints,
    dequantizeBlocks(quantized, [12, 40]),
    dequantizeBlocks(table, [12, 48]),
    dequantizeBlocks(eight, [12, 40]),
    transpose2d(dequantizeBlocks(eight, [12, 40])),
    half.values,
    half.scales,
    halfTable.values,
    dequantizeBlocks(half, [12, 40]),
    channels.values,
    channels.scales,
    dequantizeChannels(channels),
    transpose2d(dequantizeChannels(quantizeChannels(w))),
  ];
}

describe('any derivation', () => {
  it('gives the same bytes in whatever blocks and whatever memory it is computed', async () => {
    const next = random(5);
    const below = (limit: number) => Math.floor(((next() + 1) / 2) * limit);
    for (const tensor of everything()) {
      const whole = await readAll(tensor);
      const { op, rows } = derivation(tensor);
      for (let round = 0; round < 8; round++) {
        const bytes = new Uint8Array(whole.byteLength).fill(0xaa);
        const capacityBytes = round % 2 === 0 ? 1 << 20 : 1 + below(4000);
        for (let begin = 0; begin < rows; ) {
          const end = Math.min(rows, begin + 1 + below(round === 0 ? 1 : rows));
          computeInto(bytes, tensor, begin, end, capacityBytes);
          begin = end;
        }
        expect(Buffer.compare(bytes, whole), `${op} in ${capacityBytes} bytes`).toBe(0);
        const begin = below(whole.byteLength);
        const end = begin + below(whole.byteLength - begin + 1);
        expect(Buffer.compare(await tensor.read(begin, end), whole.subarray(begin, end)), op).toBe(0);
      }
    }
  });

  it('is rebuilt from its recipe as plain data', async () => {
    const tensors = everything();
    const recipe = JSON.parse(JSON.stringify(describeTensors(tensors))) as TensorRecipe;
    // Shared derivations stand in the recipe once.
    expect(
      recipe.steps.filter((step) => step.kind === 'derived' && step.op === 'low-rank-update'),
    ).toHaveLength(1);
    const sources = new Map(collectSources(tensors));
    const rebuilt = rebuildTensors(recipe, sources);
    for (const [index, tensor] of tensors.entries()) {
      const twin = rebuilt[index];
      expect([twin?.dtype, twin?.shape]).toEqual([tensor.dtype, tensor.shape]);
      expect(Buffer.compare(await readAll(twin ?? tensor), await readAll(tensor))).toBe(0);
    }
    expect(describeTensors(rebuilt)).toEqual(recipe);
  });

  it('refuses recipes that nobody wrote', () => {
    const recipe: TensorRecipe = {
      steps: [{ kind: 'derived', op: 'constructor', params: {}, inputs: [] }],
      tensors: [],
    };
    expect(() => rebuildTensors(recipe, new Map())).toThrow(/no derivation is called constructor/);
    const source = {
      kind: 'source',
      source: 'x',
      offset: 0,
      name: 'w',
      dtype: 'float32',
      shape: [4],
    } as const;
    const small = new Map([['x', memorySource('x', new Uint8Array(15))]]);
    expect(() => rebuildTensors({ steps: [source], tensors: [] }, small)).toThrow(/w is not in x/);
  });
});

/** Rows [begin, end) of a derived tensor, read without waiting, in tiles of at most so many bytes. */
function computeInto(
  target: Uint8Array,
  tensor: Tensor,
  begin: number,
  end: number,
  capacityBytes: number,
): void {
  const wanted = tensor.origin.kind === 'derived' ? tensor.origin.output : 0;
  let written = -1;
  computeTiles(
    derivation(tensor),
    begin,
    end,
    workspace,
    { capacityBytes, nonFinite: 'refuse' },
    (source, at, bytes) => bytes.set(memory(source).subarray(at, at + bytes.byteLength)),
    (output, offset, bytes) => {
      if (output !== wanted) return;
      expect(offset).toBeGreaterThan(written);
      written = offset;
      target.set(bytes, offset);
    },
  );
}

function collectSources(tensors: readonly Tensor[]) {
  const found = new Map<string, ReturnType<typeof memorySource>>();
  const visit = ({ origin }: Tensor): void => {
    if (origin.kind === 'source') {
      const known = found.get(origin.source.name);
      // Samples of one name must not differ: recipes find sources by name.
      if (known !== undefined && known !== origin.source)
        throw new Error(`two sources ${origin.source.name}`);
      found.set(origin.source.name, origin.source);
    } else if (origin.kind === 'derived') origin.derivation.inputs.forEach(visit);
  };
  tensors.forEach(visit);
  return found;
}

describe('wrong use', () => {
  const w = float32([4, 32], floats(128, 1));
  const [narrow] = bfloat16([4, 32], floats(128, 1));
  const cases: [string, () => unknown][] = [
    ['reshape to another count', () => reshape(w, [4, 31])],
    ['rows outside', () => sliceRows(w, 2, 5)],
    ['a negative count', () => permuteRows(w, [[3, -2]])],
    ['rows of a scalar', () => sliceRows(reshape(sliceRows(reshape(w, [128]), 0, 1), []), 0, 1)],
    ['transpose of a vector', () => transpose2d(reshape(w, [128]))],
    ['concat of different rows', () => concat([w, reshape(w, [8, 16])])],
    ['stack of different types', () => stack([w, narrow])],
    ['cast of strings', () => cast({ ...w, dtype: 'string' }, 'float32')],
    ['clamp outside float16', () => cast(w, 'bfloat16', { clampToFinite: true })],
    ['update of another shape', () => lowRankUpdate(w, [{ a: w, b: w, scale: w }])],
    ['update of bfloat16', () => lowRankUpdate(narrow, [{ a: w, b: w, scale: w }])],
    ['table on another grid', () => bicubicTable(w, [2, 3], [4, 4])],
    ['block of 24', () => quantizeBlocks(w, { bits: 4, block: 24, symmetric: false })],
    ['quantize bfloat16', () => quantizeBlocks(narrow, { bits: 4, block: 32, symmetric: false })],
    ['table with a tail', () => quantizeTable(w, { bits: 4, block: 64, symmetric: false })],
    [
      'dequantize to another shape',
      () => dequantizeBlocks(quantizeBlocks(w, { bits: 4, block: 32, symmetric: false }), [4, 64]),
    ],
  ];
  it.each(cases)('%s', (_, act) => {
    expect(act).toThrow(RangeError);
  });

  it('source tensors keep their name and place', () => {
    const source = memorySource('x.bin', new Uint8Array(64));
    const tensor = sourceTensor({ dtype: 'float32', shape: [4] }, source, 16, 'w');
    expect(describeTensors([tensor]).steps).toEqual([
      { kind: 'source', source: 'x.bin', offset: 16, name: 'w', dtype: 'float32', shape: [4] },
    ]);
  });
});
