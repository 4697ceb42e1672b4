import { mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fileSource, memorySource } from '../../src/tensor/byte-source.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'byte-source-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('reads ranges, and says when the file got shorter meanwhile', async () => {
  const path = join(folder, 'w.bin');
  await writeFile(
    path,
    Uint8Array.from({ length: 100 }, (_, i) => i),
  );
  const source = await fileSource(path, 'w.bin');
  expect(source.size).toBe(100);
  expect([...(await source.read(97, 100))]).toEqual([97, 98, 99]);
  await truncate(path, 50);
  await expect(source.read(40, 60)).rejects.toMatchObject({
    code: 'VC1106',
    record: { where: 'w.bin', found: 'it ends before byte 60 now' },
  });
  await source.close();
});

it('says when the file was written to meanwhile, though it is as long as before', async () => {
  const path = join(folder, 'w.bin');
  await writeFile(path, new Uint8Array(100));
  await utimes(path, 1, 1);
  const source = await fileSource(path, 'w.bin');
  expect((await source.read(0, 100)).byteLength).toBe(100);
  await writeFile(path, new Uint8Array(100).fill(1));
  await expect(source.read(0, 10)).rejects.toMatchObject({
    code: 'VC1106',
    record: { found: 'it was written to since it was opened' },
  });
  await source.close();
});

it('refuses what is no range of the source', async () => {
  const source = memorySource('m', new Uint8Array(10));
  for (const [begin, end] of [
    [-1, 2],
    [5, 4],
    [0, 11],
    [0.5, 2],
  ] as const) {
    await expect(source.read(begin, end)).rejects.toThrow(RangeError);
  }
});

it('refuses what is no regular file', async () => {
  await expect(fileSource(folder, 'folder')).rejects.toThrow('folder is not a regular file');
});
