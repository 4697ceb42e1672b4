/**
 * Runs a component's plain graph and its output side by side, part after part, and measures the ranges of values
 * inside. No more than one part of one of the two is open at a time, and no activation leaves it but what the next part
 * reads. Each of the two goes its own way: what it is fed with is what it made before.
 */
import type { Model } from '../../graph/model.ts';
import type { Device } from '../../runtime/devices.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { openPart } from '../locate/replay.ts';
import { blockName } from '../stream/curve.ts';
import { type CutOptions, findCuts } from '../stream/cuts.ts';
import type { PlacedPart } from '../stream/lanes.ts';
import { commonCuts, cutModel, type ModelPart } from '../stream/parts.ts';
import { chooseRanges, measurable, type RangeChoice } from './choose.ts';
import { instrument, type Reading, readRanges } from './instrument.ts';
import { type NonFinite, pinNonFinite } from './locate.ts';

/** `plain`: the float32 graph with the values that the output's weights have. `converted`: the output. */
export type RangeBuild = 'plain' | 'converted';

const builds: readonly RangeBuild[] = ['plain', 'converted'];

/** Inputs of one run, and what the one build makes of them. */
type Feeds = ReadonlyMap<string, RunTensor>;

export type RangeModels = Readonly<Record<RangeBuild, Model>>;

/** The parts of both, as many of one as of the other. */
export type RangeParts = Readonly<Record<RangeBuild, readonly ModelPart[]>>;

export function cutRanges({ plain, converted }: RangeModels, cut: CutOptions): RangeParts {
  const cuts = commonCuts(findCuts(plain.graph, cut), [plain.graph, converted.graph]);
  return { plain: cutModel(plain, cuts), converted: cutModel(converted, cuts) };
}

export interface MeasureRequest {
  readonly models: RangeModels;
  readonly parts: RangeParts;
  readonly devices: Readonly<Record<RangeBuild, Device>>;
  /** Per build the inputs of each run; as many for one as for the other. */
  readonly calls: Readonly<Record<RangeBuild, readonly Feeds[]>>;
  /** Of the graph's outputs, those that the caller wants. */
  readonly outputs: readonly string[];
  /** Puts the weights of models where the runtime can read them. */
  readonly place: (models: ReadonlyMap<string, Model>) => Promise<PlacedPart>;
  /** Called with the block that is next. */
  readonly onPart: (block: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** The largest that was read of a value, and in which run. */
export interface CallReading extends Reading {
  readonly call: number;
}

export interface Measured {
  readonly choice: RangeChoice;
  /** Names of the blocks, in order. */
  readonly blocks: readonly string[];
  /** By name of the value; `block` is an index. */
  readonly readings: Readonly<
    Record<RangeBuild, ReadonlyMap<string, CallReading & { readonly block: number }>>
  >;
  /** Per build and run. */
  readonly outputs: Readonly<Record<RangeBuild, readonly Feeds[]>>;
  /** Where the output first gives what is not finite. */
  readonly nonFinite?: NonFinite & { readonly call: number; readonly block: number };
}

/** Throws what placing and runs throw, and the signal's reason. */
export async function measureRanges(request: MeasureRequest): Promise<Measured> {
  return await new Measurement(request).run();
}

class Measurement {
  readonly #request: MeasureRequest;
  readonly #choice: RangeChoice;
  readonly #parts: RangeParts;
  readonly #readings = {
    plain: new Map<string, CallReading & { readonly block: number }>(),
    converted: new Map<string, CallReading & { readonly block: number }>(),
  };
  /** Per run: what later parts read, and outputs that are wanted. */
  readonly #values: Readonly<Record<RangeBuild, readonly Map<string, RunTensor>[]>>;
  #nonFinite: Measured['nonFinite'];

  constructor(request: MeasureRequest) {
    const { models, parts, calls } = request;
    this.#request = request;
    this.#choice = chooseRanges(models.plain, models.converted);
    this.#parts = parts;
    this.#values = {
      plain: calls.plain.map((feeds) => new Map(feeds)),
      converted: calls.converted.map((feeds) => new Map(feeds)),
    };
  }

