import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { openSafetensors } from '../../../src/formats/safetensors/read.ts';
import { writeSafetensors } from '../../../src/formats/safetensors/write.ts';
import { memorySource } from '../../../src/tensor/byte-source.ts';
import { type Derivation, derivedTensor, inlineTensor, readAll } from '../../../src/tensor/tensor.ts';
import { fixtures } from '../../golden-folders.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vlm-'));
  path = join(folder, 'a.safetensors');
});

it('writes the bytes that the official writer writes, whatever the order given', async () => {
  const official = readFileSync(join(fixtures, 'safetensors/every-dtype.safetensors'));
  const { tensors, metadata } = await openSafetensors(memorySource('official', official));
  const scrambled = new Map([...tensors].sort(([a], [b]) => (a.slice(-1) < b.slice(-1) ? -1 : 1)));
  await writeSafetensors(path, scrambled, metadata);
  expect(readFileSync(path).equals(official)).toBe(true);
  expect(readdirSync(folder)).toEqual(['a.safetensors']);
});

it('sorts metadata and leaves it out where there is none', async () => {
  const tensor = inlineTensor('uint8', [2], Uint8Array.of(65, 66));
  const text = () => readFileSync(path, 'latin1').slice(8);
  await writeSafetensors(path, new Map([['t', tensor]]), new Map(Object.entries({ b: '2', a: '1' })));
  expect(text()).toMatch(/^\{"__metadata__":\{"a":"1","b":"2"\},"t":\{.*\}\} *AB$/);
  await writeSafetensors(path, new Map([['t', tensor]]));
  expect(text()).toMatch(/^\{"t":\{"dtype":"U8","shape":\[2\],"data_offsets":\[0,2\]\}\} *AB$/);
  expect(readFileSync(path).readBigUInt64LE() % 8n).toBe(0n);
});

it('streams a derived tensor in whole rows, each computed once', async () => {
  const rowBytes = 3 << 20;
  const computed: number[] = [];
  const derivation: Derivation = {
    op: 'test-pattern',
    params: {},
    inputs: [],
    outputs: [{ dtype: 'uint8', shape: [7, rowBytes] }],
    rows: 7,
    needs: () => [],
    compute: ({ row, rows }, _, [target], { workspace }) => {
      for (let i = 0; i < rows; i += 1) {
        computed.push(row + i);
        workspace.bytes((target?.pointer ?? 0) + i * rowBytes, rowBytes).fill(row + i + 1);
      }
    },
  };
  await writeSafetensors(path, new Map([['t', derivedTensor(derivation)]]));
  expect(computed).toEqual([0, 1, 2, 3, 4, 5, 6]);
  const { tensors } = await openSafetensors(memorySource('a', readFileSync(path)));
  const tensor = tensors.get('t');
  const bytes = tensor && (await readAll(tensor));
  expect(
    [0, 1, 2, 3, 4, 5, 6].map((row) => [bytes?.[row * rowBytes], bytes?.[(row + 1) * rowBytes - 1]]),
  ).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => [n, n]));
});

it('leaves nothing behind when a tensor cannot be read, and keeps the file that was there', async () => {
  const good = inlineTensor('uint8', [1], Uint8Array.of(1));
  await writeSafetensors(path, new Map([['t', good]]));
  const before = readFileSync(path);
  const broken = { ...good, read: () => Promise.reject(new Error('the disk went away')) };
  await expect(writeSafetensors(path, new Map([['t', broken]]))).rejects.toThrow('the disk went away');
  expect(readdirSync(folder)).toEqual(['a.safetensors']);
  expect(readFileSync(path).equals(before)).toBe(true);
});

it('says why a file cannot be written', async () => {
  await expect(writeSafetensors(join(folder, 'no/a.safetensors'), new Map())).rejects.toThrow(
    /VC1015.*does not exist \(ENOENT\)/s,
  );
  mkdirSync(path);
  await expect(writeSafetensors(path, new Map())).rejects.toThrow(/VC1015/);
  expect(readdirSync(folder)).toEqual(['a.safetensors']);
});

it('has no place for dtypes that the format lacks', async () => {
  const tensor = inlineTensor('uint4', [2], Uint8Array.of(1));
  await expect(writeSafetensors(path, new Map([['t', tensor]]))).rejects.toThrow(RangeError);
  expect(readdirSync(folder)).toEqual([]);
});
