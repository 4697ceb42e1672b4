import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors, safetensorsSource } from '../../../src/formats/safetensors/read.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import { type ByteSource, memorySource } from '../../../src/tensor/byte-source.ts';
import { readAll } from '../../../src/tensor/tensor.ts';
import { fixtures, malformedCases } from '../../golden-folders.ts';
import { fileBytes, fileOf } from './files.ts';

async function codeOf(run: Promise<unknown>): Promise<string> {
  const error = await run.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!(error instanceof VlmError)) throw new Error(`no VlmError: ${String(error)}`);
  return error.code;
}

/** The code of every malformed file: another one would be another message. */
const codes: Readonly<Record<string, string>> = {
  empty: 'VC1002',
  'seven-bytes': 'VC1002',
  'header-length-0': 'VC1003',
  'header-past-end': 'VC1002',
  'header-over-100mb': 'VC1003',
  'header-2-63': 'VC1003',
  'header-not-json': 'VC1004',
  'header-array': 'VC1004',
  'header-truncated-json': 'VC1004',
  'header-leading-space': 'VC1004',
  'header-not-utf8': 'VC1004',
  'header-nan-shape': 'VC1004',
  'header-duplicate-keys': 'VC1004',
  'header-deep-json': 'VC1004',
  overlap: 'VC1008',
  gap: 'VC1008',
  short: 'VC1007',
  reversed: 'VC1005',
  'past-end': 'VC1009',
  trailing: 'VC1009',
  'unknown-dtype': 'VC1006',
  'no-dtype': 'VC1005',
  'no-shape': 'VC1005',
  'no-offsets': 'VC1005',
  'one-offset': 'VC1005',
  'offsets-negative': 'VC1005',
  'offsets-2-63': 'VC1005',
  'dims-overflow': 'VC1007',
  'dims-overflow-to-fit': 'VC1005',
  'dims-negative': 'VC1005',
  'dims-string': 'VC1005',
  'shape-number': 'VC1005',
  'info-number': 'VC1005',
  'metadata-number': 'VC1010',
  'truncated-all-data': 'VC1009',
  'pickle-renamed': 'VC1012',
  'torch-zip-renamed': 'VC1012',
  'lfs-pointer': 'VC1011',
  'a-directory': 'VC1013',
};

describe('meets every malformed file as expected', () => {
  for (const { name, path, must, wrong } of malformedCases('safetensors/')) {
    it(`${name}: ${wrong}: ${must}`, async () => {
      const run = async () => {
        const source = await safetensorsSource(path, name);
        try {
          return await openSafetensors(source);
        } finally {
          await source.close();
        }
      };
      if (must === 'accept') {
        expect((await run()).tensors).toBeInstanceOf(Map);
        return;
      }
      const error = await run().catch((cause: unknown) => cause);
      if (!(error instanceof VlmError)) throw new Error(`no VlmError: ${String(error)}`);
      expect(error.message).toContain(name);
      expect(error.exitCode).toBe(4);
      const expected = codes[name.replace(/^safetensors\/(.*)\.safetensors$/, '$1')];
      if (expected !== undefined) expect(error.code).toBe(expected);
    });
  }
});

it('reads every dtype that the official writer wrote, bytes included', async () => {
  const path = join(fixtures, 'safetensors/every-dtype.safetensors');
  const bytes = readFileSync(path);
  const { metadata, tensors } = await openSafetensors(memorySource('every-dtype', bytes));
  expect([...metadata]).toEqual([['format', 'pt']]);

  const found = [...tensors].filter(([name]) => name.startsWith('of.'));
  // The writer's own names for the dtypes are in the tensors' names; F4 is packed, two values per byte.
  const known: Record<string, string> = { float8_e8m0fnu: 'float8e8m0', float4_e2m1fn_x2: 'float4e2m1' };
  for (const [name, tensor] of found) {
    const dtype = name.slice(3);
    expect(tensor.dtype).toBe(known[dtype] ?? dtype.replace('8_', '8'));
    expect(tensor.shape).toEqual(dtype.startsWith('float4') ? [2, 6] : [2, 3]);
  }
  expect(found).toHaveLength(20);
  expect(tensors.get('scalar')?.shape).toEqual([]);
  expect(tensors.get('empty')?.byteLength).toBe(0);

  // uint8 is the second tensor of the script that wrote the file: bytes 37 + 11 i.
  const uint8 = tensors.get('of.uint8');
  expect(uint8 && [...(await readAll(uint8))]).toEqual([37, 48, 59, 70, 81, 92]);
  const all = Buffer.concat(await Promise.all([...tensors.values()].map((tensor) => readAll(tensor))));
  expect(all.equals(bytes.subarray(bytes.byteLength - all.byteLength))).toBe(true);
});

it('reads 6-bit floats, four to three bytes', async () => {
  const header =
    '{"a":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]},"b":{"dtype":"F6_E3M2","shape":[2,4],"data_offsets":[3,9]}}';
  const { tensors } = await openSafetensors(fileOf(header, 9));
  expect([...tensors.values()].map((t) => [t.dtype, t.byteLength])).toEqual([
    ['float6e2m3', 3],
    ['float6e3m2', 6],
  ]);
});

