/** Outputs checked again: the same report, and a refusal of everything that is not what was written. */
import { cp, mkdtemp, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConvertOptions, convert, type Manifest, quantize, recheck } from '../../src/index.ts';
import { resolveOptions } from '../../src/pipeline/options.ts';
import { optionsJson } from '../../src/pipeline/plan.ts';
import { storedOptions } from '../../src/pipeline/stored-options.ts';
import { goldenCase } from '../support/golden-cases.ts';

/** Small, with a position table that is resized for another size than its own. */
const golden = goldenCase('llava/hf-tiny');
const options = { resolution: { width: 42, height: 56 }, precision: 'int4', blockSize: 16 } as const;

let folder = '';
let checkpoint = '';
/** Converted once; tests change copies. */
let made = '';
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-recheck-'));
  checkpoint = join(folder, 'checkpoint');
  await cp(golden.checkpoint, checkpoint, { recursive: true });
  made = await output(options);
});
afterAll(() => rm(folder, { recursive: true }));

async function output(given: Partial<ConvertOptions>): Promise<string> {
  count += 1;
  const { output: path } = await convert({ checkpoint, output: join(folder, `out-${count}`), ...given });
  return path;
}

async function copy(): Promise<string> {
  count += 1;
  const path = join(folder, `out-${count}`);
  await cp(made, path, { recursive: true });
  return path;
}

const manifestOf = async (path: string) =>
  JSON.parse(await readFile(join(path, 'vlm-convert.json'), 'utf8')) as Manifest;

async function editManifest(path: string, edit: (manifest: Record<string, unknown>) => void): Promise<void> {
  const manifest = { ...(await manifestOf(path)) } as unknown as Record<string, unknown>;
  edit(manifest);
  await writeFile(join(path, 'vlm-convert.json'), JSON.stringify(manifest));
}

