import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkRoom, chooseOutput, outputPath } from '../../src/pipeline/output-folder.ts';
import { openWorkFolder } from '../../src/pipeline/work-folder.ts';
import { VlmError } from '../../src/report/diagnostics.ts';

/** A rename that the disk refuses: the one from `from`. */
const failing = vi.hoisted(() => ({ from: '', met: 0 }));
/** A folder in which nothing can be made, as in /proc: mkdir says ENOENT there though the folder exists. */
const refusing = vi.hoisted(() => ({ below: '', calls: [] as string[] }));
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  return {
    ...fs,
    mkdir: (path: string, options?: object) => {
      if (refusing.below === '') return fs.mkdir(path, options);
      refusing.calls.push(path);
      if (options !== undefined) throw new Error('a recursive mkdir would not end here');
      if (path === refusing.below) return fs.mkdir(path);
      return Promise.reject(Object.assign(new Error('refused'), { code: 'ENOENT' }));
    },
    rename: (from: string, to: string) => {
      if (from !== failing.from) return fs.rename(from, to);
      failing.met += 1;
      return Promise.reject(Object.assign(new Error('refused'), { code: 'EIO' }));
    },
  };
});

let root = '';
let checkpoint = '';
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'vlm-output-')));
  checkpoint = join(root, 'model');
  mkdirSync(checkpoint);
});
afterEach(() => rmSync(root, { recursive: true }));

async function codeOf(body: Promise<unknown>): Promise<string> {
  try {
    await body;
  } catch (error) {
    if (error instanceof VlmError) return error.code;
    throw error;
  }
  return 'none';
}

/** An earlier output with the files given. */
function earlierOutput(path: string, files: readonly string[], extra: readonly string[] = []): void {
  mkdirSync(join(path, 'onnx'), { recursive: true });
  for (const file of [...files, ...extra]) writeFileSync(join(path, file), file);
  const manifest = {
    tool: 'vlm-convert',
    schema: 1,
    files: files.map((file) => ({ path: file, bytes: 1, sha256: '' })),
  };
  writeFileSync(join(path, 'vlm-convert.json'), JSON.stringify(manifest));
}

describe('where an output may stand', () => {
  it('is beside the current folder unless told otherwise', () => {
    expect(outputPath(undefined, 'Monkey', '/home/me/work')).toBe('/home/me/Monkey-onnx');
    expect(outputPath('out', 'Monkey', '/home/me/work')).toBe('/home/me/work/out');
    expect(outputPath('/out', 'Monkey', '/home/me/work')).toBe('/out');
  });

  it('takes a name that is free', async () => {
    const place = await chooseOutput(join(root, 'out'), [checkpoint], false);
    expect(place.replaces).toBe(false);
    expect(readdirSync(root)).toEqual(['model']);
  });

  it('refuses what is not an earlier output, unless forced', async () => {
    const out = join(root, 'out');
    mkdirSync(out);
    expect(await codeOf(chooseOutput(out, [checkpoint], false))).toBe('VC5101');
    writeFileSync(join(out, 'vlm-convert.json'), '{"tool":"another"}');
    expect(await codeOf(chooseOutput(out, [checkpoint], false))).toBe('VC5101');
    expect((await chooseOutput(out, [checkpoint], true)).replaces).toBe(true);
  });

  it('refuses a file and a link, unless forced', async () => {
    writeFileSync(join(root, 'file'), '');
    symlinkSync(checkpoint, join(root, 'link'));
    expect(await codeOf(chooseOutput(join(root, 'file'), [checkpoint], false))).toBe('VC5101');
    expect(await codeOf(chooseOutput(join(root, 'link'), [checkpoint], false))).toBe('VC5101');
  });

  it('takes an earlier output, but not with files of the user in it', async () => {
    const out = join(root, 'out');
    earlierOutput(out, ['onnx/a.onnx', 'config.json']);
    expect((await chooseOutput(out, [checkpoint], false)).replaces).toBe(true);
    writeFileSync(join(out, 'onnx/notes.txt'), '');
    expect(await codeOf(chooseOutput(out, [checkpoint], false))).toBe('VC5106');
    expect((await chooseOutput(out, [checkpoint], true)).replaces).toBe(true);
  });

  it.each([false, true])('never lies in the checkpoint or around it (force %s)', async (force) => {
    expect(await codeOf(chooseOutput(checkpoint, [checkpoint], force))).toBe('VC5102');
    expect(await codeOf(chooseOutput(join(checkpoint, 'a/b'), [checkpoint], force))).toBe('VC5102');
    expect(await codeOf(chooseOutput(root, [checkpoint], force))).toBe('VC5102');
    symlinkSync(checkpoint, join(root, 'alias'));
    expect(await codeOf(chooseOutput(join(root, 'alias/out'), [checkpoint], force))).toBe('VC5102');
  });

  it('is not the folder that one stands in', async () => {
    expect(await codeOf(chooseOutput(process.cwd(), [checkpoint], true))).toBe('VC5102');
  });

  it('is not below a file', async () => {
    writeFileSync(join(root, 'file'), '');
    expect(await codeOf(chooseOutput(join(root, 'file/out'), [checkpoint], false))).toBe('VC5103');
  });

  it('is never a device, a pipe or a socket, --force or not', async () => {
    const server = createServer().listen(join(root, 'socket'));
    try {
      await once(server, 'listening');
      for (const force of [false, true]) {
        expect(await codeOf(chooseOutput(join(root, 'socket'), [checkpoint], force))).toBe('VC5103');
      }
    } finally {
      server.close();
    }
  });

  it('needs its bytes on the disk', async () => {
    await checkRoom(join(root, 'out'), 1);
    expect(await codeOf(checkRoom(join(root, 'a/b/out'), Number.MAX_SAFE_INTEGER))).toBe('VC5104');
  });
});

