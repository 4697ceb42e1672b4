/**
 * Runs the parts of several builds of one component, part after part, and compares what they give. A *lane* is one
 * way of feeding one build: its own inputs, and at each part the values that its own earlier parts gave, or those of
 * another lane. All lanes go through a part before the next one is opened, and one session is open at a time.
 *
 * Lanes that would compute the same (the same part over the same values) are run once.
 */

import { longLived } from '../../runtime/long-lived.ts';
import type { Device, Session } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { choosesOnly, withTies } from './choices.ts';
import { LaneCaches } from './lane-caches.ts';
import type { ModelPart } from './parts.ts';

/** Inputs of one run of a component. */
export interface Call {
  readonly feeds: ReadonlyMap<string, RunTensor>;
  /** The call, by index, whose cache this one goes on from. */
  readonly after?: number;
}

export interface Lane {
  readonly id: string;
  /** Key of `LaneRequest.parts`. */
  readonly build: string;
  readonly device: Device;
  readonly calls: readonly Call[];
  /** Indices of the calls that it runs, those that they go on from among them; undefined: all. */
  readonly only?: ReadonlySet<number>;
  /** The lane whose values each part is fed with, with its calls and its cache; undefined: its own. */
  readonly fedFrom?: string;
  /** The lane whose choices count behind them, where it runs the call; undefined: its own. */
  readonly choicesFrom?: string;
  /** Chooses from numbers that tie. */
  readonly ties?: true;
}

/** What one call of a part gave: the graph outputs among it trimmed, values for later parts as they are. */
export type PartOutputs = ReadonlyMap<string, RunTensor>;

export interface Pair {
  readonly reference: string;
  readonly other: string;
  compare(part: number, call: number, reference: PartOutputs, other: PartOutputs): void;
}

export interface LaneRequest {
  /** Per build; all of the same number of parts. */
  readonly parts: ReadonlyMap<string, readonly ModelPart[]>;
  /** Lanes that others are fed from or compared with come first. */
  readonly lanes: readonly Lane[];
  readonly pairs: readonly Pair[];
  /** Input that holds the past → the output that it is in the call before. */
  readonly cache: ReadonlyMap<string, string>;
  /** What of a value a part is given; the same for the same. */
  give(part: number, call: number, name: string, value: RunTensor): RunTensor;
  /** What of a graph output is kept to be compared; undefined: nothing. */
  trim(call: number, name: string, value: RunTensor): RunTensor | undefined;
  /** Called for a part while the one before it runs: two are placed at a time. */
  place(part: number): Promise<PlacedPart>;
  /** Called before each run, with the lanes that it serves and what the part is fed with. */
  onFeeds?(part: number, lanes: readonly string[], call: number, feeds: ReadonlyMap<string, RunTensor>): void;
  /** Lanes for which the runtime records what ran where; called with those that a session served, after its runs. */
  readonly recorded: readonly string[];
  onRecord(lanes: readonly string[], session: Session): void;
  onPart(part: number): void;
  readonly signal: AbortSignal | undefined;
}

/** The models of one part, their weights where the runtime can read them. */
export interface PlacedPart {
  /** Equal for builds whose models are equal. */
  key(build: string): string;
  open(build: string, device: Device, recordPlacement: boolean): Promise<Session>;
  /** Removes what was written for it. */
  release(): Promise<void>;
}

interface LaneState {
  readonly lane: Lane;
  /** Per call: values that later parts read. */
  readonly values: Map<string, RunTensor>[];
  /** What this part gave; of a lane that is fed by itself. */
  caches: LaneCaches;
  /** Per call: what is still to be compared, and with how many. */
  outputs: (PartOutputs | undefined)[];
  pending: number[];
}

/** Throws what runs throw, and the signal's reason. */
export async function runLanes(request: LaneRequest): Promise<void> {
  const states = new Map(
    request.lanes.map((lane): [string, LaneState] => [
      lane.id,
      {
        lane,
        values: lane.calls.map(() => new Map()),
        caches: new LaneCaches([]),
        outputs: [],
        pending: [],
      },
    ]),
  );
  const count = Math.max(...[...request.parts.values()].map((parts) => parts.length));
  const place = (part: number): Promise<PlacedPart> | undefined => {
    if (part === count) return undefined;
    const placed = request.place(part);
    // It is waited for later, or given up when the part before it fails.
    placed.catch(() => {});
    return placed;
  };
  let next = place(0);
  try {
    for (let part = 0; part < count; part += 1) {
      request.signal?.throwIfAborted();
      request.onPart(part);
      const placed = await next;
      if (placed === undefined) throw new RangeError(`part ${part} was not placed`);
      next = place(part + 1);
      try {
        await new PartRun(request, states, part, placed).all();
      } finally {
        await placed.release();
      }
      forget(request, states, part);
    }
  } finally {
    await next?.then(
      (placed) => placed.release(),
      () => {},
    );
  }
}

