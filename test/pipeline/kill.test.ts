/**
 * Runs of the built tool that end early: killed at many points, on a full disk, with inputs that change. Nothing
 * ever stands under the output's name, and --resume ends with the bytes of a run that was not disturbed.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PlanFile } from '../../src/pipeline/resume.ts';
import { fixtures } from '../golden-folders.ts';
import { enlargeVocabulary } from '../support/large-checkpoint.ts';
import { random } from '../tensor/derived/samples.ts';

/** Of what starts the tool many times, on a machine with other work. */
const slow = 600_000;
const faults = resolve(import.meta.dirname, '../support/faults.js');
const bin = resolve(import.meta.dirname, '../../bin/vlm-convert.js');
const flags = ['--no-parity', '--precision', 'embed=int8,decoder=int4,vision=fp16', '--jobs', '2'] as const;

let root = '';
let checkpoint = '';
let out = '';
let work = '';
/** sha256 by path of an undisturbed output. */
let expected: Record<string, string> = {};
/** How many there are. */
let units = 0;

beforeAll(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'vlm-kill-')));
  checkpoint = join(root, 'model');
  out = join(root, 'out');
  work = join(root, '.out.vlm-convert');
  enlargeVocabulary(join(fixtures, 'monkey/tiny-896/checkpoint'), checkpoint, 200_000, 1);
  const ran = run([]);
  expect(ran.stderr).toBe('');
  expect(ran.status).toBe(0);
  expected = digests(out);
  rmSync(out, { recursive: true });
  await kill(1);
  units = planned().units.length;
}, slow);
afterEach(() => {
  rmSync(out, { recursive: true, force: true });
  rmSync(work, { recursive: true, force: true });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function run(more: readonly string[], to = out) {
  return spawnSync(process.execPath, [bin, checkpoint, to, ...flags, '--quiet', ...more], {
    encoding: 'utf8',
    cwd: root,
  });
}

function digests(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [
        path.slice(folder.length + 1),
        createHash('sha256').update(readFileSync(path)).digest('hex'),
      ]),
  );
}

function journalLines(folder = work): string[] {
  const path = join(folder, 'journal');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}

type Fault = Readonly<Record<string, number>>;

interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

/** A conversion with a fault in it (test/support/faults.js); `meanwhile` is called when its journal has a line. */
async function runFaulty(
  fault: Fault,
  more: readonly string[] = [],
  meanwhile: () => void = () => {},
  to = out,
): Promise<Ended> {
  const argv = ['--import', faults, bin, checkpoint, to, ...flags, '--quiet', ...more];
  const go = join(root, `go-${randomUUID()}`);
  const env = { ...process.env, VLM_TEST_FAULT: JSON.stringify({ ...fault, until: go }) };
  const child = spawn(process.execPath, argv, { cwd: root, env });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const ended = new Promise<Ended>((done) =>
    child.on('close', (status, signal) => done({ status, signal, stderr })),
  );
  const folder = join(dirname(to), '.out.vlm-convert');
  while (journalLines(folder).length < 2 && child.exitCode === null && child.signalCode === null)
    await sleep(1);
  meanwhile();
  writeFileSync(go, '');
  return ended.finally(() => rmSync(go));
}

/** Kills a conversion when it has noted so many units. */
async function kill(line: number, more: readonly string[] = [], share = 1): Promise<void> {
  const { signal } = await runFaulty({ killAtLine: line, share }, more);
  expect(signal).toBe('SIGKILL');
  expect(existsSync(out)).toBe(false);
}

/** One message of this code, and no stack. */
function expectOneError(
  { status, stderr }: Pick<Ended, 'status' | 'stderr'>,
  code: string,
  exit: number,
): void {
  expect(stderr.match(/^error VC\d+/gm)).toEqual([`error ${code}`]);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(status).toBe(exit);
}

function expectResumed(ran: { readonly status: number | null; readonly stderr: string }, to = out): void {
  expect(ran.stderr).toBe('');
  expect(ran.status).toBe(0);
  expect(digests(to)).toEqual(expected);
}

function planned(): PlanFile {
  return JSON.parse(readFileSync(join(work, 'plan.json'), 'utf8')) as PlanFile;
}

const resume = ['--resume'] as const;

describe('a conversion', () => {
  it.each(['--jobs 1', '--jobs 4', '--jobs 4 --memory 256MiB', '--jobs 3 --memory 1MiB'])(
    'gives the same bytes with %s',
    (more) => {
      const ran = spawnSync(
        process.execPath,
        [bin, checkpoint, out, ...flags, ...more.split(' '), '--json'],
        {
          encoding: 'utf8',
          cwd: root,
        },
      );
      expect(ran.status).toBe(0);
      expect(digests(out)).toEqual(expected);
      const { peakRss } = JSON.parse(ran.stdout) as { peakRss: { write: number } };
      expect(peakRss.write).toBeGreaterThan(50 * 2 ** 20);
      expect(peakRss.write).toBeLessThan(400 * 2 ** 20);
    },
  );
});

