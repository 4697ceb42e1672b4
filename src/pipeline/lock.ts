/**
 * A lock file: one process at a time works in a folder. It names its owner, so that one that died without taking
 * its lock away can be told from one that still runs.
 */
import { readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { fail } from '../report/diagnostics.ts';
import { quote } from '../report/show.ts';

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process began, as the system counts it: tells it from a later one of the same number. */
  readonly started: string | null;
}

/** Two processes that find the same dead lock: each tries again as often as this. */
const attempts = 5;

/** Those that this process has or is about to take: it may run several conversions at once. */
const held = new Set<string>();

/** Takes the lock. The promise is of the function that gives it back. Throws VC5107 while another has it. */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  // Before anything is awaited: a lock of this process that stands on the disk already is not taken for a dead one.
  if (held.has(path)) throw inUse(path, undefined);
  held.add(path);
  try {
    await takeFile(path);
  } catch (error) {
    held.delete(path);
    throw error;
  }
  return async () => {
    await rm(path, { force: true });
    held.delete(path);
  };
}

async function takeFile(path: string): Promise<void> {
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), started: startOf(process.pid) });
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      await writeFile(path, mine, { flag: 'wx' });
      return;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    }
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const owner = ownerOf(text);
    if (owner !== undefined && isAlive(owner)) throw inUse(path, owner);
    await removeDead(path, text);
  }
  throw inUse(path, undefined);
}

/** Moved before it is removed: of two processes that found it dead one moves it, and the other sees what it moved. */
async function removeDead(path: string, text: string): Promise<void> {
  const aside = `${path}-${process.pid}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readFile(aside, 'utf8').catch(() => '');
  if (moved !== text) await writeFile(path, moved, { flag: 'wx' }).catch(() => {});
  await rm(aside, { force: true });
}

function inUse(path: string, owner: Owner | undefined): Error {
  return fail('VC5107', {
    where: path,
    ...(owner === undefined ? {} : { found: `process ${owner.pid} on ${quote(owner.host)}` }),
  });
}

/** One on another machine counts as alive: there is no way to know. */
function isAlive({ pid, host, started }: Owner): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM';
  }
  return started === null || startOf(pid) === started;
}

/** Field 22 of /proc/<pid>/stat; the name before it may hold blanks and parentheses. Null where there is no /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** Undefined for text that no lock of ours has: its owner died while it wrote it. */
function ownerOf(text: string): Owner | undefined {
  try {
    const { pid, host, started } = JSON.parse(text) as Partial<Owner>;
    if (!Number.isSafeInteger(pid) || typeof host !== 'string') return undefined;
    return { pid: pid as number, host, started: typeof started === 'string' ? started : null };
  } catch {
    return undefined;
  }
}