/** All lanes through one part. */
class PartRun {
  readonly #request: LaneRequest;
  readonly #states: ReadonlyMap<string, LaneState>;
  readonly #part: number;
  readonly #placed: PlacedPart;
  /** By the numbers that tie, for lanes that are fed alike to stay so. */
  readonly #tied = new Map<RunTensor, RunTensor>();

  constructor(
    request: LaneRequest,
    states: ReadonlyMap<string, LaneState>,
    part: number,
    placed: PlacedPart,
  ) {
    this.#request = request;
    this.#states = states;
    this.#part = part;
    this.#placed = placed;
    for (const state of states.values()) {
      const { id, calls } = state.lane;
      const partners = request.pairs.flatMap(({ reference, other }) =>
        reference === id ? [other] : other === id ? [reference] : [],
      );
      const readers = [...states.values()].filter(({ lane }) => sourceOf(lane) === id);
      state.caches = new LaneCaches(
        calls.map(
          (_, index) =>
            readers.flatMap(({ lane }) =>
              lane.calls.filter(({ after }, at) => after === index && runs(lane, at)),
            ).length,
        ),
      );
      state.outputs = calls.map(() => undefined);
      state.pending = calls.map(
        (_, index) => partners.filter((name) => runs(states.get(name)?.lane, index)).length,
      );
    }
  }

  async all(): Promise<void> {
    for (const group of groups([...this.#states.values()], (a, b) => this.#sameModel(a, b))) {
      const [first] = group;
      if (first === undefined) continue;
      const recorded = group.map(({ lane }) => lane.id).filter((id) => this.#request.recorded.includes(id));
      const session = await this.#placed.open(first.lane.build, first.lane.device, recorded.length > 0);
      try {
        for (const call of first.lane.calls.keys()) await this.#run(session, group, call);
        if (recorded.length > 0) this.#request.onRecord(recorded, session);
      } finally {
        await session.release();
      }
    }
  }

  #sameModel(a: LaneState, b: LaneState): boolean {
    return (
      a.lane.device === b.lane.device && this.#placed.key(a.lane.build) === this.#placed.key(b.lane.build)
    );
  }

  #inputs({ lane }: LaneState): readonly string[] {
    return this.#own(lane).model.graph.inputs.map((value) => value.name);
  }

  #own({ build }: Lane): ModelPart {
    const part = this.#request.parts.get(build)?.[this.#part];
    if (part === undefined) throw new RangeError(`${build} has no part ${this.#part}`);
    return part;
  }

  #feed(state: LaneState, call: number, name: string): RunTensor {
    const { lane } = state;
    const source = lane.fedFrom === undefined ? state : this.#states.get(lane.fedFrom);
    const own = lane.calls[call];
    const present = this.#request.cache.get(name);
    const value =
      present !== undefined && own?.after !== undefined
        ? source?.caches.get(own.after, present)
        : (own?.feeds.get(name) ?? this.#chosen(lane, call, name) ?? source?.values[call]?.get(name));
    if (value === undefined) throw new RangeError(`${lane.id}: nothing to feed ${name} with`);
    const given = this.#request.give(this.#part, call, name, value);
    return lane.ties === true && choosesOnly(this.#own(lane)) ? this.#withTies(given) : given;
  }

  /** What another lane chose, where that counts for this one. */
  #chosen({ choicesFrom }: Lane, call: number, name: string): RunTensor | undefined {
    const other = choicesFrom === undefined ? undefined : this.#states.get(choicesFrom);
    const value = runs(other?.lane, call) ? other?.values[call]?.get(name) : undefined;
    return value === undefined || isFloat(value.dtype) ? undefined : value;
  }