/** Bytes of all files, by path. */
async function contents(path: string): Promise<Map<string, string>> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = await Promise.all(
    files.map(
      async (file) => [file.slice(path.length + 1), (await readFile(file)).toString('base64')] as const,
    ),
  );
  return new Map(read.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const failure = async (path: string, own: object = {}): Promise<unknown> => {
  try {
    await recheck({ output: path, checkpoint, ...own });
  } catch (error) {
    return (error as { record?: unknown }).record ?? error;
  }
  throw new Error('nothing was thrown');
};

describe('an output that is what was written', () => {
  it('gets the report again, to the byte, and nothing beside it', async () => {
    const path = await copy();
    const before = await contents(path);
    await writeFile(join(path, 'parity-report.md'), 'damaged: a report is made anew, not trusted');
    const result = await recheck({ output: path, checkpoint });
    expect(result.passed).toBe(true);
    expect(result.parity.gates.length).toBeGreaterThan(10);
    expect(await contents(path)).toEqual(before);
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is left alone when the report goes elsewhere', async () => {
    const path = await copy();
    const before = await contents(path);
    const report = join(folder, 'reports', 'fresh');
    const result = await recheck({ output: path, checkpoint, report });
    expect(result.output).toBe(report);
    expect(await contents(path)).toEqual(before);
    const fresh = await contents(report);
    expect([...fresh.keys()]).toEqual([...before.keys()].filter((name) => name.startsWith('parity-report')));
    for (const [name, bytes] of fresh) expect(bytes).toBe(before.get(name));
  });

  it('fails by a gate that is given now, and the manifest says so', async () => {
    const path = await copy();
    const result = await recheck({ output: path, checkpoint, gate: { 'features.relative': 1e-9 } });
    expect(result.failure).toMatchObject({
      code: 'VC6201',
      where: expect.stringContaining('features.relative'),
    });
    const manifest = await manifestOf(path);
    expect(manifest.parity).toBe('failed');
    // The reports that it lists are the fresh ones: it is whole for the next time, and passes again.
    expect((await recheck({ output: path, checkpoint })).passed).toBe(true);
    expect((await manifestOf(path)).parity).toBe('passed');
    expect(await contents(path)).toEqual(await contents(made));
  });

  it('gets its first report when it was written without one', async () => {
    const path = await output({ ...options, parity: false });
    expect((await manifestOf(path)).parity).toBe('not run');
    await recheck({ output: path, checkpoint });
    const { parity, files } = await manifestOf(path);
    expect(parity).toBe('passed');
    expect(files.filter((file) => file.path.startsWith('parity-report')).length).toBeGreaterThanOrEqual(2);
  });

  it.each([
    ['int8, passes as text', { passes: 'fold,dead-code,int8{block=32}', resolution: options.resolution }],
    ['fp16 with float16 borders', { precision: 'fp16', ioDtype: 'float16' }],
  ] as const)('is rebuilt from whatever options: %s', async (_, given) => {
    const path = await output({ ...given, parity: false });
    expect((await recheck({ output: path, checkpoint })).parity.gates.length).toBeGreaterThan(10);
  });
});

it('is rebuilt with its links to the checkpoint', async () => {
  const half = join(folder, 'half');
  await cp(goldenCase('llava/hf-variants-70x56').checkpoint, half, { recursive: true });
  const path = await output({
    checkpoint: half,
    precision: 'fp16',
    linkWeights: true,
    parity: false,
  });
  expect((await manifestOf(path)).files.some(({ link }) => link === true)).toBe(true);
  expect((await recheck({ output: path, checkpoint: half })).passed).toBe(true);
});

describe('an output that is not what was written', () => {
  const weights = 'onnx/decoder_model_merged.onnx_data';

  it('is refused, and the file is named: one bit of a weight', async () => {
    const path = await copy();
    const file = join(path, weights);
    const bytes = await readFile(file);
    bytes[4097] = (bytes[4097] ?? 0) ^ 1;
    await writeFile(file, bytes);
    expect(await failure(path)).toMatchObject({
      code: 'VC5111',
      where: weights,
      found: expect.stringMatching(/^SHA-256/),
    });
  });

  it.each([
    ['a missing file', weights, (file: string) => rm(file), /does not exist/],
    ['a file cut off', weights, (file: string) => truncate(file, 100), /^100 B$/],
    ['a side file edited', 'config.json', (file: string) => writeFile(file, '{}'), /^2 B$/],
    [
      'a link in place of a file',
      'config.json',
      async (file: string) => {
        await rename(file, `${file}.away`);
        await symlink(`${file}.away`, file);
      },
      /a link/,
    ],
  ] as const)('is refused, and the file is named: %s', async (_, name, damage, found) => {
    const path = await copy();
    await damage(join(path, name));
    expect(await failure(path)).toMatchObject({
      code: 'VC5111',
      where: expect.stringContaining(name),
      found: expect.stringMatching(found),
    });
  });

  it('is refused when its manifest leads out of it', async () => {
    const path = await copy();
    await editManifest(path, (manifest) => {
      manifest.files = [{ path: '../checkpoint/config.json', bytes: 1, sha256: '' }];
    });
    expect(await failure(path)).toMatchObject({ code: 'VC5111', found: 'a path that leads out of it' });
  });

  it('is refused when its options are not those that made it, or none at all', async () => {
    const other = await copy();
    await editManifest(other, (manifest) => {
      manifest.options = { ...(manifest.options as object), blockSize: 32 };
    });
    expect(await failure(other)).toMatchObject({ code: 'VC5112', where: expect.stringMatching(/^onnx\//) });
    for (const wrong of [
      { tiling: 'round' },
      { future: true },
      { precision: { vision: 'int2' } },
      { resolution: 448 },
    ]) {
      const path = await copy();
      await editManifest(path, (manifest) => {
        manifest.options = { ...(manifest.options as object), ...wrong };
      });
      const [key] = Object.keys(wrong);
      expect(await failure(path)).toMatchObject({
        code: 'VC4011',
        where: `vlm-convert.json: options.${key}`,
      });
    }
  });

  it('is refused when it is no output, or one of quantize', async () => {
    expect(await failure(join(folder, 'nothing'))).toMatchObject({ code: 'VC4011' });
    expect(await failure(checkpoint)).toMatchObject({ code: 'VC4011' });
    for (const key of ['inputs', 'files']) {
      const path = await copy();
      await editManifest(path, (manifest) => {
        manifest[key] = key === 'files' ? [{ path: 'config.json' }] : {};
      });
      expect(await failure(path)).toMatchObject({
        code: 'VC4011',
        found: expect.stringContaining('not whole'),
      });
    }
    const quantized = join(folder, 'quantized');
    await quantize({ model: join(made, 'onnx/embed_tokens.onnx'), output: quantized, precision: 'fp16' });
    expect(await failure(quantized)).toMatchObject({
      code: 'VC4011',
      hint: expect.stringContaining('compare'),
    });
  });
});

describe('another checkpoint', () => {
  it('is refused by its config and headers', async () => {
    const other = goldenCase('llava/hf-variants-70x56').checkpoint;
    expect(await failure(made, { checkpoint: other })).toMatchObject({ code: 'VC1132', where: other });
  });

  it('of the same structure is refused by its weights where the conversion hashed them', async () => {
    const hashed = await output({ ...options, verifyInputs: true, parity: false });
    const other = join(folder, 'other');
    await cp(checkpoint, other, { recursive: true });
    const [name = ''] = (await readdir(other)).filter((file) => file.endsWith('.safetensors'));
    const file = join(other, name);
    const bytes = await readFile(file);
    const dataStart = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, dataStart)) as Record<
      string,
      { readonly data_offsets?: readonly [number, number] }
    >;
    const [matrix] = Object.keys(header).filter((key) => key.endsWith('layers.0.self_attn.q_proj.weight'));
    const [start] = header[matrix ?? '']?.data_offsets ?? [Number.NaN];
    // Numbers of about 3 in place of the first weights of a matrix.
    bytes.fill(0x40, dataStart + start, dataStart + start + 64);
    await writeFile(file, bytes);
    expect(await failure(hashed, { checkpoint: other })).toMatchObject({ code: 'VC1133', where: name });
    // Without digests the small tensors that stand in the model files tell, and the numbers else.
    expect(await failure(made, { checkpoint: other })).toMatchObject({ code: 'VC5112' });
  });
});

it('reads every option of a manifest back', () => {
  const given: ConvertOptions = {
    checkpoint: 'c',
    resolution: { width: 42, height: 56 },
    tiling: 'crop',
    lora: 'factored',
    format: 'transformers.js',
    loraTiles: 'base',
    precision: { vision: 'fp16', decoder: 'int4' },
    blockSize: 64,
    symmetric: true,
    quantizeEmbeddings: false,
    ioDtype: 'float16',
    passes: { vision: 'dead-code' },
    allowNonfinite: true,
  };
  const { checkpoint: _, ...graphs } = given;
  expect(storedOptions(optionsJson(resolveOptions(given)))).toEqual({ ...graphs, linkWeights: false });
});
