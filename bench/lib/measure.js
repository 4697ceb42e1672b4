/**
 * Runs a program and says what it cost: wall clock, CPU seconds, bytes through its file calls, and the peak of the
 * resident memory of its whole process tree. Linux only: the numbers come from /proc.
 *
 * Time and CPU are exact: a shell that waits for the program prints what the kernel has summed up for its children.
 * Memory is sampled every 20 ms: the largest of the sums of VmRSS over the tree and of each process's own high-water
 * mark (VmHWM, which the kernel keeps and no sampling misses until the last 20 ms). Pages of mapped files count.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/**
 * @typedef {{ seconds: number, cpuSeconds: number, peakRss: number, bytesRead: number, bytesWritten: number,
 *   output: string }} Measurement
 */

const clockTicks = 100;
const sampleMs = 20;
const report = '"$@"; status=$?; cat "/proc/$$/stat" "/proc/$$/io" >&3; exit $status';

/** @param {string} path the text of a file that may go away at any time */
function readOr(path, otherwise = '') {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}

/** @param {number} pid @returns {number[]} the processes below one, not itself */
function descendants(pid) {
  /** @type {string[]} */
  let threads = [];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  return threads
    .flatMap((thread) =>
      readOr(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
    )
    .flatMap((child) => [child, ...descendants(child)]);
}

/** @param {string} text @param {string} key */
const kilobytes = (text, key) => 1024 * Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);

/**
 * @param {string} command @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<Measurement>} rejects with the program's output when it fails
 */
export async function measure(command, args, options = {}) {
  const begin = process.hrtime.bigint();
  const child = spawn('sh', ['-c', report, 'sh', command, ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let usage = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data) => {
      output = (output + data).slice(-20_000);
    });
  }
  child.stdio[3]?.on('data', (data) => {
    usage += data;
  });
  let peakRss = 0;
  const sample = () => {
    let sum = 0;
    for (const pid of child.pid === undefined ? [] : descendants(child.pid)) {
      const status = readOr(`/proc/${pid}/status`);
      sum += kilobytes(status, 'VmRSS');
      peakRss = Math.max(peakRss, kilobytes(status, 'VmHWM'));
    }
    peakRss = Math.max(peakRss, sum);
  };
  const timer = setInterval(sample, sampleMs);
  let seconds = 0;
  child.on('exit', () => {
    seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  });
  const status = await new Promise((done, failed) => {
    child.on('close', done);
    child.on('error', failed);
  }).finally(() => clearInterval(timer));
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${output}`);
  // What follows the name in parentheses: state is field 3, cutime and cstime are fields 16 and 17.
  const fields = usage.slice(usage.lastIndexOf(')') + 2).split(' ');
  /** @param {string} key */
  const counted = (key) => Number(new RegExp(`^${key}: (\\d+)`, 'm').exec(usage)?.[1] ?? 0);
  return {
    seconds,
    cpuSeconds: (Number(fields[13]) + Number(fields[14])) / clockTicks,
    peakRss,
    bytesRead: counted('rchar'),
    bytesWritten: counted('wchar'),
    output,
  };
}
