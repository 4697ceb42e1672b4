/**
 * Puts parts of models where the runtime can read them. Parts of an output read its data files, in place; weights of
 * other builds are computed into the scratch folder, those that builds share once, and removed when the part has run.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeModel } from '../formats/onnx/encode.ts';
import { layoutModel, layoutModels, type ModelLayout, modelTensors } from '../formats/onnx/layout.ts';
import type { Model } from '../graph/model.ts';
import type { PlacedPart } from '../parity/index.ts';
import type { Device } from '../runtime/devices.ts';
import { type ModelInMemory, openSession, type Session } from '../runtime/session.ts';
import { checkCut } from './check-plan.ts';
import { columnPieces, openPieces } from './column-pieces.ts';
import { sha256 } from './digest.ts';
import { executePlan } from './engine/execute.ts';
import { checkRoom } from './output-folder.ts';
import { planModels, type WriteLimits } from './write-models.ts';

/** A component of an output as it stands on the disk. */
export interface StandingOutput {
  /** Absolute; holds its data files. */
  readonly folder: string;
  readonly layout: ModelLayout;
  /** The builds whose parts read those files; all others are computed. */
  readonly builds: ReadonlySet<string>;
}

export interface PlaceOptions {
  /** Absolute. */
  readonly scratch: string;
  /** Undefined: every build is computed. */
  readonly output?: StandingOutput;
  readonly write: WriteLimits;
  readonly signal: AbortSignal;
  /** Products at the end of a part that are larger are computed in pieces; default: the size that parts are cut to. */
  readonly limitBytes?: number;
}

interface Placed extends ModelInMemory {
  readonly key: string;
  /** Whether its weights are made for being packed by the runtime. */
  readonly packed: boolean;
}

/** Parts are written while others run on all cores: more threads than keep up cost more than they bring. */
const placingJobs = 2;
const placingThreadsFrom = 64 << 20;

/** What writing may take beyond what the check itself holds, where `--memory` leaves less. */
const leastWriting = 256 << 20;

/** Throws as `executePlan` and `encodeModel`. */
export async function placeParts(
  models: ReadonlyMap<string, Model>,
  { scratch, output, write, signal, limitBytes = checkCut.limitBytes }: PlaceOptions,
): Promise<PlacedPart> {
  /** What stands in the output as it stands, all else in pieces that are no larger than a part. */
  const pieces = new Map(
    [...models].map(([build, model]) => [
      build,
      output?.builds.has(build) === true ? [model] : columnPieces(model, limitBytes),
    ]),
  );
  const written = [...pieces].flatMap(([build, all]) => (output?.builds.has(build) === true ? [] : all));
  const name = `part-${randomUUID()}`;
  const folder = join(scratch, name);
  const own = layoutModels(written, { fileName: 'part' });
  const planned = await planModels([{ folder: name, layout: own }]);
  await executePlan(planned, {
    ...write,
    memoryBytes: Math.max(write.memoryBytes, process.memoryUsage.rss() + leastWriting),
    root: scratch,
    constantsPath: `${folder}.constants`,
    jobs: write.jobs ?? placingJobs,
    threadsFrom: placingThreadsFrom,
    durable: false,
    signal,
  });
  const placed = new Map<string, readonly Placed[]>();
  for (const [build, all] of pieces) {
    const standing = output?.builds.has(build) === true ? output : undefined;
    const at = standing?.folder ?? folder;
    const encoded: Placed[] = [];
    for (const model of all) {
      const bytes = await encodeModel(anonymous(model), standing?.layout ?? own);
      encoded.push({ bytes, folder: at, key: `${at}:${sha256(bytes)}`, packed: isPacked(model) });
    }
    placed.set(build, encoded);
  }
  const find = (build: string): readonly Placed[] => {
    const found = placed.get(build);
    if (found === undefined) throw new RangeError(`the part has no ${build}`);
    return found;
  };
  return {
    key: (build) =>
      find(build)
        .map(({ key }) => key)
        .join(),
    open: (build, device, recordPlacement) => {
      const all = find(build);
      const open = (index: number): Promise<Session> => {
        const one = all[index];
        if (one === undefined) throw new RangeError(`${build} has no piece ${index}`);
        const weights = device === 'cpu' && !one.packed ? 'use' : 'pack';
        return openSession(one, { device, recordPlacement, weights, pooled: device !== 'cpu' });
      };
      return all.length === 1 ? open(0) : openPieces(all.length, open);
    },
    release: async () => {
      await rm(folder, { recursive: true, force: true });
      await rm(`${folder}.constants`, { force: true });
    },
  };
}

function isPacked({ graph }: Model): boolean {
  return [...graph.nodes()].some(({ op }) => op === 'com.microsoft::MatMulNBits');
}

/** Without what says how the model came about: builds that compute the same are then the same bytes. */
function anonymous(model: Model): Model {
  return { ...model, producerName: '', producerVersion: '', docString: '' };
}

/** Models with less weights than this are run from memory. */
const inMemory = 64 << 20;

/** A model by itself: from memory where its weights are few, else placed; releasing it removes what was written. */
export async function openWhole(model: Model, device: Device, place: PlaceOptions): Promise<Session> {
  const bytes = distinctBytes([model]);
  if (bytes <= inMemory) {
    const layout = layoutModel(model, { fileName: 'part', inlineLimit: inMemory });
    return openSession({ bytes: await encodeModel(model, layout, 'keep') }, { device });
  }
  await checkRoom(place.scratch, bytes);
  const placed = await placeParts(new Map([['model', model]]), place);
  const session = await placed.open('model', device, false).catch(async (error: unknown) => {
    await placed.release();
    throw error;
  });
  return {
    ...session,
    run: (...args) => session.run(...args),
    release: async () => {
      await session.release();
      await placed.release();
    },
  };
}

/** Of the weights of some models, each counted once. */
export function distinctBytes(models: readonly Model[]): number {
  const tensors = new Set(models.flatMap((model) => [...modelTensors(model)].map(({ tensor }) => tensor)));
  return [...tensors].reduce((sum, tensor) => sum + tensor.byteLength, 0);
}
