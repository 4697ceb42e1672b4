/** Plans carried out in this process, on its main thread and on threads: the bytes that tensors read one by one. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ExecuteOptions, executePlan } from '../../../src/pipeline/engine/execute.ts';
import { type FilePlan, planWrites } from '../../../src/pipeline/engine/plan-writes.ts';
import type { UnitChecksums } from '../../../src/pipeline/engine/run-units.ts';
import { type ByteSource, fileSource, memorySource } from '../../../src/tensor/byte-source.ts';
import { cast } from '../../../src/tensor/derived/cast.ts';
import { stack } from '../../../src/tensor/derived/join.ts';
import { lowRankUpdate } from '../../../src/tensor/derived/low-rank-update.ts';
import { quantizeBlocks } from '../../../src/tensor/derived/quantize-blocks.ts';
import { reshape } from '../../../src/tensor/derived/reshape.ts';
import { transpose2d } from '../../../src/tensor/derived/transpose.ts';
import { inlineTensor, readAll, sourceTensor, type Tensor } from '../../../src/tensor/tensor.ts';
import { floats } from '../../tensor/derived/samples.ts';

let folder = '';
let source: ByteSource;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'execute-'));
  writeFileSync(join(folder, 'weights'), new Uint8Array(weights().buffer));
  source = await fileSource(join(folder, 'weights'), 'weights');
});
afterEach(async () => {
  await source.close();
  rmSync(folder, { recursive: true });
});

/** Float32 values whose halves are finite bfloat16 values, too. */
function weights(): Float32Array {
  const bits = new Uint32Array(floats(400_000, 7).buffer).map((word) => word & 0xffff_bfff);
  return new Float32Array(bits.buffer);
}

function stored(dtype: 'float32' | 'bfloat16', shape: readonly number[], element: number): Tensor {
  return sourceTensor({ dtype, shape }, source, element * 4, `${dtype} at ${element}`);
}

/** Tensors of every kind of origin; several outputs of one derivation, and a view of one. */
function tensors(): Tensor[] {
  const w = stored('float32', [300, 256], 0);
  const narrow = stored('bfloat16', [200, 384], 80_000);
  const a = stored('float32', [4, 256], 150_000);
  const b = stored('float32', [300, 4], 160_000);
  const scale = inlineTensor('float32', [1], new Uint8Array(Float32Array.of(0.5).buffer));
  const constant = inlineTensor('float32', [20, 256], new Uint8Array(floats(20 * 256, 9).buffer));
  const memory = memorySource('weights', new Uint8Array(floats(5000, 11).buffer));
  const elsewhere = sourceTensor({ dtype: 'float32', shape: [50, 100] }, memory, 0, 'elsewhere');
  const merged = lowRankUpdate(w, [{ a, b, scale }]);
  const quantized = quantizeBlocks(merged, { bits: 4, block: 32, symmetric: false });
  if (quantized.zeroPoints === undefined) throw new Error('asymmetric blocks have zero points');
  return [
    w,
    quantized.values,
    transpose2d(cast(narrow, 'float32')),
    // Its units are windows.
    transpose2d(stored('float32', [5000, 40], 170_000)),
    quantized.scales,
    stack([cast(w, 'float16'), cast(merged, 'float16')]),
    inlineTensor('uint8', [3], Uint8Array.of(1, 2, 3)),
    inlineTensor('float32', [0, 4], new Uint8Array(0)),
    constant,
    cast(constant, 'bfloat16'),
    transpose2d(elsewhere),
    quantized.zeroPoints,
    reshape(quantized.values, [300, 128]),
    narrow,
  ];
}

/** One after the other at multiples of 64, with 100 zeros at the end, in two files. */
function files(all: readonly Tensor[]): FilePlan[] {
  return ['one/a.bin', 'two/b.bin'].map((path, index) => {
    let offset = index * 128;
    const entries = all
      .filter((_, at) => at % 2 === index)
      .map((tensor) => {
        const entry = { tensor, name: `tensor ${offset}`, offset };
        offset = Math.ceil((offset + tensor.byteLength) / 64) * 64;
        return entry;
      });
    return { path, byteLength: offset + 100, entries };
  });
}

/** What a file should be, put together the simple way. */
async function expectedBytes({ byteLength, entries }: FilePlan): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteLength);
  for (const { tensor, offset } of entries) bytes.set(await readAll(tensor), offset);
  return bytes;
}