describe('the work folder', () => {
  it('shows the output only when it is sealed, and leaves nothing else', async () => {
    const out = join(root, 'out');
    const work = await openWorkFolder(await chooseOutput(out, [checkpoint], false));
    writeFileSync(join(work.output, 'a'), 'new');
    writeFileSync(join(work.scratch, 'b'), 'scratch');
    expect(existsSync(out)).toBe(false);
    await work.seal();
    await work.leave('remove');
    expect(readFileSync(join(out, 'a'), 'utf8')).toBe('new');
    expect(readdirSync(root).sort()).toEqual(['model', 'out']);
  });

  it('replaces an earlier output whole', async () => {
    const out = join(root, 'out');
    earlierOutput(out, ['onnx/a.onnx']);
    const work = await openWorkFolder(await chooseOutput(out, [checkpoint], false));
    writeFileSync(join(work.output, 'b'), '');
    await work.seal();
    await work.leave('keep');
    expect(readdirSync(out)).toEqual(['b']);
    expect(readdirSync(root).sort()).toEqual(['model', 'out']);
  });

  it('leaves the earlier output as it was when the new one cannot take its name', async () => {
    const out = join(root, 'out');
    earlierOutput(out, ['onnx/a.onnx']);
    const work = await openWorkFolder(await chooseOutput(out, [checkpoint], false));
    failing.from = work.output;
    expect(await codeOf(work.seal())).toBe('VC5103');
    expect(failing.met).toBe(1);
    await work.leave('remove');
    expect(readFileSync(join(out, 'onnx/a.onnx'), 'utf8')).toBe('onnx/a.onnx');
    expect(readdirSync(root).sort()).toEqual(['model', 'out']);
  });

  it('ends with a reason where a folder exists in which nothing can be made', async () => {
    refusing.below = join(root, 'a');
    try {
      const place = await chooseOutput(join(root, 'a/b/out'), [checkpoint], false);
      await expect(openWorkFolder(place)).rejects.toMatchObject({
        code: 'VC5103',
        record: { found: 'it does not exist (ENOENT)' },
      });
    } finally {
      refusing.below = '';
    }
    expect(refusing.calls).toEqual([join(root, 'a'), join(root, 'a/b')]);
    expect(readdirSync(root)).toEqual(['model']);
  });

  it('removes the parents that it made when there is no output in the end', async () => {
    const work = await openWorkFolder(await chooseOutput(join(root, 'a/b/out'), [checkpoint], false));
    expect(existsSync(join(root, 'a/b'))).toBe(true);
    await work.leave('remove');
    expect(readdirSync(root)).toEqual(['model']);
  });
});