  async run(): Promise<Measured> {
    const { plain } = this.#parts;
    for (const block of plain.keys()) {
      this.#request.signal?.throwIfAborted();
      this.#request.onPart(blockName(plain, block));
      await this.#block(block);
      this.#forget(block);
    }
    return {
      choice: this.#choice,
      blocks: plain.map((_, block) => blockName(plain, block)),
      readings: this.#readings,
      outputs: this.#values,
      ...(this.#nonFinite === undefined ? {} : { nonFinite: this.#nonFinite }),
    };
  }

  async #block(block: number): Promise<void> {
    const instrumented = new Map(
      builds.map((build) => {
        const part = this.#part(build, block);
        const kept = [
          ...part.crossing,
          ...part.outputs.filter((name) => this.#request.outputs.includes(name)),
        ];
        return [build, { ...instrument(part.model, this.#taps(build, part), kept), kept }] as const;
      }),
    );
    const models = new Map([...instrumented].map(([build, { model }]) => [build, model]));
    const placed = await this.#request.place(models);
    const suspects: { readonly call: number; readonly names: readonly string[] }[] = [];
    try {
      for (const [build, own] of instrumented) {
        const session = await placed.open(build, this.#request.devices[build], false);
        try {
          for (const [call, values] of this.#values[build].entries()) {
            this.#request.signal?.throwIfAborted();
            const outputs = await session.run(this.#feeds(build, block, values));
            const readings = readRanges(own, outputs);
            this.#note(build, block, call, readings);
            for (const name of own.kept) {
              const value = outputs.get(name);
              if (value !== undefined) values.set(name, value);
            }
            const names = [...readings].flatMap(([name, { suspect }]) => (suspect ? [name] : []));
            if (build === 'converted' && names.length > 0) suspects.push({ call, names });
          }
        } finally {
          await session.release();
        }
      }
    } finally {
      await placed.release();
    }
    for (const { call, names } of suspects) {
      if (this.#nonFinite !== undefined) return;
      const feeds = this.#feeds('converted', block, this.#values.converted[call] ?? new Map());
      const found = await this.#pin(block, names, feeds);
      if (found !== undefined) this.#nonFinite = { ...found, call, block };
    }
  }

  /** Of the output every value, for each could be the first that is not finite; of the plain graph what it stands for. */
  #taps(build: RangeBuild, { model }: ModelPart): readonly string[] {
    const names = measurable(model.graph);
    if (build === 'converted') return names;
    const { counted, inside } = this.#choice;
    const sources = new Set(counted.values());
    return names.filter((name) => sources.has(name) || inside.has(name));
  }

  #pin(block: number, names: readonly string[], feeds: Feeds): Promise<NonFinite | undefined> {
    const { place, devices } = this.#request;
    const { model } = this.#part('converted', block);
    return pinNonFinite(model, names, feeds, (one) =>
      openPart(place, { build: 'converted', device: devices.converted, model }, one),
    );
  }

  #part(build: RangeBuild, block: number): ModelPart {
    const part = this.#parts[build][block];
    if (part === undefined) throw new RangeError(`${build} has no part ${block}`);
    return part;
  }

  #feeds(build: RangeBuild, block: number, values: Feeds): Feeds {
    return new Map(
      this.#part(build, block).model.graph.inputs.map(({ name }) => {
        const value = values.get(name);
        if (value === undefined) throw new RangeError(`${build}: nothing to feed ${name} with`);
        return [name, value];
      }),
    );
  }

  #note(build: RangeBuild, block: number, call: number, readings: ReadonlyMap<string, Reading>): void {
    const all = this.#readings[build];
    for (const [name, reading] of readings) {
      const known = all.get(name);
      // NaN is larger than nothing and stays.
      if (known === undefined || reading.max > known.max || Number.isNaN(reading.max)) {
        all.set(name, { ...reading, call, block });
      }
    }
  }

  /** Drops what no later part reads. */
  #forget(block: number): void {
    for (const build of builds) {
      const later = this.#parts[build].slice(block + 1);
      const read = new Set(later.flatMap(({ model }) => model.graph.inputs.map(({ name }) => name)));
      for (const values of this.#values[build]) {
        for (const name of [...values.keys()]) {
          if (!read.has(name) && !this.#request.outputs.includes(name)) values.delete(name);
        }
      }
    }
  }
}