it('reads nothing but the header, and each tensor by its range', async () => {
  const header = `{"${'n'.repeat(100)}":{"dtype":"U8","shape":[1000],"data_offsets":[0,1000]}}`;
  const bytes = fileBytes(
    header,
    Uint8Array.from({ length: 1000 }, (_, i) => i % 251),
  );
  const reads: [number, number][] = [];
  const memory = memorySource('a', bytes);
  const source: ByteSource = {
    ...memory,
    read: (begin, end) => {
      reads.push([begin, end]);
      return memory.read(begin, end);
    },
  };
  const { tensors } = await openSafetensors(source);
  const end = 8 + header.length;
  expect(Math.max(...reads.map(([, to]) => to))).toBe(end);
  reads.length = 0;
  expect([...((await tensors.get('n'.repeat(100))?.read(10, 13)) ?? [])]).toEqual([10, 11, 12]);
  expect(reads).toEqual([[end + 10, end + 13]]);
});

it('asks for no byte beyond the file, whatever the header length says', async () => {
  for (const length of [0n, 1n << 63n, 100_000_001n, 99_999_999n, 17n]) {
    const bytes = new Uint8Array(24).fill(0x7b);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    const source: ByteSource = {
      ...memorySource('a', bytes),
      read: async (begin, end) => {
        if (end > bytes.byteLength) throw new Error(`asked for byte ${end}`);
        return bytes.subarray(begin, end);
      },
    };
    expect(await codeOf(openSafetensors(source))).toMatch(/^VC100[23]$/);
  }
});

describe('refuses', () => {
  const entry = (dtype: string, shape: string, offsets: string) =>
    `{"a":{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}}`;

  it.each([
    ['a dimension written as a float', entry('U8', '[4.0]', '[0,4]'), 4, 'VC1004'],
    ['a dimension of minus zero', entry('U8', '[-0]', '[0,0]'), 0, 'VC1005'],
    ['a dimension above 2^53', entry('U8', '[9007199254740993]', '[0,1]'), 1, 'VC1005'],
    [
      'a product above 2^53 though a zero follows',
      entry('U8', '[4294967296,4294967296,0]', '[0,0]'),
      0,
      'VC1007',
    ],
    ['4-bit data that ends inside a byte', entry('F4', '[3]', '[0,2]'), 2, 'VC1007'],
    ['a field twice', '{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1, 'VC1004'],
    ['metadata that is no object', '{"__metadata__":["a"]}', 0, 'VC1010'],
    [
      'two tensors in the same bytes',
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
      'VC1008',
    ],
    ['a hole at the start', entry('U8', '[1]', '[1,2]'), 2, 'VC1008'],
    ['three offsets', entry('U8', '[1]', '[0,1,2]'), 1, 'VC1005'],
  ])('%s', async (_, header, data, code) => {
    expect(await codeOf(openSafetensors(fileOf(header, data)))).toBe(code);
  });

  it.each([
    ['GGUF\x03\0\0\0\0\0\0\0', 'VC1014', 'a GGUF file'],
    ['<!DOCTYPE html><html>', 'VC1014', 'a web page'],
    ['\x89HDF\r\n\x1a\n', 'VC1014', 'HDF5'],
    ['\x80\x04\x95\x05\0\0\0\0\0\0\0}.', 'VC1012', 'save_file'],
    ['PK\x03\x04\0\0\x08\x08\0\0', 'VC1012', 'weights_only=True'],
  ])('another format and says which: %j', async (start, code, text) => {
    const run = openSafetensors(memorySource('model.safetensors', Buffer.from(start, 'latin1')));
    await expect(run).rejects.toThrow(text);
    expect(await codeOf(run)).toBe(code);
  });

  it('a file that is not there, and what is no file, without waiting for the writer of a pipe', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vlm-'));
    const pipe = join(folder, 'pipe.safetensors');
    execFileSync('mkfifo', [pipe]);
    expect(await codeOf(safetensorsSource(pipe, 'pipe'))).toBe('VC1001');
    expect(await codeOf(safetensorsSource(join(folder, 'no.safetensors'), 'no'))).toBe('VC1001');
    expect(await codeOf(safetensorsSource('/dev/null', 'null'))).toBe('VC1001');
    expect(await codeOf(safetensorsSource(folder, 'folder'))).toBe('VC1013');
  });
});

it('is not mistaken by a header length that looks like a pickle', async () => {
  const name = 'n'.repeat(0x280 - '{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'.length);
  const header = `{"${name}":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`;
  const bytes = fileBytes(header, 1);
  expect([...bytes.subarray(0, 2)]).toEqual([0x80, 0x02]);
  expect((await openSafetensors(memorySource('a', bytes))).tensors.size).toBe(1);
});

it('accepts what the format does not forbid: unknown fields, tensors of no bytes, names of JavaScript', async () => {
  const header =
    '{"__proto__":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"note":"x"},"b":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}  ';
  const { tensors } = await openSafetensors(fileOf(header));
  expect([...tensors.keys()].sort()).toEqual(['__proto__', 'b']);
});
