/** The built tool as a process of its own: start-up, exit codes, signals. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fixtures } from '../golden-folders.ts';

const repository = resolve(import.meta.dirname, '../..');
const monkey = join(fixtures, 'monkey/tiny-896/checkpoint');

/** A build of its own inside node_modules, so that dependencies are found and dist/ is left alone. */
let home = '';
let bin = '';
beforeAll(() => {
  const cache = join(repository, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  home = mkdtempSync(join(cache, 'vlm-convert-test-'));
  const tsc = join(repository, 'node_modules/.bin/tsc');
  execFileSync(tsc, ['-p', 'tsconfig.build.json', '--outDir', join(home, 'dist')], { cwd: repository });
  cpSync(join(repository, 'dist/kernels/kernels.wasm'), join(home, 'dist/kernels/kernels.wasm'));
  cpSync(join(repository, 'bin'), join(home, 'bin'), { recursive: true });
  cpSync(join(repository, 'package.json'), join(home, 'package.json'));
  bin = join(home, 'bin/vlm-convert.js');
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

let root = '';
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'vlm-process-')));
});
afterEach(() => rmSync(root, { recursive: true }));

function runBin(argv: readonly string[], env: Record<string, string> = {}) {
  return spawnSync(process.execPath, [bin, ...argv], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

/** The modules that a run loaded, as paths: V8 lists them in its coverage. */
function loadedBy(argv: readonly string[]): string[] {
  const coverage = join(root, 'coverage');
  const { status } = runBin(argv, { NODE_V8_COVERAGE: coverage });
  expect(status).toBe(0);
  return readdirSync(coverage).flatMap((file) => {
    const { result } = JSON.parse(readFileSync(join(coverage, file), 'utf8')) as {
      result: { url: string }[];
    };
    return result.flatMap(({ url }) =>
      url.startsWith(`file://${home}`) || url.includes('node_modules') ? [url] : [],
    );
  });
}

describe('start-up', () => {
  it.each(['--help', '--version'])('%s loads a handful of files and no dependency', (flag) => {
    const loaded = loadedBy([flag]).map((url) => url.replace(`file://${home}/`, ''));
    expect(loaded).toContain('dist/cli/main.js');
    expect(loaded.filter((url) => !/^(bin|dist)\//.test(url))).toEqual([]);
    // Those of the program, and the tables of options that --help prints.
    const tables = loaded.filter((url) => url.startsWith('dist/cli/table/'));
    expect(loaded.length - tables.length).toBeLessThanOrEqual(7);
  });

  it('prints the version of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(runBin(['--version']).stdout).toBe(`${version}\n`);
  });
});

describe('a process', () => {
  it('exits with the code of what went wrong, one message, and no stack unless asked', () => {
    const plain = runBin(['nowhere']);
    expect(plain.status).toBe(4);
    expect(plain.stderr).toMatch(/^error VC1101: /);
    expect(plain.stderr).not.toMatch(/^ +at /m);
    expect(runBin(['nowhere', '--debug']).stderr).toMatch(/^ +at /m);
  });

  it('converts', () => {
    const ran = runBin([monkey, 'out', '--no-parity', '--precision', 'fp16']);
    expect(ran.status).toBe(0);
    expect(existsSync(join(root, 'out/onnx/vision_encoder.onnx'))).toBe(true);
  });

  it('works on when whoever reads its text goes away', async () => {
    const child = spawn(process.execPath, [bin, monkey, 'out', '--no-parity'], { cwd: root });
    let err = '';
    child.stderr.on('data', (text: Buffer) => {
      err += text.toString();
    });
    const ended = new Promise<number | null>((done) => child.on('close', done));
    child.stdout.destroy();
    expect(await ended).toBe(0);
    expect(err).toBe('');
    expect(readdirSync(root)).toEqual(['out']);
  });

  it.runIf(existsSync('/dev/full'))('tells by its exit code that its text was lost', () => {
    const full = openSync('/dev/full', 'w');
    const lost = spawnSync(process.execPath, [bin, monkey, '--dry-run', '--json'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    expect(lost.status).toBe(5);
    expect(lost.stderr).not.toMatch(/^ +at /m);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'leaves no output after %s, and says so in one line',
    async (signal) => {
      const child = spawn(process.execPath, [bin, monkey, 'out', '--resolution', '1544x896'], { cwd: root });
      let err = '';
      child.stderr.on('data', (text: Buffer) => {
        err += text.toString();
      });
      const ended = new Promise<number | null>((done) => child.on('close', done));
      const work = join(root, '.out.vlm-convert');
      while (!existsSync(join(work, 'lock')) && child.exitCode === null) await sleep(5);
      expect(readdirSync(root)).toEqual(['.out.vlm-convert']);
      child.kill(signal);
      expect(await ended).toBe(130);
      expect(err.split('\n').filter((line) => line.startsWith('error'))).toEqual([
        'error VC5190: interrupted; nothing was written under the name of the output',
      ]);
      // What was finished stays for --resume; nobody works in it any more.
      expect(readdirSync(root).filter((name) => name !== '.out.vlm-convert')).toEqual([]);
      expect(existsSync(join(work, 'lock'))).toBe(false);
    },
  );
});
