/**
 * How far every pass of a component moves it: each graph runs part after part beside the one before, fed with what
 * that one's parts made, so that an error is of the pass and of the part alone. All graphs go through a part before the
 * next one is opened. The inputs of the first part where a pass is beyond its limit are kept, to look closer.
 */
import type { Model } from '../../graph/model.ts';
import { fail, type VlmError } from '../../report/diagnostics.ts';
import type { Device } from '../../runtime/session.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { valueError } from '../locate/value-error.ts';
import { blockName } from '../stream/curve.ts';
import { type Cut, type CutOptions, findCuts } from '../stream/cuts.ts';
import { type Lane, type Pair, type PartOutputs, runLanes } from '../stream/lanes.ts';
import { commonCuts, cutModel, type ModelPart } from '../stream/parts.ts';
import type { ComponentRun } from './component-run.ts';
import { BuildFailure, headRows, type Parts, type Place, placePart } from './part-lanes.ts';
import type { Stage } from './stage.ts';

export interface StageRequest {
  /** As the architecture built it. */
  readonly original: Model;
  readonly stages: readonly Stage[];
  readonly run: ComponentRun;
  readonly cut: CutOptions;
  readonly device: Device;
  readonly place: Place;
  readonly onPart: (block: string, part: number, parts: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** Errors of the worst value of the worst call. */
export interface StageError {
  /** max |error| / std; infinite where something is not finite or has another shape. */
  readonly max: number;
  /** ‖error‖ / ‖value‖ */
  readonly relative: number;
}

/** The first part where a pass is beyond its limit. */
export interface BrokenPart {
  readonly part: number;
  readonly block: string;
  readonly error: StageError;
  /** The value that is furthest off. */
  readonly value: string;
  readonly nonFinite: number;
  /** The call that is furthest off. */
  readonly call: string;
  /** Of the calls that are beyond the limit the one that is fed with the least, and what it is fed with. */
  readonly recorded: string;
  readonly feeds: ReadonlyMap<string, RunTensor>;
  /** What the runtime said, where it refused the graph or failed. */
  readonly refusal?: VlmError;
  /** The part before the pass, the same with the effective weights, and after it. */
  readonly before: Model;
  readonly fair: Model;
  readonly after: Model;
}

export interface StageResult {
  readonly stage: Stage;
  /** Of the pass alone, over all parts. */
  readonly own: StageError;
  /** Of the graph after the pass against the original, at its outputs. */
  readonly accumulated: StageError;
  readonly broken?: BrokenPart;
}

export interface StageErrors {
  /** Of the passes until the first that is at fault; the runtime need not run those after it. */
  readonly stages: readonly StageResult[];
  /** The original's outputs per call, those that are kept. */
  readonly outputs: readonly ReadonlyMap<string, RunTensor>[];
}

/** Throws VC6104 where the original gives values that are not finite, and what the runtime says to the original. */
export async function stageErrors(request: StageRequest): Promise<StageErrors> {
  const attempt = new StageRun(request);
  try {
    return await attempt.run();
  } catch (error) {
    if (!(error instanceof BuildFailure)) throw error;
    const stage = attempt.stageOf(error.build);
    if (stage === undefined) throw error.cause;
    // Passes before it may be at fault already.
    const before = await stageErrors({
      ...request,
      stages: request.stages.slice(0, request.stages.indexOf(stage)),
    });
    if (before.stages.some(({ broken }) => broken !== undefined)) return before;
    const worst: StageError = { max: Number.POSITIVE_INFINITY, relative: Number.POSITIVE_INFINITY };
    const broken = attempt.refusedPart(stage, error);
    return { ...before, stages: [...before.stages, { stage, own: worst, accumulated: worst, broken }] };
  }
}

/** Every distinct model under a name. */
function buildsOf({ original, stages }: StageRequest): ReadonlyMap<Model, string> {
  const models = new Set([original, ...stages.flatMap(({ fair, after, made }) => [fair, after, made])]);
  return new Map([...models].map((model, index) => [model, `build ${index}`]));
}

interface Worst extends StageError {
  readonly value: string;
  readonly nonFinite: number;
  /** The largest error of each call. */
  readonly calls: ReadonlyMap<number, number>;
}

const none: Worst = { max: 0, relative: 0, value: '', nonFinite: 0, calls: new Map() };

class StageRun {
  readonly #request: StageRequest;
  readonly #builds: ReadonlyMap<Model, string>;
  readonly #parts: Parts;
  readonly #cuts: readonly Cut[];
  /** Of the present part, by stage. */
  #here = new Map<Stage, Worst>();
  #feeds = new Map<string, ReadonlyMap<string, RunTensor>[]>();
  readonly #own = new Map<Stage, Worst>();
  readonly #accumulated = new Map<Stage, Worst>();
  readonly #broken = new Map<Stage, BrokenPart>();
  readonly #outputs: Map<string, RunTensor>[];

  constructor(request: StageRequest) {
    this.#request = request;
    this.#builds = buildsOf(request);
    const graphs = [...this.#builds.keys()].map(({ graph }) => graph);
    this.#cuts = commonCuts(findCuts(request.original.graph, request.cut), graphs);
    this.#parts = new Map([...this.#builds].map(([model, build]) => [build, cutModel(model, this.#cuts)]));
    this.#outputs = request.run.calls.map(() => new Map());
  }

  async run(): Promise<StageErrors> {
    const { stages, run, device, place, onPart, signal } = this.#request;
    const lane = (id: string, model: Model, fedFrom?: string): Lane => ({
      id,
      build: this.#buildOf(model),
      device,
      calls: run.calls,
      ...(fedFrom === undefined ? {} : { fedFrom }),
    });
    const { original } = this.#request;
    const count = this.#partsOf(original).length;
    await runLanes({
      parts: this.#parts,
      lanes: [
        lane('original', original),
        // Costs nothing, and gives the original's outputs where no pass did anything.
        lane('again', original),
        ...stages.flatMap(({ fair, after, made }, index) => [
          lane(`fair ${index}`, fair),
          lane(`after ${index}`, after, `fair ${index}`),
          lane(`made ${index}`, made),
        ]),
      ],
      pairs: [
        {
          reference: 'original',
          other: 'again',
          compare: (part, call, values) => this.#keep(part, call, values),
        },
        ...stages.flatMap((stage, index): Pair[] => [
          {
            reference: `fair ${index}`,
            other: `after ${index}`,
            compare: (_part, call, wanted, found) => {
              this.#here.set(stage, worse(this.#here.get(stage), wanted, found, call));
            },
          },
          {
            reference: 'original',
            other: `made ${index}`,
            compare: (part, call, wanted, found) => {
              if (part < count - 1) return;
              this.#accumulated.set(stage, worse(this.#accumulated.get(stage), wanted, found, call));
            },
          },
        ]),
      ],
      cache: run.cache,
      give: headRows(this.#parts, run.rows),
      trim: (_call, _name, value) => value,
      place: (part) => placePart(this.#parts, part, place),
      recorded: [],
      onRecord: () => {},
      onFeeds: (_part, lanes, call, feeds) => {
        for (const id of lanes) {
          const all = this.#feeds.get(id) ?? [];
          all[call] = feeds;
          this.#feeds.set(id, all);
        }
      },
      onPart: (part) => {
        this.#closePart(part - 1);
        onPart(blockName(this.#partsOf(original), part), part, count);
      },
      signal,
    });
    this.#closePart(count - 1);
    const results = stages.map((stage): StageResult => {
      const broken = this.#broken.get(stage);
      return {
        stage,
        own: errorOf(this.#own.get(stage)),
        accumulated: errorOf(this.#accumulated.get(stage)),
        ...(broken === undefined ? {} : { broken }),
      };
    });
    return { stages: results, outputs: this.#outputs };
  }

  /** The first stage that made a build; undefined for the original. */
  stageOf(build: string): Stage | undefined {
    if (build === this.#buildOf(this.#request.original)) return undefined;
    return this.#request.stages.find(({ fair, after, made }) =>
      [fair, after, made].some((model) => this.#buildOf(model) === build),
    );
  }

  /** Where the runtime refuses what a stage made, or fails while it runs it. */
  refusedPart(stage: Stage, { part, cause }: BuildFailure): BrokenPart {
    const worst = { ...none, max: Number.POSITIVE_INFINITY, relative: Number.POSITIVE_INFINITY };
    const index = this.#request.stages.indexOf(stage);
    const all = this.#feedsOf(index);
    const call = Math.max(0, all.length - 1);
    return { ...this.#brokenPart(stage, part, worst, call, all[call] ?? new Map()), refusal: cause };
  }

  #buildOf(model: Model): string {
    const build = this.#builds.get(model);
    if (build === undefined) throw new RangeError('a model without a build');
    return build;
  }

  #partsOf(model: Model): readonly ModelPart[] {
    const parts = this.#parts.get(this.#buildOf(model));
    if (parts === undefined) throw new RangeError('a build without parts');
    return parts;
  }

  /** The original's values: they have to be finite, and those of its last part are its outputs. */
  #keep(part: number, call: number, values: PartOutputs): void {
    const { outputs = [] } = this.#partsOf(this.#request.original)[part] ?? {};
    const { keeps } = this.#request.run;
    for (const [name, value] of values) {
      if (isFloat(value.dtype) && !toFloat32(value).every(Number.isFinite)) {
        const where = `${name} of ${this.#request.run.component}, ${this.#request.run.label(call)}`;
        throw fail('VC6104', { where });
      }
      if (outputs.includes(name) && (keeps?.includes(name) ?? true)) this.#outputs[call]?.set(name, value);
    }
  }

  #closePart(part: number): void {
    for (const [stage, worst] of this.#here) {
      const before = this.#own.get(stage);
      if (before === undefined || worst.max > before.max) this.#own.set(stage, worst);
      if (worst.max <= stage.limit || this.#broken.has(stage)) continue;
      const index = this.#request.stages.indexOf(stage);
      const all = this.#feedsOf(index);
      const call = smallest(
        [...worst.calls].flatMap(([at, max]) => (max > stage.limit ? [at] : [])),
        all,
      );
      this.#broken.set(stage, this.#brokenPart(stage, part, worst, call, all[call] ?? new Map()));
    }
    this.#here = new Map();
    this.#feeds = new Map();
  }

  /** Of a stage's part before and after the pass, which may have dropped an input, by call. */
  #feedsOf(index: number): readonly ReadonlyMap<string, RunTensor>[] {
    const fair = this.#feeds.get(`fair ${index}`) ?? [];
    const after = this.#feeds.get(`after ${index}`) ?? [];
    return Array.from({ length: Math.max(fair.length, after.length) }, (_, call) => {
      return new Map([...(fair[call] ?? []), ...(after[call] ?? [])]);
    });
  }

  #brokenPart(
    stage: Stage,
    part: number,
    worst: Worst,
    call: number,
    feeds: ReadonlyMap<string, RunTensor>,
  ): BrokenPart {
    const modelAt = (parts: readonly ModelPart[]): Model => {
      const model = parts[part]?.model;
      if (model === undefined) throw new RangeError(`no part ${part}`);
      return model;
    };
    return {
      part,
      block: blockName(this.#partsOf(this.#request.original), part),
      error: errorOf(worst),
      value: worst.value,
      nonFinite: worst.nonFinite,
      call: this.#request.run.label(furthest(worst.calls)),
      recorded: this.#request.run.label(call),
      feeds,
      before: modelAt(cutModel(stage.before, this.#cuts)),
      fair: modelAt(this.#partsOf(stage.fair)),
      after: modelAt(this.#partsOf(stage.after)),
    };
  }
}

function errorOf({ max, relative }: Worst = none): StageError {
  return { max, relative };
}

function worse(known: Worst = none, wanted: PartOutputs, found: PartOutputs, call: number): Worst {
  let worst = known;
  let largest = known.calls.get(call) ?? 0;
  for (const [name, value] of wanted) {
    const other = found.get(name);
    if (other === undefined) continue;
    const { max, relative, nonFinite } = valueError(value, other);
    const size = nonFinite > 0 ? Number.POSITIVE_INFINITY : max;
    largest = Math.max(largest, size);
    if (size > worst.max) worst = { ...worst, max: size, relative, value: name, nonFinite };
  }
  return { ...worst, calls: new Map(known.calls).set(call, largest) };
}

function furthest(calls: ReadonlyMap<number, number>): number {
  return [...calls].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? 0;
}

/** Of these calls the one that is fed with the least. */
function smallest(calls: readonly number[], feeds: readonly ReadonlyMap<string, RunTensor>[]): number {
  const bytes = (call: number): number =>
    [...(feeds[call] ?? [])].reduce((sum, [, value]) => sum + value.data.byteLength, 0);
  return calls.toSorted((a, b) => bytes(a) - bytes(b))[0] ?? 0;
}
