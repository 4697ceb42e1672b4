import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ExecuteOptions, executeWrites, type FilePlan } from '../../src/pipeline/execute.ts';
import { cast } from '../../src/tensor/derived/cast.ts';
import { stack } from '../../src/tensor/derived/join.ts';
import { lowRankUpdate } from '../../src/tensor/derived/low-rank-update.ts';
import { quantizeBlocks } from '../../src/tensor/derived/quantize-blocks.ts';
import { reshape } from '../../src/tensor/derived/reshape.ts';
import { transpose2d } from '../../src/tensor/derived/transpose.ts';
import {
  type Derivation,
  derivedTensor,
  inlineTensor,
  readAll,
  type Tensor,
} from '../../src/tensor/tensor.ts';
import { bfloat16, float32, floats, random } from '../tensor/derived/samples.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'execute-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

/** Places tensors one after the other at multiples of 64, with 100 zeros at the end. */
function plan(name: string, tensors: readonly Tensor[], first = 0): FilePlan {
  let offset = first;
  const entries = tensors.map((tensor) => {
    const entry = { tensor, offset };
    offset = Math.ceil((offset + tensor.byteLength) / 64) * 64;
    return entry;
  });
  return { path: join(folder, name), byteLength: offset + 100, entries };
}

/** What the file should be, put together the simple way. */
async function expectedBytes({ byteLength, entries }: FilePlan): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteLength);
  for (const { tensor, offset } of entries) bytes.set(await readAll(tensor), offset);
  return bytes;
}

function realTensors(): Tensor[] {
  const w = float32([300, 256], floats(300 * 256, 1));
  const [narrow] = bfloat16([200, 384], floats(200 * 384, 2));
  const a = float32([4, 256], floats(4 * 256, 3), 'a');
  const b = float32([300, 4], floats(300 * 4, 4), 'b');
  const scale = float32([1], floats(1, 5), 's');
  const quantized = quantizeBlocks(lowRankUpdate(w, [{ a, b, scale }]), {
    bits: 4,
    block: 32,
    symmetric: false,
  });
  return [
    w,
    quantized.values,
    transpose2d(cast(narrow, 'float32')),
    quantized.scales,
    stack([cast(w, 'float16'), cast(w, 'float16')]),
    inlineTensor('uint8', [3], Uint8Array.of(1, 2, 3)),
    inlineTensor('float32', [0, 4], new Uint8Array(0)),
    ...(quantized.zeroPoints === undefined ? [] : [quantized.zeroPoints]),
  ];
}

/** A derivation of one byte per row (row % 251), with a say in how each call behaves. */
function scripted(rows: number, perRow: number, call: (begin: number, end: number) => Promise<void>): Tensor {
  const derivation: Derivation = {
    op: 'scripted',
    params: {},
    inputs: [],
    outputs: [{ dtype: 'uint8', shape: [rows] }],
    rows,
    workingBytesPerRow: perRow,
    computeRows: async (begin, end) => {
      await call(begin, end);
      return [Uint8Array.from({ length: end - begin }, (_, i) => (begin + i) % 251)];
    },
  };
  return derivedTensor(derivation);
}

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