describe('a conversion that is killed', () => {
  it(
    'is resumed from 20 points to the same bytes',
    async () => {
      const next = random(20);
      const chance = (): number => (next() + 1) / 2;
      // Any unit but the last, and any part of its line.
      const points = Array.from({ length: 20 }, (_, index) => ({
        to: join(root, `point-${index}`, 'out'),
        fault: { killAtLine: 1 + Math.floor(chance() * (units - 1)), share: chance() },
      }));
      const killAndResume = async ({ to, fault }: (typeof points)[number]): Promise<void> => {
        mkdirSync(dirname(to));
        expect((await runFaulty(fault, [], () => {}, to)).signal).toBe('SIGKILL');
        expect(readdirSync(dirname(to))).toEqual(['.out.vlm-convert']);
        expectResumed(await runFaulty({}, resume, () => {}, to), to);
        expect(readdirSync(dirname(to))).toEqual(['out']);
        rmSync(dirname(to), { recursive: true });
      };
      const workers = Array.from({ length: 4 }, async () => {
        for (let point = points.pop(); point !== undefined; point = points.pop()) await killAndResume(point);
      });
      await Promise.all(workers);
    },
    slow,
  );

  it('is resumed after it was killed again while it was resumed', async () => {
    await kill(10);
    await kill(10, resume);
    // The header, and what two runs finished.
    expect(journalLines().length).toBe(1 + 20);
    expectResumed(run(resume));
  });

  it('makes again what did not reach the disk', async () => {
    await kill(units - 2);
    for (const name of readdirSync(join(work, 'output/onnx'))) {
      const path = join(work, 'output/onnx', name);
      const bytes = readFileSync(path);
      for (let at = 1000; at < bytes.length; at += 1 << 20) bytes[at] = (bytes[at] ?? 0) ^ 0x55;
      writeFileSync(path, bytes);
    }
    expectResumed(run(resume));
  });

  it('takes over what an earlier run finished', async () => {
    await kill(units - 1);
    // A byte of the output that its journal vouches for is not computed again.
    const [header = '', ...rest] = journalLines();
    const plan = planned();
    const done = rest.map((line) => JSON.parse(line) as { unit: number; crc32: number[] });
    const one = done.find(({ unit }) => plan.units[unit]?.begin === 0);
    const place = plan.tensors.find(({ recipe }) => recipe === plan.units[one?.unit ?? -1]?.recipe);
    if (one === undefined || place === undefined) throw new Error('no unit begins a tensor');
    const { end, recipe } = plan.units[one.unit] ?? { end: 0, recipe: 0 };
    const rows = Math.max(...plan.units.filter((unit) => unit.recipe === recipe).map((unit) => unit.end));
    const file = plan.files[place.file]?.path ?? '';
    const path = join(work, 'output', file);
    const bytes = readFileSync(path);
    bytes[place.offset] = (bytes[place.offset] ?? 0) ^ 0xff;
    writeFileSync(path, bytes);
    const crc = crc32(bytes.subarray(place.offset, place.offset + (place.bytes / rows) * end));
    const lines = done.map(({ unit, crc32: known }) => ({
      unit,
      crc32: known.map((value, output) => (unit === one.unit && output === place.output ? crc : value)),
    }));
    const text = [header, ...lines.map((line) => JSON.stringify(line))].join('\n');
    writeFileSync(join(work, 'journal'), `${text}\n`);
    expect(run(resume).status).toBe(0);
    const found = digests(out);
    expect(Object.keys(found).filter((name) => found[name] !== expected[name])).toEqual([
      file,
      'vlm-convert.json',
    ]);
  });

  it.each([1, 2])('instead of its rename %i, leaves the earlier output or puts it back', async (rename) => {
    expect(run([]).status).toBe(0);
    writeFileSync(join(out, 'vlm-convert.json'), readFileSync(join(out, 'vlm-convert.json'), 'utf8').trim());
    const before = digests(out);
    expect((await runFaulty({ killAtRename: rename })).signal).toBe('SIGKILL');
    if (rename === 1) expect(digests(out)).toEqual(before);
    else expect(digests(join(work, 'earlier'))).toEqual(before);
    // Without an output in the end, what was there has its name again.
    expectOneError(run([...resume, '--symmetric']), 'VC5108', 5);
    expect(digests(out)).toEqual(before);
    expectResumed(run(resume));
    expect(readdirSync(root).sort()).toEqual(['model', 'out']);
  });

  it('gives its work folder to the next conversion, which starts over', async () => {
    await kill(20);
    expectResumed(run([]));
    expect(readdirSync(root).sort()).toEqual(['model', 'out']);
  });
});

