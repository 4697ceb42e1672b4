/** Two sessions timed side by side: every round runs both, one right after the other, so that both meet the same load. */
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** A round runs a graph so often that it takes about as long. */
const roundMs = 40;

/** @typedef {{ type: string, dims: readonly number[], data: import('onnxruntime-node').Tensor['data'] }} Feed */
/** @typedef {Record<string, Feed>} Feeds */
/**
 * @typedef {{ ms: readonly [number, number], ratio: number, cpuRatio: number, load: readonly [number, number],
 *   loadRatio: number, difference: number }} Pair medians of both sides, the median of the ratios of rounds (second to
 *   first), the same of the time that all threads were at work (which a busy machine disturbs less), medians of
 *   loading, and the largest difference of an output in its standard deviations
 */

/** @param {readonly number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** @param {() => Promise<unknown>} work @returns {Promise<number>} milliseconds */
async function time(work) {
  const begin = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - begin) / 1e6;
}

/** @param {string} path @param {number} threads */
const open = (path, threads) =>
  InferenceSession.create(path, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    logSeverityLevel: 4,
    // Threads that wait by spinning would count as work, and take cores from whatever else runs.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });

/** @param {readonly string[]} names @param {Feeds} feeds */
function tensors(names, feeds) {
  return Object.fromEntries(
    names.map((name) => {
      const feed = feeds[name];
      if (feed === undefined) throw new Error(`no value for the input ${name}`);
      // The constructor's overloads are per type.
      const make = /** @type {any} */ (Tensor);
      return [name, new make(feed.type, feed.data, feed.dims)];
    }),
  );
}

/** @param {ArrayLike<number | bigint>} found @param {ArrayLike<number | bigint>} wanted */
function distance(found, wanted) {
  const values = Array.from(wanted, Number);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return (
    values.reduce((worst, value, i) => Math.max(worst, Math.abs(value - Number(found[i]))), 0) / (spread || 1)
  );
}

/**
 * @param {readonly [string, string]} paths the graph to compare with, and ours
 * @param {Feeds} feeds @param {{ rounds: number, loads: number, threads: number }} options
 * @returns {Promise<Pair>}
 */
export async function timePair(paths, feeds, { rounds, loads, threads }) {
  /** @type {[number[], number[]]} */
  const loading = [[], []];
  for (let i = 0; i < loads; i += 1) {
    for (const side of order(i)) {
      /** @type {InferenceSession | undefined} */
      let session;
      loading[side].push(
        await time(async () => {
          session = await open(paths[side], threads);
        }),
      );
      await session?.release();
    }
  }
  const sessions = /** @type {const} */ ([await open(paths[0], threads), await open(paths[1], threads)]);
  const inputs = sessions.map((session) => tensors(session.inputNames, feeds));
  /** @param {number} side */
  const run = (side) => sessions[/** @type {0 | 1} */ (side)].run(inputs[side] ?? {});
  const results = [await run(0), await run(1)];
  let difference = 0;
  for (const [name, wanted] of Object.entries(results[0] ?? {})) {
    const found = results[1]?.[name];
    if (found === undefined) throw new Error(`no output ${name}`);
    if (wanted.type !== 'float32') continue;
    const pair = [found.data, wanted.data];
    const [a = [], b = []] = /** @type {ArrayLike<number>[]} */ (pair);
    difference = Math.max(difference, a.length === b.length ? distance(a, b) : Number.POSITIVE_INFINITY);
  }
  const once = median([await time(() => run(0)), await time(() => run(1))]);
  const repeats = Math.max(1, Math.round(roundMs / once));
  /** @type {[number[], number[]]} */
  const running = [[], []];
  /** @type {[number[], number[]]} */
  const working = [[], []];
  for (let i = 0; i < rounds; i += 1) {
    for (const side of order(i)) {
      const before = process.cpuUsage();
      const took = await time(async () => {
        for (let k = 0; k < repeats; k += 1) await run(side);
      });
      const { user, system } = process.cpuUsage(before);
      running[side].push(took / repeats);
      working[side].push((user + system) / repeats);
    }
  }
  for (const session of sessions) await session.release();
  return {
    ms: [median(running[0]), median(running[1])],
    ratio: median(ratios(running)),
    cpuRatio: median(ratios(working)),
    load: [median(loading[0]), median(loading[1])],
    loadRatio: median(ratios(loading)),
    difference,
  };
}

/** @param {number} round @returns {readonly (0 | 1)[]} */
const order = (round) => (round % 2 === 0 ? [0, 1] : [1, 0]);

/** @param {readonly [readonly number[], readonly number[]]} sides */
const ratios = ([first, second]) => first.map((value, i) => (second[i] ?? Number.NaN) / value);