describe('executeWrites', () => {
  it.each([64 * 1024, 2 ** 30])('writes the same bytes under a budget of %i', async (memoryBytes) => {
    const tensors = realTensors();
    // The outputs of one derivation go to two files.
    const plans = [plan('a.bin', tensors.slice(0, 4), 128), plan('b.bin', tensors.slice(4))];
    let progress = 0;
    const written = await executeWrites(plans, {
      memoryBytes,
      onProgress: (bytes) => {
        progress += bytes;
      },
    });
    for (const [index, file] of plans.entries()) {
      const expected = await expectedBytes(file);
      const actual = await readFile(file.path);
      expect(Buffer.compare(actual, expected)).toBe(0);
      expect(written[index]).toEqual({
        path: file.path,
        byteLength: file.byteLength,
        sha256: createHash('sha256').update(expected).digest('hex'),
      });
    }
    expect(progress).toBe(tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0));
  });

  it('computes all outputs of a derivation, and views of them, at once', async () => {
    const quantized = quantizeBlocks(float32([64, 64], floats(4096, 1)), {
      bits: 4,
      block: 32,
      symmetric: false,
    });
    const { origin } = quantized.values;
    if (origin.kind !== 'derived') throw new Error('not derived');
    const compute = vi.spyOn(origin.derivation, 'computeRows');
    const view = reshape(quantized.values, [64, 32]);
    await executeWrites([plan('a.bin', [quantized.values, quantized.scales, view])], { memoryBytes: 16384 });
    const rows = compute.mock.calls.map(([begin, end]) => end - begin);
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.reduce((sum, count) => sum + count, 0)).toBe(64);
  });

  it('hashes blocks that finish in any order', async () => {
    const next = random(3);
    const slow = scripted(5000, 10, () => pause((next() + 1) * 5));
    const file = plan('a.bin', [slow, inlineTensor('uint8', [2], Uint8Array.of(9, 8))], 64);
    const [written] = await executeWrites([file], { memoryBytes: 8000 });
    const expected = await expectedBytes(file);
    expect(Buffer.compare(await readFile(file.path), expected)).toBe(0);
    expect(written?.sha256).toBe(createHash('sha256').update(expected).digest('hex'));
  });

  it('keeps the bytes in flight within the budget, and several blocks in flight', async () => {
    let held = 0;
    let most = 0;
    let blocks = 0;
    let mostBlocks = 0;
    const tracked = () =>
      scripted(4000, 100, async (begin, end) => {
        held += (end - begin) * 100;
        blocks++;
        most = Math.max(most, held);
        mostBlocks = Math.max(mostBlocks, blocks);
        await pause(2);
        held -= (end - begin) * 100;
        blocks--;
      });
    await executeWrites([plan('a.bin', [tracked(), tracked()])], { memoryBytes: 40_000 });
    expect(most).toBeLessThanOrEqual(40_000);
    expect(mostBlocks).toBeGreaterThan(1);
  });

  it('has a bounded number of blocks in flight, however small they are', async () => {
    let blocks = 0;
    let most = 0;
    const small = Array.from({ length: 60 }, () =>
      scripted(1, 1, async () => {
        most = Math.max(most, ++blocks);
        await pause(2);
        blocks--;
      }),
    );
    await executeWrites([plan('a.bin', small)], { memoryBytes: 2 ** 20 });
    expect(most).toBe(16);
  });

  it('makes blocks larger where every call goes through much input', async () => {
    const w = float32([2048, 2048], new Float32Array(2048 * 2048));
    const transposed = transpose2d(w);
    if (transposed.origin.kind !== 'derived') throw new Error('not derived');
    const compute = vi.spyOn(transposed.origin.derivation, 'computeRows');
    await executeWrites([plan('a.bin', [transposed])], { memoryBytes: 2 ** 28 });
    expect(compute).toHaveBeenCalledTimes(1);
  });

  it('runs a row larger than the budget, alone', async () => {
    const file = plan('a.bin', [scripted(3, 1000, async () => {})]);
    await executeWrites([file], { memoryBytes: 10 });
    expect([...(await readFile(file.path))].slice(0, 3)).toEqual([0, 1, 2]);
  });

  it('stops between blocks when it is aborted', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let rows = 0;
    const slow = scripted(1000, 100, async (begin, end) => {
      rows += end - begin;
      if (rows > 100) controller.abort(reason);
      await pause(1);
    });
    const options: ExecuteOptions = { memoryBytes: 4000, signal: controller.signal };
    await expect(executeWrites([plan('a.bin', [slow])], options)).rejects.toBe(reason);
    expect(rows).toBeLessThan(200);
    // Nothing runs on afterwards.
    const after = rows;
    await pause(20);
    expect(rows).toBe(after);
  });

  it('stops at the first failure and gives its cause', async () => {
    let rows = 0;
    const failing = scripted(1000, 100, async (begin, end) => {
      rows += end - begin;
      await pause(1);
      if (begin >= 20) throw new Error('unreadable');
    });
    await expect(executeWrites([plan('a.bin', [failing])], { memoryBytes: 4000 })).rejects.toThrow(
      'unreadable',
    );
    expect(rows).toBeLessThan(200);
  });

  it.each([
    ['ENOSPC', 'VC5104', 'the disk is full (ENOSPC)'],
    ['EDQUOT', 'VC5104', 'quota'],
    ['EIO', 'VC5105', 'the disk failed (EIO)'],
    ['EROFS', 'VC5105', 'the file system is read-only (EROFS)'],
  ])('says what a write failed with: %s', async (code, expected, found) => {
    const handle = await open(join(folder, 'probe'), 'w');
    const prototype = Object.getPrototypeOf(handle) as typeof handle;
    await handle.close();
    vi.spyOn(prototype, 'write').mockRejectedValue(Object.assign(new Error('quota'), { code }));
    const failure = executeWrites([plan('a.bin', realTensors())], { memoryBytes: 65536 });
    await expect(failure).rejects.toMatchObject({ code: expected, record: { where: 'a.bin', found } });
  });

  it('does not touch a file that exists, nor make one in a folder that does not', async () => {
    await writeFile(join(folder, 'a.bin'), 'mine');
    const options = { memoryBytes: 65536 };
    const tensors = realTensors();
    await expect(executeWrites([plan('a.bin', tensors)], options)).rejects.toMatchObject({ code: 'VC5105' });
    expect(await readFile(join(folder, 'a.bin'), 'utf8')).toBe('mine');
    await expect(executeWrites([plan('no/a.bin', tensors)], options)).rejects.toMatchObject({
      code: 'VC5105',
    });
  });

  it('refuses plans with overlaps before it makes a file', async () => {
    const tensor = inlineTensor('uint8', [4], new Uint8Array(4));
    const path = join(folder, 'a.bin');
    const options = { memoryBytes: 65536 };
    const at = (byteLength: number, ...offsets: number[]): FilePlan => ({
      path,
      byteLength,
      entries: offsets.map((offset) => ({ tensor, offset })),
    });
    await expect(executeWrites([at(10, 0, 3)], options)).rejects.toThrow(RangeError);
    await expect(executeWrites([at(10, 7)], options)).rejects.toThrow(RangeError);
    await expect(executeWrites([at(10, -1)], options)).rejects.toThrow(RangeError);
    expect(await readdir(folder)).toEqual([]);
  });
});
