/**
 * What a part of a component was fed with: the original is run again up to there. And the first run, the smallest
 * before all others, in which two builds of the part differ.
 */
import type { Model } from '../../graph/model.ts';
import type { Device, Session } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { type Call, type PlacedPart, runLanes } from '../stream/lanes.ts';
import type { ModelPart } from '../stream/parts.ts';
import { type DeviationLimits, withSession } from './first-deviation.ts';
import { exceeds, type ValueError, valueError } from './value-error.ts';

export type Place = (models: ReadonlyMap<string, Model>) => Promise<PlacedPart>;

export interface PartRun {
  readonly call: number;
  readonly feeds: ReadonlyMap<string, RunTensor>;
}

export interface ReplayRequest {
  /** The original's, up to the one asked for. */
  readonly parts: readonly ModelPart[];
  readonly calls: readonly Call[];
  readonly cache: ReadonlyMap<string, string>;
  readonly device: Device;
  readonly place: Place;
  readonly signal: AbortSignal | undefined;
}

/** What the last of the parts is fed with in each call, those with the least first. */
export async function replay(request: ReplayRequest): Promise<readonly PartRun[]> {
  const { parts, calls, cache, device, place, signal } = request;
  const last = parts.length - 1;
  const runs: PartRun[] = [];
  await runLanes({
    parts: new Map([['reference', parts]]),
    lanes: [{ id: 'reference', build: 'reference', device, calls }],
    pairs: [],
    cache,
    give: (_part, _call, _name, value) => value,
    trim: () => undefined,
    place: (part) => {
      const model = parts[part]?.model;
      if (model === undefined) throw new RangeError(`there is no part ${part}`);
      return place(new Map([['reference', model]]));
    },
    onFeeds: (part, _lanes, call, feeds) => {
      if (part === last) runs.push({ call, feeds });
    },
    recorded: [],
    onRecord: () => {},
    onPart: () => {},
    signal,
  });
  return runs.sort((a, b) => sizeOf(a) - sizeOf(b) || a.call - b.call);
}

function sizeOf({ feeds }: PartRun): number {
  let bytes = 0;
  for (const { data } of feeds.values()) bytes += data.byteLength;
  return bytes;
}

export interface Side {
  readonly build: string;
  readonly model: Model;
  readonly device: Device;
}

/** Opens a model of a build; what was written for it goes with the session. */
export async function openPart(place: Place, { build, device }: Side, model: Model): Promise<Session> {
  const placed = await place(new Map([[build, model]]));
  const session = await placed.open(build, device, false).catch(async (error: unknown) => {
    await placed.release();
    throw error;
  });
  return {
    name: session.name,
    inputs: session.inputs,
    outputs: session.outputs,
    placement: undefined,
    run: (...args) => session.run(...args),
    release: async () => {
      await session.release();
      await placed.release();
    },
  };
}

export interface DifferentRun extends PartRun {
  /** Of the output that is farthest off. */
  readonly error: ValueError;
}

/** The first of the runs in which an output of the two is off by more than the limits; both are open together. */
export async function firstDifferent(
  before: Side,
  after: Side,
  runs: readonly PartRun[],
  place: Place,
  limits: DeviationLimits,
): Promise<DifferentRun | undefined> {
  const names = before.model.graph.outputs.map(({ name }) => name);
  return withSession(openPart(place, before, before.model), (first) =>
    withSession(openPart(place, after, after.model), async (second) => {
      for (const run of runs) {
        const wanted = await first.run(run.feeds, names);
        const found = await second.run(run.feeds, names);
        const errors = names.flatMap((name) => {
          const [mine, theirs] = [wanted.get(name), found.get(name)];
          return mine === undefined || theirs === undefined ? [] : [valueError(mine, theirs)];
        });
        const [error] = errors
          .filter((one) => exceeds(one, limits))
          .sort((a, b) => b.nonFinite - a.nonFinite || b.relative - a.relative);
        if (error !== undefined) return { ...run, error };
      }
      return undefined;
    }),
  );
}
