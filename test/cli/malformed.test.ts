/** Every malformed file is refused with a code by `inspect` and by the conversion; every control is accepted. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { architectures } from '../../src/architectures/registry.ts';
import { fixtures, malformedCases } from '../golden-folders.ts';
import { type Ran, runMain } from './run-main.ts';

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'vlm-malformed-'));
});
afterAll(() => rmSync(root, { recursive: true }));

/** Refused for what it is: an input error with a code of the formats' ranges, in one message. */
function expectRefusal(ran: Ran): string {
  const [, code = 'none'] = /^error (VC[123]\d{3}): /m.exec(ran.err) ?? [];
  expect(ran).toMatchObject({ code: 4 });
  expect(code).not.toBe('none');
  expect(ran.err).not.toMatch(/^ +at /m);
  return code;
}

/** A family that knows the checkpoint is registered. */
function known(folder: string): boolean {
  try {
    const { model_type } = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as {
      model_type: string;
    };
    return architectures.some(({ modelTypes }) => modelTypes.includes(model_type));
  } catch {
    return false;
  }
}

describe('safetensors files', () => {
  it.each(malformedCases('safetensors/'))('$name: $wrong', async ({ name, path, must }) => {
    const inspected = await runMain(['inspect', path]);
    if (must === 'accept') {
      expect(inspected).toMatchObject({ code: 0, err: '' });
      return;
    }
    const code = expectRefusal(inspected);
    // The conversion meets the file as the weights of a checkpoint.
    const checkpoint = join(root, name.replaceAll('/', '-'));
    cpSync(join(fixtures, 'monkey/tiny-896/checkpoint/config.json'), join(checkpoint, 'config.json'));
    const weights = join(checkpoint, 'model.safetensors');
    if (statSync(path).isDirectory()) cpSync(path, weights, { recursive: true });
    else copyFileSync(path, weights);
    const out = join(root, 'out');
    expect(expectRefusal(await runMain([checkpoint, out, '--no-parity']))).toBe(code);
    expect(existsSync(out)).toBe(false);
  });
});

describe('checkpoint folders', () => {
  it.each(malformedCases('checkpoint/'))('$name: $wrong', async ({ path, must }) => {
    const inspected = await runMain(['inspect', path]);
    const out = join(root, 'out');
    const converted = await runMain([path, out, '--dry-run']);
    if (must === 'accept' && known(path)) {
      expect(inspected.code).toBe(0);
      expect(converted.code).toBe(0);
    } else if (must === 'accept') {
      // A sound checkpoint of a family that is not there yet: read, listed, and named as unknown.
      expect(expectRefusal(inspected)).toBe('VC1231');
      expect(inspected.out).toContain('Tensors');
    } else {
      expect(expectRefusal(converted)).toBe(expectRefusal(inspected));
      expect(existsSync(out)).toBe(false);
    }
  });
});

describe('onnx files', () => {
  // What readers may do as they like is left out.
  const decided = malformedCases('onnx/').filter(({ must }) => must === 'accept' || must === 'reject');
  it.each(decided)('$name: $wrong', async ({ name, path, must }) => {
    const inspected = await runMain(['inspect', name.includes('symlink') ? withLink(path) : path]);
    if (must === 'accept') expect(inspected).toMatchObject({ code: 0, err: '' });
    else expectRefusal(inspected);
  });
});

describe('all of them in one process', () => {
  /** Reads what each path is, and prints how much memory that took at most. */
  const reader = `
    const { inspect } = await import(${JSON.stringify(pathToFileURL(resolve('dist/index.js')).href)});
    const codes = [];
    for (const path of process.argv.slice(1)) {
      const refused = (error) => ({ problems: [{ code: error.code ?? String(error), severity: 'error' }] });
      const { problems } = await inspect(path).catch(refused);
      codes.push(problems.find(({ severity }) => severity === 'error')?.code ?? 'accepted');
    }
    console.log(JSON.stringify({ codes, bytes: process.resourceUsage().maxRSS * 1024 }));
  `;

  it('take less memory than one may', () => {
    const cases = malformedCases('').filter(({ path }) => existsSync(path));
    const paths = cases.map(({ path }) => path);
    const text = execFileSync(process.execPath, ['--input-type=module', '-e', reader, '--', ...paths], {
      encoding: 'utf8',
    });
    const { codes, bytes } = JSON.parse(text) as { codes: string[]; bytes: number };
    expect(codes.filter((code) => !/^(accepted|VC\d{4})$/.test(code))).toEqual([]);
    expect(codes.length).toBeGreaterThan(60);
    expect(bytes).toBeLessThan(200 * 2 ** 20);
  });
});

/** The case with its data file as the link that it describes: links do not survive every way of copying. */
function withLink(model: string): string {
  const folder = join(root, 'linked/model');
  const data = join(root, 'linked/w.bin');
  mkdirSync(folder, { recursive: true });
  copyFileSync(model, join(folder, 'model.onnx'));
  copyFileSync(join(dirname(model), 'w.bin'), data);
  rmSync(join(folder, 'w.bin'), { force: true });
  symlinkSync(data, join(folder, 'w.bin'));
  return join(folder, 'model.onnx');
}
