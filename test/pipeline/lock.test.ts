/** One process at a time: a live owner keeps its lock, a dead one loses it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { takeLock } from '../../src/pipeline/lock.ts';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vlm-lock-'));
  path = join(folder, 'lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** As the system counts it: field 22 of /proc/<pid>/stat. */
function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

const owner = (pid: number, more: object = {}): string =>
  JSON.stringify({ pid, host: hostname(), started: null, ...more });

it('is held once, also within a process, and can be given back', async () => {
  const unlock = await takeLock(path);
  await expect(takeLock(path)).rejects.toMatchObject({ code: 'VC5107' });
  await unlock();
  expect(readdirSync(folder)).toEqual([]);
  await (await takeLock(path))();
});

it('is kept by a process that runs, and taken from one that is gone', async () => {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
  const pid = child.pid ?? 0;
  const gone = new Promise((done) => child.on('close', done));
  writeFileSync(path, owner(pid));
  await expect(takeLock(path)).rejects.toMatchObject({
    code: 'VC5107',
    record: { found: expect.stringContaining(`process ${pid}`) as string },
  });
  child.kill('SIGKILL');
  await gone;
  await (await takeLock(path))();
  expect(readdirSync(folder)).toEqual([]);
});

it.runIf(process.platform === 'linux')(
  'is taken when another process has the number of its owner',
  async () => {
    const started = startOf(process.ppid);
    writeFileSync(path, owner(process.ppid, { started }));
    await expect(takeLock(path)).rejects.toMatchObject({ code: 'VC5107' });
    writeFileSync(path, owner(process.ppid, { started: `1${started}` }));
    await (await takeLock(path))();
  },
);

it('is kept by an owner on another machine, and taken where its text is torn', async () => {
  writeFileSync(path, owner(1, { host: `not-${hostname()}` }));
  await expect(takeLock(path)).rejects.toMatchObject({ code: 'VC5107' });
  writeFileSync(path, owner(1).slice(0, 5));
  await (await takeLock(path))();
});

it('goes to one of many that find it dead', async () => {
  writeFileSync(path, owner(2 ** 22 + 1));
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(path)));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});