function options(more: Partial<ExecuteOptions> = {}): ExecuteOptions {
  return {
    root: join(folder, 'out'),
    constantsPath: join(folder, 'constants'),
    memoryBytes: 2 ** 30,
    jobs: 1,
    nonFinite: 'refuse',
    durable: true,
    ...more,
  };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const planned = (unitBytes = 20_000, all = tensors()) => planWrites(files(all), { unitBytes });

function range(begin: number, end: number): number[] {
  return Array.from({ length: end - begin }, (_, index) => begin + index);
}

describe('a plan', () => {
  it('is the same bytes every time, and covers every tensor once', async () => {
    const { plan } = await planned();
    expect(JSON.stringify((await planned()).plan)).toBe(JSON.stringify(plan));
    const cells = new Map<number, Map<string, number>>();
    for (const { recipe, begin, end, columns } of plan.units) {
      const covered = cells.get(recipe) ?? new Map<string, number>();
      cells.set(recipe, covered);
      for (let row = begin; row < end; row++) {
        for (const column of columns === undefined ? [0] : range(...columns)) {
          covered.set(`${row} ${column}`, (covered.get(`${row} ${column}`) ?? 0) + 1);
        }
      }
    }
    for (const covered of cells.values()) expect(new Set(covered.values())).toEqual(new Set([1]));
    const windows = plan.units.filter(({ columns }) => columns !== undefined);
    expect(windows.length).toBeGreaterThan(4);
    const [window] = windows;
    expect(cells.get(window?.recipe ?? -1)?.size).toBe(40 * 5000);
    const bytes = plan.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
    expect(plan.units.reduce((sum, { writes }) => sum + writes, 0)).toBe(bytes);
    // The only file that is read; the rest stands among the constants.
    expect(plan.inputs).toEqual([{ name: 'weights', size: 1_600_000 }]);
    expect(plan.units.length).toBeGreaterThan(50);
  });

  it('computes all outputs of a derivation, and views of them, by one recipe', async () => {
    const { plan } = await planned();
    const outputs = plan.tensors.filter(
      ({ recipe }) =>
        recipe === plan.tensors[0]?.recipe || plan.recipes[recipe]?.steps.at(-1)?.kind === 'derived',
    );
    const quantized = outputs.filter(({ recipe }) => plan.recipes[recipe]?.tensors.length === 3);
    expect(quantized.map(({ output }) => output).sort()).toEqual([0, 0, 1, 2]);
    expect(new Set(quantized.map(({ recipe }) => recipe)).size).toBe(1);
  });

  it('refuses files whose tensors overlap or do not fit', async () => {
    const tensor = inlineTensor('uint8', [4], new Uint8Array(4));
    const at = (byteLength: number, ...offsets: number[]) =>
      planWrites([
        { path: 'a', byteLength, entries: offsets.map((offset) => ({ tensor, name: 't', offset })) },
      ]);
    await expect(at(10, 0, 3)).rejects.toThrow(RangeError);
    await expect(at(10, 7)).rejects.toThrow(RangeError);
    await expect(at(10, -1)).rejects.toThrow(RangeError);
    await expect(at(10, 0, 4)).resolves.toBeDefined();
  });
});

describe('executePlan', () => {
  it.each([
    ['on the main thread', { jobs: 1 }, 20_000],
    ['on the main thread, in little memory', { jobs: 1, memoryBytes: 1 }, 20_000],
    ['in whole tensors', { jobs: 1 }, 2 ** 30],
    ['in single rows', { jobs: 1 }, 1],
    ['on one thread beside it', { jobs: 2, threadsFrom: 0, memoryBytes: 2 ** 40 }, 20_000],
    ['on four threads', { jobs: 4, threadsFrom: 0, memoryBytes: 2 ** 40 }, 5_000],
  ] as const)('writes the same bytes %s', async (_, more, unitBytes) => {
    const all = tensors();
    const plans = files(all);
    const progress: number[] = [];
    const written = await executePlan(
      await planWrites(plans, { unitBytes }),
      options({ ...more, onProgress: (done) => progress.push(done) }),
    );
    for (const [index, plan] of plans.entries()) {
      const expected = await expectedBytes(plan);
      expect(Buffer.compare(readFileSync(join(folder, 'out', plan.path)), expected)).toBe(0);
      expect(written[index]).toEqual({
        path: plan.path,
        byteLength: plan.byteLength,
        sha256: sha256(expected),
      });
    }
    expect(progress.at(-1)).toBe(all.reduce((sum, tensor) => sum + tensor.byteLength, 0));
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it('runs again only what does not hold what it wrote', async () => {
    const finished = new Map<number, UnitChecksums>();
    const { plan, ...rest } = await planned();
    await executePlan(
      { plan, ...rest },
      options({ onFinished: (unit, checksums) => finished.set(unit, checksums) }),
    );
    expect(finished.size).toBe(plan.units.length);
    const path = join(folder, 'out/one/a.bin');
    const whole = readFileSync(path);
    const [first] = plan.tensors;
    if (first === undefined) throw new Error('no tensors');
    const broken = Uint8Array.from(whole);
    broken[first.offset + 10] = (broken[first.offset + 10] ?? 0) ^ 1;
    // A gap: no checksum covers it.
    broken[broken.length - 1] = 1;
    writeFileSync(path, broken);
    rmSync(join(folder, 'out/two/b.bin'));
    const again: number[] = [];
    await executePlan(
      { plan, ...rest },
      options({ earlier: finished, onFinished: (unit) => again.push(unit) }),
    );
    expect(Buffer.compare(readFileSync(path), whole)).toBe(0);
    const inB = new Set(plan.tensors.filter(({ file }) => file === 1).map(({ recipe }) => recipe));
    const expected = plan.units.filter(
      ({ recipe, begin }) => inB.has(recipe) || (recipe === first.recipe && begin === 0),
    );
    expect(again.length).toBe(expected.length);
    expect(
      Buffer.compare(
        readFileSync(join(folder, 'out/two/b.bin')),
        await expectedBytes(files(tensors())[1] as FilePlan),
      ),
    ).toBe(0);
  });

  it('stops between units when it is aborted, and tells what was finished', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const finished: number[] = [];
    const running = executePlan(
      await planned(5_000_000),
      options({
        signal: controller.signal,
        onFinished: (unit) => {
          finished.push(unit);
          controller.abort(reason);
        },
      }),
    );
    await expect(running).rejects.toBe(reason);
    expect(finished.length).toBeLessThan(tensors().length);
    const before = finished.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(finished.length).toBe(before);
  });

  it.each([1, 2])('notices an input that changes or ends meanwhile (jobs %i)', async (jobs) => {
    const more = { jobs, threadsFrom: 0, memoryBytes: 2 ** 40 };
    const plan = await planned();
    utimesSync(join(folder, 'weights'), 1, 1);
    await expect(executePlan(plan, options(more))).rejects.toMatchObject({
      code: 'VC1106',
      record: { where: 'weights', found: 'it was written to since it was opened' },
    });
    rmSync(join(folder, 'out'), { recursive: true });
    const descriptor = openSync(join(folder, 'weights'), 'r+');
    ftruncateSync(descriptor, 1000);
    closeSync(descriptor);
    await expect(executePlan(plan, options(more))).rejects.toMatchObject({
      code: 'VC1106',
      record: { found: expect.stringMatching(/^it ends before byte/) as string },
    });
  });

  it('does not touch a file that exists', async () => {
    const plan = await planned();
    await executePlan(plan, options());
    const before = readFileSync(join(folder, 'out/one/a.bin'));
    await expect(executePlan(plan, options())).rejects.toMatchObject({ code: 'VC5105' });
    expect(Buffer.compare(readFileSync(join(folder, 'out/one/a.bin')), before)).toBe(0);
  });

  it('makes no digests and keeps no constants where nothing is kept', async () => {
    const [written] = await executePlan(await planned(), options({ durable: false }));
    expect(written).toEqual({ path: 'one/a.bin', byteLength: files(tensors())[0]?.byteLength });
    expect(readdirSync(folder).sort()).toEqual(['constants', 'out', 'weights']);
  });
});

describe('weights that are not finite', () => {
  const place = 1234;
  async function withNaN(): Promise<Tensor> {
    await source.close();
    const values = weights();
    values[place] = Number.NaN;
    writeFileSync(join(folder, 'weights'), new Uint8Array(values.buffer));
    source = await fileSource(join(folder, 'weights'), 'weights');
    return stored('float32', [300, 256], 0);
  }

  it.each([1, 2])('are named, copied or computed (jobs %i)', async (jobs) => {
    const w = await withNaN();
    for (const tensor of [w, cast(w, 'float16'), transpose2d(w)]) {
      const plan = await planned(20_000, [tensor]);
      const more = { jobs, threadsFrom: 0, memoryBytes: 2 ** 40 };
      await expect(executePlan(plan, options(more))).rejects.toMatchObject({
        code: 'VC3901',
        record: { where: 'float32 at 0', found: `a value that is not finite at [4, ${place - 4 * 256}]` },
      });
      rmSync(join(folder, 'out'), { recursive: true });
    }
  });

  it('are kept when told so', async () => {
    const w = await withNaN();
    const plans = files([w, transpose2d(w)]);
    await executePlan(await planWrites(plans), options({ nonFinite: 'keep' }));
    for (const plan of plans) {
      expect(Buffer.compare(readFileSync(join(folder, 'out', plan.path)), await expectedBytes(plan))).toBe(0);
    }
  });

  it('are let be in constants of ours, which hold masks', async () => {
    const mask = inlineTensor(
      'float32',
      [32, 32],
      new Uint8Array(
        Float32Array.from({ length: 1024 }, (_, i) => (i % 3 === 0 ? Number.NEGATIVE_INFINITY : 0)).buffer,
      ),
    );
    const plans = files([mask, cast(mask, 'float16')]);
    await executePlan(await planWrites(plans), options());
    for (const plan of plans) {
      expect(Buffer.compare(readFileSync(join(folder, 'out', plan.path)), await expectedBytes(plan))).toBe(0);
    }
  });
});
