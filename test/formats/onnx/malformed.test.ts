import { existsSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onnx } from 'onnx-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '../../../src/formats/onnx/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import { malformedCases } from '../../golden-folders.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-malformed-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The code of the error that opening gives, or `accepted`. Any other error is a crash and fails the test. */
async function verdict(path: string): Promise<string> {
  try {
    const { close } = await openModel(path);
    await close();
    return 'accepted';
  } catch (error) {
    if (error instanceof VlmError) return error.code;
    throw error;
  }
}

/** What decoding must refuse, by the start of the name; the rest is for the verifier. */
const codes: Readonly<Record<string, string>> = {
  'a-directory': 'VC2001',
  empty: 'VC2002',
  'lfs-pointer': 'VC2002',
  'zip-renamed': 'VC2002',
  'pickle-renamed': 'VC2002',
  'json-renamed': 'VC2002',
  random: 'VC2003',
  truncated: 'VC2003',
  varint: 'VC2003',
  'length-': 'VC2003',
  'inner-length': 'VC2003',
  'wire-type': 'VC2003',
  'field-number': 'VC2003',
  group: 'VC2003',
  'trailing-garbage': 'VC2003',
  'graph-as-varint': 'VC2004',
  'graph-missing': 'VC2004',
  'graph-ir-future': 'VC2005',
  'if-10000-deep': 'VC2006',
  'tensor-dtype': 'VC2101',
  'tensor-dims-huge': 'VC2103',
  'tensor-dims': 'VC2102',
  'tensor-raw-and-float': 'VC2104',
  'tensor-string-in-raw': 'VC2104',
  'tensor-name-missing': 'VC2305',
  'tensor-segment': 'accepted',
  'tensor-': 'VC2103',
  'sparse-': 'VC2107',
  'ext-no-location': 'VC2201',
  'ext-missing-file': 'VC2203',
  'ext-location-is-folder': 'VC2203',
  'ext-negative-offset': 'VC2204',
  'ext-offset': 'VC2204',
  'ext-past-end': 'VC2205',
  'ext-length-mismatch': 'VC2205',
  'ext-file-short': 'VC2205',
  'ext-is-model-itself': 'VC2205',
  'ext-': 'VC2202',
  control: 'accepted',
  'graph-cycle': 'VC2302',
  'graph-unsorted': 'accepted',
  'graph-dangling-input': 'VC2302',
  'graph-output-never-made': 'VC2302',
  'graph-subgraph-value-used-outside': 'VC2302',
  'graph-value-twice': 'VC2301',
  'graph-overwrites-input': 'VC2301',
  'graph-subgraph-shadows': 'VC2301',
  'graph-attr-type-disagrees': 'VC2303',
};

const cases = malformedCases('onnx/').flatMap(({ name, path, wrong }) => {
  const base = name.slice('onnx/'.length);
  const key = Object.keys(codes).find((start) => base.startsWith(start));
  const code = key === undefined ? undefined : codes[key];
  // Where a copy of the cases lost its symbolic link there is nothing to refuse: the test below makes one.
  if (code === undefined || base.startsWith('ext-symlink') || !existsSync(path)) return [];
  return [{ name, path, code, wrong }];
});

describe('malformed files', () => {
  it('are there', () => {
    expect(cases.length).toBeGreaterThan(50);
  });

  it.each(cases)('$name ($wrong): $code', async ({ path, code }) => {
    expect(await verdict(path)).toBe(code);
  });
});

describe('links', () => {
  const weights = Buffer.alloc(16, 1);
  const model = (location: string): Uint8Array => {
    const proto = onnx.ModelProto.create({
      irVersion: 8,
      opsetImport: [{ domain: '', version: 17 }],
      graph: {
        name: 'g',
        initializer: [
          {
            name: 'w',
            dims: [4],
            dataType: 1,
            dataLocation: 1,
            externalData: [{ key: 'location', value: location }],
          },
        ],
      },
    });
    return onnx.ModelProto.encode(proto).finish();
  };

  it('to a file outside the folder are refused, inside followed', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'onnx-outside-'));
    await writeFile(join(outside, 'secret.bin'), weights);
    await writeFile(join(folder, 'real.bin'), weights);
    await symlink(join(outside, 'secret.bin'), join(folder, 'out.bin'));
    await symlink(outside, join(folder, 'way-out'));
    await symlink('real.bin', join(folder, 'in.bin'));
    const expected = {
      'out.bin': 'VC2202',
      'way-out/secret.bin': 'VC2202',
      'in.bin': 'accepted',
      './real.bin': 'accepted',
    };
    for (const [location, code] of Object.entries(expected)) {
      await writeFile(join(folder, 'model.onnx'), model(location));
      expect(await verdict(join(folder, 'model.onnx')), location).toBe(code);
    }
    await rm(outside, { recursive: true });
  });

  it('and every spelling of a way out are refused before anything is opened', async () => {
    for (const location of ['a/../../x', '..', 'C:x', 'c:/x', 'http://host/x', 'a\0b', '\\\\host\\x', '/x']) {
      await writeFile(join(folder, 'model.onnx'), model(location));
      expect(await verdict(join(folder, 'model.onnx')), location).toBe('VC2202');
    }
  });
});
