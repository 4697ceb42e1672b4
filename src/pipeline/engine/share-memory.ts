/** How many workers run, and what each may hold, so that the whole process stays within its memory. */
import { availableParallelism } from 'node:os';

export interface MemoryShares {
  readonly workers: number;
  /** Of each worker's workspace. */
  readonly capacityBytes: number;
}

/** What an idle thread with its V8 isolate and our code takes: 9 to 11 MiB were measured (Node 20 and 22, Linux). */
const threadBytes = 12 << 20;
/** The threads that hash files load less: about 6 MiB. */
const hashThreadBytes = 8 << 20;
/** What the main thread takes more while it hands out work: garbage of messages, progress, the journal. */
const mainBytes = 24 << 20;
/** A worker with less spends its time on calls. */
const leastCapacity = 16 << 20;
/** Transposes gain from more up to here; nothing else needs half of it. */
const mostCapacity = 64 << 20;
/** One tile of most tensors: what a worker gets where `--memory` is less than the process takes anyway. */
const lastCapacity = 4 << 20;

/** `rssBytes`: what the process takes before the first worker starts. */
export function shareMemory(options: {
  readonly memoryBytes: number;
  readonly rssBytes: number;
  /** Undefined: one per core. */
  readonly jobs: number | undefined;
  readonly hashThreads: number;
}): MemoryShares {
  const free = options.memoryBytes - options.rssBytes - mainBytes - options.hashThreads * hashThreadBytes;
  const wanted = options.jobs ?? availableParallelism();
  const workers = Math.max(1, Math.min(wanted, Math.floor(free / (threadBytes + leastCapacity))));
  const share = Math.floor(free / workers) - threadBytes;
  return { workers, capacityBytes: Math.max(lastCapacity, Math.min(mostCapacity, share)) };
}