  #withTies(value: RunTensor): RunTensor {
    const made = this.#tied.get(value) ?? (isFloat(value.dtype) ? withTies(value) : value);
    this.#tied.set(value, made);
    return made;
  }

  /** What is read again: values for later parts, and caches. */
  #kept({ lane }: LaneState): ReadonlySet<string> {
    const crossing = this.#request.parts.get(lane.build)?.[this.#part]?.crossing ?? [];
    return new Set([...crossing, ...this.#request.cache.values()]);
  }

  /** Runs a call of lanes of one model, once for those that are fed alike. */
  async #run(session: Session, lanes: readonly LaneState[], call: number): Promise<void> {
    const fed = lanes
      .filter(({ lane }) => runs(lane, call))
      .map((state) => ({
        state,
        feeds: new Map(this.#inputs(state).map((name) => [name, this.#feed(state, call, name)])),
      }));
    for (const same of groups(fed, (a, b) =>
      [...a.feeds].every(([name, value]) => b.feeds.get(name) === value),
    )) {
      const [first] = same;
      if (first === undefined) continue;
      this.#request.signal?.throwIfAborted();
      this.#request.onFeeds?.(
        this.#part,
        same.map(({ state }) => state.lane.id),
        call,
        first.feeds,
      );
      const keepers = this.#kept(first.state);
      const given = await session.run(first.feeds);
      const outputs = new Map(
        [...given].map(([name, value]) => [name, keepers.has(name) ? longLived(value) : value]),
      );
      for (const { state } of same) this.#take(state, call, outputs);
    }
  }

  #keepCaches(state: LaneState, call: number, caches: ReadonlyMap<string, RunTensor>): void {
    const { lane } = state;
    if (lane.fedFrom === undefined) state.caches.set(call, caches);
    const { after } = lane.calls[call] ?? {};
    if (after === undefined) return;
    const source = this.#states.get(sourceOf(lane));
    source?.caches.read(after);
    if (source === state) state.caches.shorten(after, call);
  }

  #take(state: LaneState, call: number, outputs: ReadonlyMap<string, RunTensor>): void {
    const { lane } = state;
    const part = this.#request.parts.get(lane.build)?.[this.#part];
    const presents = new Set(this.#request.cache.values());
    this.#keepCaches(state, call, new Map([...outputs].filter(([name]) => presents.has(name))));
    const kept = new Map<string, RunTensor>();
    for (const [name, value] of outputs) {
      if (part?.crossing.includes(name)) {
        // A lane that is fed from another one never reads its own.
        if (lane.fedFrom === undefined) state.values[call]?.set(name, value);
        kept.set(name, value);
      }
      if (part?.outputs.includes(name)) {
        const trimmed = this.#request.trim(call, name, value);
        if (trimmed !== undefined) kept.set(name, trimmed);
      }
    }
    if ((state.pending[call] ?? 0) > 0) state.outputs[call] = kept;
    for (const pair of this.#request.pairs) {
      if (pair.reference !== lane.id && pair.other !== lane.id) continue;
      const [left, right] = [this.#states.get(pair.reference), this.#states.get(pair.other)];
      const [reference, other] = [left?.outputs[call], right?.outputs[call]];
      if (left === undefined || right === undefined || reference === undefined || other === undefined)
        continue;
      pair.compare(this.#part, call, reference, other);
      for (const side of [left, right]) {
        const rest = (side.pending[call] ?? 0) - 1;
        side.pending[call] = rest;
        if (rest === 0) side.outputs[call] = undefined;
      }
    }
  }
}

function runs(lane: Lane | undefined, call: number): boolean {
  return lane !== undefined && call < lane.calls.length && lane.only?.has(call) !== false;
}

/** The lane whose values a lane is fed with. */
function sourceOf(lane: Lane): string {
  return lane.fedFrom ?? lane.id;
}

/** Items in groups of those that are the same, in order of each group's first. */
function groups<T>(items: readonly T[], same: (a: T, b: T) => boolean): readonly (readonly T[])[] {
  const all: T[][] = [];
  for (const item of items) {
    const known = all.find(([first]) => first !== undefined && same(first, item));
    if (known === undefined) all.push([item]);
    else known.push(item);
  }
  return all;
}

/** Drops values that no later part reads. */
function forget(request: LaneRequest, states: ReadonlyMap<string, LaneState>, part: number): void {
  const later = new Set(
    [...request.parts.values()].flatMap((parts) =>
      parts.slice(part + 1).flatMap(({ model }) => model.graph.inputs.map((value) => value.name)),
    ),
  );
  for (const { values } of states.values()) {
    for (const map of values) for (const name of [...map.keys()]) if (!later.has(name)) map.delete(name);
  }
}
