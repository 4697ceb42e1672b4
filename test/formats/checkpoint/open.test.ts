import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../../src/formats/checkpoint/checkpoint.ts';
import { folderIn, openFolder } from '../../../src/formats/checkpoint/folder.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import { readAll } from '../../../src/tensor/tensor.ts';
import { fixtures } from '../../golden-folders.ts';
import { fileBytes } from '../safetensors/files.ts';

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'vlm-'));
  folder = join(root, 'model');
  mkdirSync(folder);
});

function put(name: string, content: unknown, at = folder): void {
  const raw = typeof content === 'string' || content instanceof Uint8Array;
  writeFileSync(join(at, name), raw ? content : JSON.stringify(content));
}

/** A file with one-byte tensors, `{a: 1, b: 2}`. */
function weights(values: Record<string, number>): Uint8Array {
  const info = Object.keys(values).map((name, i) => [
    name,
    { dtype: 'U8', shape: [1], data_offsets: [i, i + 1] },
  ]);
  return fileBytes(JSON.stringify(Object.fromEntries(info)), Uint8Array.from(Object.values(values)));
}

async function opened<T>(use: (checkpoint: Checkpoint) => T | Promise<T>, path = folder): Promise<T> {
  const checkpoint = await openCheckpoint(path);
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

async function refusal(path = folder): Promise<VlmError> {
  const error = await openCheckpoint(path).catch((cause: unknown) => cause);
  if (!(error instanceof VlmError)) throw new Error(`no VlmError: ${String(error)}`);
  return error;
}

/** Every tensor's byte and file: `a=1 in model.safetensors`. */
async function contents(path = folder): Promise<string[]> {
  return opened(
    ({ tensors }) =>
      Promise.all(
        [...tensors].map(
          async ([name, { tensor, file }]) => `${name}=${(await readAll(tensor))[0]} in ${file}`,
        ),
      ),
    path,
  );
}

it('opens shards: the same tensors as the single file, each with its file', async () => {
  const at = (name: string) => join(fixtures, 'malformed/checkpoint', name);
  const read = (path: string) =>
    opened(async ({ tensors }) => {
      const files = new Set([...tensors.values()].map((entry) => entry.file));
      const bytes = await Promise.all([...tensors].sort().map(([, entry]) => readAll(entry.tensor)));
      return { names: [...tensors.keys()].sort(), files: [...files], bytes: Buffer.concat(bytes) };
    }, path);
  const single = await read(at('control'));
  const sharded = await read(at('control-sharded'));
  expect(single.files).toEqual(['model.safetensors']);
  expect(sharded.files).toEqual(['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']);
  expect(sharded.names).toEqual(single.names);
  expect(sharded.bytes.equals(single.bytes)).toBe(true);
});

it('holds config, side files and file names, and leaves out what it cannot use, with a reason', async () => {
  put('config.json', '{"model_type": "x", "a": 1, "a": 2}');
  put('model.safetensors', weights({ a: 1 }));
  put('tokenizer_config.json', { pad: 3 });
  put('broken.json', '{"a": ');
  put('notes.txt', 'text');
  mkdirSync(join(folder, 'sub.json'));
  symlinkSync('nowhere', join(folder, 'dangling.json'));
  await opened(({ name, config, json, files, problems }) => {
    expect(name).toBe('model');
    expect(config.a).toBe(2);
    expect([...json.keys()].sort()).toEqual(['config.json', 'tokenizer_config.json']);
    expect(json.get('tokenizer_config.json')).toEqual({ pad: 3 });
    expect(files).toEqual([
      'broken.json',
      'config.json',
      'model.safetensors',
      'notes.txt',
      'tokenizer_config.json',
    ]);
    expect(problems.map(({ code, where, found }) => [code, where, found])).toEqual([
      ['VC1114', 'config.json', '"a"'],
      ['VC1115', 'broken.json', 'line 1, column 7: it ends before its value'],
    ]);
  });
});

it('closes its files', async () => {
  put('config.json', {});
  put('model.safetensors', weights({ a: 1 }));
  const checkpoint = await openCheckpoint(folder);
  await checkpoint.close();
  const tensor = checkpoint.tensors.get('a')?.tensor;
  await expect(tensor && readAll(tensor)).rejects.toThrow();
});

describe('folders', () => {
  it('that are missing, files, or without a usable config', async () => {
    expect((await refusal(join(folder, 'no'))).code).toBe('VC1101');
    put('file', 'text');
    expect((await refusal(join(folder, 'file'))).code).toBe('VC1102');
    put('adapter_config.json', {});
    expect((await refusal()).message).toContain('this is an adapter');
    put('config.json', ' \n');
    expect((await refusal()).code).toBe('VC1111');
    put('config.json', '[1]');
    expect((await refusal()).message).toMatch(/VC1113.*an array/s);
    put('config.json', 'null');
    expect((await refusal()).code).toBe('VC1113');
    put('config.json', new Uint8Array([0x7b, 0xff]));
    expect((await refusal()).message).toMatch(/VC1112.*not UTF-8/s);
  });

  it('where config.json is a directory', async () => {
    mkdirSync(join(folder, 'config.json'));
    expect((await refusal()).code).toBe('VC1013');
  });
});

describe('weights', () => {
  beforeEach(() => put('config.json', {}));

  it('in one file of another name', async () => {
    put('eva_vit_g.safetensors', weights({ a: 1 }));
    expect(await contents()).toEqual(['a=1 in eva_vit_g.safetensors']);
  });

  it('in several files without an index, where names differ', async () => {
    put('tower.safetensors', weights({ a: 1 }));
    put('adapter.safetensors', weights({ b: 2 }));
    expect(await contents()).toEqual(['b=2 in adapter.safetensors', 'a=1 in tower.safetensors']);
    put('more.safetensors', weights({ a: 3 }));
    expect((await refusal()).message).toMatch(/VC1125.*more.safetensors and in tower.safetensors/s);
  });

  it('in one file beside shards: the one file counts, as transformers has it', async () => {
    put('model.safetensors', weights({ a: 1 }));
    put('model.safetensors.index.json', { weight_map: { a: 'gone.safetensors' } });
    expect(await contents()).toEqual(['a=1 in model.safetensors']);
  });

  it('with shards that the numbers in their names miss', async () => {
    put('w-00002-of-00003.safetensors', weights({ a: 1 }));
    put('w-00003-of-00003.safetensors', weights({ b: 1 }));
    expect((await refusal()).message).toMatch(/VC1123.*1 of 3 missing: "w-00001-of-00003.safetensors"/s);
    put('w-00001-of-00003.safetensors', weights({ c: 1 }));
    expect(await contents()).toHaveLength(3);
  });

  it('in pickles only: says how to convert, and opens none', async () => {
    put('pytorch_model.bin', 'never read');
    const error = await refusal();
    expect(error.code).toBe('VC1131');
    expect(error.message).toContain('torch.load("pytorch_model.bin"');
    expect(error.message).toContain('"pytorch_model.safetensors")');
  });

  it('in formats that are not read', async () => {
    put('model-Q4.gguf', 'GGUF');
    put('training_args.bin', 'x');
    expect((await refusal()).message).toMatch(/VC1130.*model-Q4.gguf/s);
  });

  it('that an index names beyond what is listed: kept, with a warning', async () => {
    put('s.safetensors', weights({ a: 1, extra: 2 }));
    put('model.safetensors.index.json', { weight_map: { a: 's.safetensors' } });
    await opened(({ problems, tensors }) => {
      expect([...tensors.keys()]).toEqual(['a', 'extra']);
      expect(problems.map(({ code, found }) => [code, found])).toEqual([['VC1126', '"extra"']]);
    });
  });

  it('that an index puts in another shard than they are', async () => {
    put('1.safetensors', weights({ a: 1 }));
    put('2.safetensors', weights({ b: 1 }));
    put('model.safetensors.index.json', { weight_map: { a: '2.safetensors', b: '1.safetensors' } });
    expect((await refusal()).message).toMatch(/VC1124.*it is in 1.safetensors.*in 2.safetensors/s);
  });

  it('that an index lists twice', async () => {
    put('1.safetensors', weights({ a: 1 }));
    put('model.safetensors.index.json', '{"weight_map": {"a": "1.safetensors", "a": "2.safetensors"}}');
    expect((await refusal()).message).toMatch(/VC1120.*"a" appears twice/s);
  });

  it.each([
    '../model.safetensors',
    '/etc/hostname',
    'sub/model.safetensors',
    '..',
    '.',
    '',
    'a\0b',
    '..\\model.safetensors',
    'C:model.safetensors',
    'C:\\model.safetensors',
  ])('that an index names by a path: %j', async (name) => {
    put('model.safetensors.index.json', { weight_map: { a: name } });
    expect((await refusal()).code).toBe('VC1122');
  });

  it('of an index without any', async () => {
    put('model.safetensors.index.json', { weight_map: {} });
    expect((await refusal()).code).toBe('VC1121');
    put('model.safetensors.index.json', []);
    expect((await refusal()).code).toBe('VC1121');
  });
});

describe('symbolic links', () => {
  beforeEach(() => {
    put('config.json', {});
    put('outside.safetensors', weights({ secret: 1 }), root);
  });

  it('are followed inside the folder', async () => {
    mkdirSync(join(folder, 'data'));
    put('data/w', weights({ a: 1 }));
    symlinkSync('data/w', join(folder, 'model.safetensors'));
    expect(await contents()).toEqual(['a=1 in model.safetensors']);
  });

  it('are refused where they lead out, by any way', async () => {
    symlinkSync('../outside.safetensors', join(folder, 'hop'));
    symlinkSync('hop', join(folder, 'model.safetensors'));
    const error = await refusal();
    expect(error.code).toBe('VC1105');
    expect(error.message).toContain('outside.safetensors');
  });

  it('are refused where a folder of a similar name holds the target', async () => {
    mkdirSync(`${folder}-2`);
    put('w.safetensors', weights({ a: 1 }), `${folder}-2`);
    symlinkSync('../model-2/w.safetensors', join(folder, 'model.safetensors'));
    expect((await refusal()).code).toBe('VC1105');
  });

  it('that go in a circle or nowhere are unusable files', async () => {
    symlinkSync('model.safetensors', join(folder, 'model.safetensors'));
    expect((await refusal()).message).toMatch(/VC1104.*ELOOP/s);
  });

  it('to side files outside are not followed and not listed', async () => {
    put('model.safetensors', weights({ a: 1 }));
    put('secret.json', { secret: 1 }, root);
    symlinkSync('../secret.json', join(folder, 'side.json'));
    await opened(({ json, files }) => {
      expect([...json.keys()]).toEqual(['config.json']);
      expect(files).not.toContain('side.json');
    });
  });

  it('are followed from a snapshot of a Hugging Face cache into its own blobs, and no further', async () => {
    const repo = join(root, 'models--someone--some-model');
    const snapshot = join(repo, 'snapshots', 'abc123');
    mkdirSync(join(repo, 'blobs'), { recursive: true });
    mkdirSync(snapshot, { recursive: true });
    put('c0', {}, join(repo, 'blobs'));
    put('w0', weights({ a: 1 }), join(repo, 'blobs'));
    symlinkSync('../../blobs/c0', join(snapshot, 'config.json'));
    symlinkSync('../../blobs/w0', join(snapshot, 'model.safetensors'));
    expect(await contents(snapshot)).toEqual(['a=1 in model.safetensors']);
    await opened(({ name, files }) => {
      expect(name).toBe('some-model');
      expect(files).toEqual(['config.json', 'model.safetensors']);
    }, snapshot);
    expect((await refusal(repo)).message).toContain('snapshots/<revision>');

    const other = join(repo, 'snapshots', 'def456');
    mkdirSync(other);
    symlinkSync('../../blobs/c0', join(other, 'config.json'));
    symlinkSync('../../../outside.safetensors', join(other, 'model.safetensors'));
    expect((await refusal(other)).code).toBe('VC1105');
  });

  it('are followed from folders of a snapshot, too', async () => {
    const repo = join(root, 'models--someone--in-parts');
    const part = join(repo, 'snapshots', 'abc123', 'llm');
    mkdirSync(join(repo, 'blobs'), { recursive: true });
    mkdirSync(part, { recursive: true });
    put('c0', {}, join(repo, 'blobs'));
    put('w0', weights({ a: 1 }), join(repo, 'blobs'));
    symlinkSync('../../../blobs/c0', join(part, 'config.json'));
    symlinkSync('../../../blobs/w0', join(part, 'model.safetensors'));
    expect(await contents(part)).toEqual(['a=1 in model.safetensors']);
  });
});

describe('folders in a folder', () => {
  it('are found by name, and refused where they lead out', async () => {
    mkdirSync(join(folder, 'llm'));
    mkdirSync(join(root, 'elsewhere'));
    symlinkSync('../elsewhere', join(folder, 'vision_tower'));
    put('mm_projector', 'a file');
    const opened = await openFolder(folder);
    expect(folderIn(opened, 'llm')).toBe(join(folder, 'llm'));
    expect(folderIn(opened, 'mm_projector')).toBeUndefined();
    expect(folderIn(opened, '..')).toBeUndefined();
    expect(() => folderIn(opened, 'vision_tower')).toThrow('VC1105');
  });
});

describe('a folder without weights', () => {
  it('has none where they may be lacking, and is refused where not', async () => {
    put('config.json', {});
    const checkpoint = await openCheckpoint(folder, { mayLackWeights: true });
    expect(checkpoint.tensors.size).toBe(0);
    await checkpoint.close();
    expect((await refusal()).code).toBe('VC1130');
    put('model.pth', 'x');
    expect((await refusal()).code).toBe('VC1131');
  });

  it('is called an output where it is one, also where weights may be lacking', async () => {
    put('config.json', {});
    put('vlm-convert.json', {});
    await expect(openCheckpoint(folder, { mayLackWeights: true })).rejects.toThrow(
      /VC1130.*output of a conversion/s,
    );
    put('model.safetensors', weights({ a: 1 }));
    expect(await contents()).toEqual(['a=1 in model.safetensors']);
  });
});