describe('--resume', () => {
  it('starts from the beginning where there is nothing to resume, and says so', () => {
    const ran = run(resume);
    expect(ran.status).toBe(0);
    expect(digests(out)).toEqual(expected);
    const loud = spawnSync(process.execPath, [bin, checkpoint, out, ...flags, '--json', ...resume], {
      encoding: 'utf8',
      cwd: root,
    });
    expect(loud.stderr).toMatch(/^warning VC5109/);
  });

  it('refuses other options, another version and other inputs, and leaves what is there', async () => {
    await kill(20);
    const lines = journalLines();
    const refused = (more: readonly string[], found: string): void => {
      const ran = run([...resume, ...more]);
      expectOneError(ran, 'VC5108', 5);
      expect(ran.stderr).toContain(found);
      expect(journalLines()).toEqual(lines);
    };
    refused(['--symmetric'], 'other options: "symmetric"');
    const path = join(work, 'journal');
    writeFileSync(
      path,
      readFileSync(path, 'utf8')
        .replace(/"version":"[^"]+"/, '"version":"0.0.1"')
        .replace(/"plan":"../, '"plan":"xx'),
    );
    const changed = run(resume);
    expectOneError(changed, 'VC5108', 5);
    expect(changed.stderr).toContain('begun by version 0.0.1');
    writeFileSync(path, `${lines.join('\n')}\n`);
    const weights = join(checkpoint, 'model.safetensors');
    utimesSync(weights, 1, 1);
    refused([], 'changed since: "model.safetensors"');
    // A check more or less bears on no weight.
    expect(run([...resume, '--gate', 'logits.kl=1']).stderr).toContain('changed since');
  });

  it('tells files by their digests under --verify-inputs', async () => {
    const verify = ['--verify-inputs'];
    const ran = run(verify);
    expect(ran.status).toBe(0);
    const manifest = readFileSync(join(out, 'vlm-convert.json'), 'utf8');
    const { inputs } = JSON.parse(manifest) as { inputs: { sha256: Record<string, string> } };
    const weights = join(checkpoint, 'model.safetensors');
    expect(inputs.sha256).toEqual({
      'model.safetensors': createHash('sha256').update(readFileSync(weights)).digest('hex'),
    });
    rmSync(out, { recursive: true });
    await kill(20, verify);
    utimesSync(weights, 2, 2);
    expect(run([...resume, ...verify]).status).toBe(0);
    expect(readFileSync(join(out, 'vlm-convert.json'), 'utf8')).toBe(manifest);
    rmSync(out, { recursive: true });
    await kill(20, verify);
    const bytes = readFileSync(weights);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    writeFileSync(weights, bytes);
    const refused = run([...resume, ...verify]);
    expectOneError(refused, 'VC5108', 5);
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    writeFileSync(weights, bytes);
    expect(run([...resume, ...verify]).status).toBe(0);
  });

  it('waits for nobody: a work folder that is in use is refused', async () => {
    let second: ReturnType<typeof run> | undefined;
    const first = await runFaulty({ pauseAtLine: 1 }, [], () => {
      second = run([]);
    });
    expect(first.status).toBe(0);
    if (second === undefined) throw new Error('it did not run');
    expectOneError(second, 'VC5107', 5);
    expect(digests(out)).toEqual(expected);
  });
});

describe('a conversion that fails', () => {
  it('at an input that is cut off meanwhile, is resumed when the input is back', async () => {
    const weights = join(checkpoint, 'model.safetensors');
    const bytes = readFileSync(weights);
    const failed = await runFaulty({ pauseAtLine: 1 }, ['--verify-inputs'], () =>
      truncateSync(weights, 4096),
    );
    expectOneError(failed, 'VC1106', 4);
    expect(failed.stderr).toContain('--resume');
    expect(existsSync(out)).toBe(false);
    expect(journalLines().length).toBeGreaterThan(1);
    writeFileSync(weights, bytes);
    expect(run([...resume, '--verify-inputs']).status).toBe(0);
    const { 'vlm-convert.json': _, ...files } = digests(out);
    expect(expected).toMatchObject(files);
  });

  it('at one worker that cannot write, is resumed when it can', async () => {
    const failed = await runFaulty({ failWrites: 20 });
    expectOneError(failed, 'VC5105', 5);
    expect(failed.stderr).toContain('the disk failed (EIO)');
    expect(failed.stderr).toContain('--resume');
    expect(existsSync(out)).toBe(false);
    expect(journalLines().length).toBeGreaterThan(1);
    expectResumed(run(resume));
  });

  it.runIf(canMount())('on a full disk, is resumed when there is room', async () => {
    const small = join(root, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400m', 'tmpfs', small]);
    try {
      const there = join(small, 'out');
      const workThere = join(small, '.out.vlm-convert');
      const filler = join(small, 'filler');
      const failed = await runFaulty({ pauseAtLine: 1 }, [], () => fillDisk(filler), there);
      expectOneError(failed, 'VC5104', 5);
      expect(failed.stderr).toContain('--resume');
      expect(existsSync(there)).toBe(false);
      expect(journalLines(workThere).length).toBeGreaterThan(1);
      rmSync(filler);
      expectResumed(run(resume, there), there);
    } finally {
      execFileSync('umount', [small]);
      rmSync(small, { recursive: true });
    }
  });
});

/** Only root mounts; elsewhere the test is left out. */
function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'vlm-mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0;
  if (mounted) execFileSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return mounted;
}

function fillDisk(path: string): void {
  const descriptor = openSync(path, 'w');
  const bytes = new Uint8Array(1 << 20);
  try {
    for (;;) writeSync(descriptor, bytes);
  } catch {
    // Full.
  } finally {
    closeSync(descriptor);
  }
}
