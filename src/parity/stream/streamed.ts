/**
 * The check of a whole model, part after part: each part's builds are loaded, run over everything that was recorded,
 * and released, so that memory does not grow with the number of layers. Outputs are compared as ever; besides, what
 * goes from part to part gives two curves per component.
 *
 * Every lane of a component is fed with the reference's activations at its inputs, but for the chain, which is fed
 * with what the output's own components made. Prompts and what follows them are known beforehand (teacher forcing),
 * so that a part is visited once: it runs all prompts and then every step after them on its own cache.
 */
import type { Model } from '../../graph/model.ts';
import { fail } from '../../report/diagnostics.ts';
import type { Device } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { cacheNames, embedNames, output } from '../components.ts';
import { comparedLayers } from '../decoding.ts';
import { type Level, levels as levelOrder } from '../gates.ts';
import { checkNames, type OutputResult } from '../outputs.ts';
import { positionPlace, viewName } from '../places.ts';
import type { ErrorCurve, LevelReport } from '../report/report.ts';
import { type BuildName, buildNames, cutBuilds } from './builds.ts';
import { decoderCalls, decoderSchedule, embedCalls, pictureCalls } from './calls.ts';
import { drawContinuations, pickContinuations } from './continuations.ts';
import { blockName, type Curve, CurveErrors } from './curve.ts';
import { type Call, type Lane, type LaneRequest, type Pair, type PartOutputs, runLanes } from './lanes.ts';
import type { ModelPart } from './parts.ts';
import type { StreamRequest, StreamResult } from './request.ts';
import { rowWiseInput, selectRows } from './row-wise.ts';
import {
  type DecoderSample,
  decoderSink,
  embedSink,
  featureSink,
  Picks,
  positionsOf,
  type Sink,
  trimDecoder,
} from './sinks.ts';

/**
 * Throws VC6101 and VC6102 when inputs or outputs do not pair, VC6103 when an output had nothing to compare, VC6104
 * with the first part whose reference is not finite; VC6001..VC6004 from the runtime.
 */
export async function runStreamed(request: StreamRequest): Promise<StreamResult> {
  const { recipe, sample } = request;
  const check = new StreamedCheck(request);
  const features = await check.vision();
  const continuations =
    request.continuation === 'drawn'
      ? drawContinuations(recipe, sample, request.decodeSteps)
      : await pickContinuations(request, features.reference);
  const embeds = await check.embed(continuations);
  await check.decoder(continuations, embeds, features);
  return check.result();
}

/** A tensor per picture or prompt, of the original and of the output. */
interface Both {
  readonly reference: readonly RunTensor[];
  readonly converted: readonly RunTensor[];
}

type Cut = ReadonlyMap<BuildName, readonly ModelPart[]>;

interface ComponentRun {
  readonly component: string;
  /** Runs of the component, with what the original made before. */
  readonly calls: readonly Call[];
  /** The same, with what the output made before; undefined: it is the same. */
  readonly chained?: readonly Call[];
  readonly sink: (level: Level, feed: 'local' | 'chain') => Sink;
  readonly cache: ReadonlyMap<string, string>;
  readonly trim: (call: number, name: string, value: RunTensor) => RunTensor | undefined;
  /** The tokens whose results are looked at, of so many columns each; undefined: all. */
  readonly rows?: (call: number, columns: number) => readonly number[] | undefined;
  readonly place: (call: number, name: string, value: RunTensor) => (row: number) => string;
  /** Gets the outputs of the lanes `reference` and `converted`. */
  readonly onOutputs?: (call: number, reference: PartOutputs, converted: PartOutputs) => void;
}

class StreamedCheck {
  readonly #request: StreamRequest;
  readonly #cuts: ReadonlyMap<string, Cut>;
  readonly #results = new Map<Level, OutputResult[]>();
  readonly #curves: ErrorCurve[] = [];
  readonly #total: number;
  #done = 0;
  #cacheLayers: number | undefined;
  #greedy: LevelReport['greedy'] = [];

  constructor(request: StreamRequest) {
    this.#request = request;
    this.#cuts = new Map([...request.builds].map(([id, builds]) => [id, cutBuilds(builds, request.cut)]));
    this.#total = [...this.#cuts.values()].reduce((sum, cut) => sum + (cut.get('reference')?.length ?? 0), 0);
  }

  result(): StreamResult {
    const levels = levelOrder.flatMap((level): LevelReport[] => {
      const outputs = this.#results.get(level);
      if (outputs === undefined) return [];
      const layers = outputs.some((one) => one.output === 'cache') ? this.#cacheLayers : undefined;
      const greedy = level === 'fidelity' ? this.#greedy : [];
      return [{ level, outputs, greedy, ...(layers === undefined ? {} : { cacheLayers: layers }) }];
    });
    return { levels, curves: this.#curves };
  }

  /** Features per picture; empty when the model sees none. */
  async vision(): Promise<Both> {
    const { recipe, sample, image } = this.#request;
    if (recipe.vision === undefined) return { reference: [], converted: [] };
    const { component, input, output: name } = recipe.vision;
    if (image === undefined || sample.pictures.length === 0) throw fail('VC6103', { where: 'the picture' });
    const names = this.#outputNames(component);
    const features: { reference: RunTensor[]; converted: RunTensor[] } = { reference: [], converted: [] };
    await this.#run({
      component,
      calls: pictureCalls(input, sample.pictures),
      sink: () => featureSink(component, names, { recipe, image, sample }),
      cache: new Map(),
      trim: (_call, _name, value) => value,
      place: (call, _value, { shape }) => {
        const prefix = sample.pictures.length === 1 ? '' : `picture ${call}, `;
        const [, views, rows = 1] = shape;
        if (shape.length !== 4 || views !== image.views.length) return (row) => `${prefix}row ${row}`;
        return (row) => {
          const view = image.views[Math.floor(row / rows)];
          return `${prefix}${view === undefined ? '' : `${viewName(view)}, `}row ${row % rows}`;
        };
      },
      onOutputs: (call, reference, converted) => {
        if (!reference.has(name)) return;
        features.reference[call] = output(reference, name);
        features.converted[call] = output(converted, name);
      },
    });
    return features;
  }

  /** Embeddings [1, S + steps, hidden] per prompt, of its ids and those that follow. */
  async embed(continuations: readonly (readonly number[])[]): Promise<Both> {
    const { recipe, sample } = this.#request;
    const { component } = recipe.embed;
    checkNames(component, [embedNames.output], this.#outputNames(component));
    const embeds: { reference: RunTensor[]; converted: RunTensor[] } = { reference: [], converted: [] };
    await this.#run({
      component,
      calls: embedCalls(sample.prompts, continuations, this.#request.decodeSteps),
      sink: () => embedSink(component, sample.prompts),
      cache: new Map(),
      trim: (_call, _name, value) => value,
      place: (call) => this.#promptPlace(call, 0),
      onOutputs: (call, reference, converted) => {
        if (!reference.has(embedNames.output)) return;
        embeds.reference[call] = output(reference, embedNames.output);
        embeds.converted[call] = output(converted, embedNames.output);
      },
    });
    return embeds;
  }

  async decoder(continuations: readonly (readonly number[])[], embeds: Both, features: Both): Promise<void> {
    const { recipe, sample, decodeSteps } = this.#request;
    const { component, layers } = recipe.decoder;
    const pairs = cacheNames(layers);
    checkNames(component, ['logits', ...pairs.map(([, present]) => present)], this.#outputNames(component));
    const { prompts } = sample;
    const calls = decoderSchedule(prompts.length, decodeSteps);
    const known: DecoderSample = { recipe, prompts, continuations, decodeSteps, calls };
    const picks = new Picks(known);
    const feed = (from: 'reference' | 'converted'): readonly Call[] =>
      decoderCalls({ recipe, prompts, calls, embeds: embeds[from], features: features[from] });
    this.#cacheLayers = Math.min(
      ...sample.prompts.map(({ ids }) => comparedLayers(recipe, ids.length + decodeSteps).length),
    );
    await this.#run({
      component,
      calls: feed('reference'),
      chained: feed('converted'),
      sink: (_level, way) => decoderSink(component, way, known, way === 'chain' ? picks : undefined),
      cache: new Map(pairs),
      trim: (call, name, value) => trimDecoder(known, call, name, value),
      rows: (call, vocab) => (calls[call]?.step === undefined ? positionsOf(known, call, vocab) : undefined),
      place: (call, name, value) => {
        const { prompt = 0, step } = calls[call] ?? {};
        if (name === 'logits') {
          const positions = positionsOf(known, call, value.shape[2] ?? 0);
          return (row) => this.#promptPlace(prompt, positions[row] ?? 0)(0);
        }
        return this.#promptPlace(
          prompt,
          step === undefined ? 0 : (sample.prompts[prompt]?.ids.length ?? 0) + step,
        );
      },
    });
    if (this.#request.continuation === 'picked') this.#greedy = picks.finish();
  }

  #promptPlace(index: number, first: number): (row: number) => string {
    const prompt = this.#request.sample.prompts[index];
    return (row) => (prompt === undefined ? `row ${row}` : positionPlace(index, prompt, first + row));
  }

  /** Names of the graph's outputs, which every build has. Throws VC6102 where one has others. */
  #outputNames(component: string): readonly string[] {
    const builds = this.#request.builds.get(component);
    if (builds === undefined) {
      const found = [...this.#request.builds.keys()].join(', ');
      throw fail('VC6101', { found, expected: `a component ${component}` });
    }
    const names = builds.reference.graph.outputs.map((value) => value.name);
    for (const name of buildNames(builds)) {
      checkNames(component, names, builds[name]?.graph.outputs.map((value) => value.name) ?? []);
    }
    return names;
  }

  async #run(run: ComponentRun): Promise<void> {
    const { component, calls, chained } = run;
    const { place, onStep, onPlacement, devices, signal } = this.#request;
    this.#request.onCalls?.(component, calls);
    const parts = this.#cuts.get(component);
    const own = parts?.get('reference');
    if (parts === undefined || own === undefined) throw new RangeError(`${component} was not cut`);
    const exact: BuildName = parts.has('exact') ? 'exact' : 'converted';
    const { reference: device, converted: outputDevice } = devices;
    // What the device adds shows beside the original on the CPU, and so do passes, which have nothing to do with it.
    const host = device === 'cpu' ? 'reference' : 'host';
    const deviceOf: Readonly<Record<BuildName, Device>> = {
      reference: device,
      rewritten: 'cpu',
      plain: device,
      converted: outputDevice,
      exact: outputDevice,
    };
    const curves: readonly CurveLane[] = [
      { id: 'local', build: 'converted', from: 'reference' },
      { id: 'implementation', build: exact, from: 'plain' },
      ...(parts.has('rewritten') ? [{ id: 'rewrite', build: 'rewritten', from: host } as const] : []),
    ];
    const lanes: Lane[] = [
      ...(host === 'host' ? [{ id: host, build: 'reference', device: 'cpu', calls } as const] : []),
      ...[...parts.keys()].map((build): Lane => ({ id: build, build, device: deviceOf[build], calls })),
      ...curves.map(
        ({ id, build, from }): Lane => ({ id, build, device: deviceOf[build], calls, fedFrom: from }),
      ),
      ...(chained === undefined
        ? []
        : [{ id: 'chain', build: 'converted', device: outputDevice, calls: chained } as const]),
    ];
    const levelPairs: readonly {
      readonly level: Level;
      readonly reference: string;
      readonly other: string;
    }[] = [
      ...(host === 'host' ? [{ level: 'device', reference: host, other: 'reference' } as const] : []),
      ...(parts.has('rewritten') ? [{ level: 'rewrite', reference: host, other: 'rewritten' } as const] : []),
      { level: 'implementation', reference: 'plain', other: exact },
      { level: 'fidelity', reference: 'reference', other: 'converted' },
      ...(chained === undefined
        ? []
        : [{ level: 'fidelity', reference: 'reference', other: 'chain' } as const]),
    ];
    const compared = levelPairs.map((pair) => ({
      ...pair,
      sink: run.sink(pair.level, pair.other === 'chain' ? 'chain' : 'local'),
    }));
    const curve = new CurveErrors(own, run);
    const pairs: Pair[] = [
      ...compared.map(({ reference, other, sink }) => ({
        reference,
        other,
        compare: (_part: number, ...values: Parameters<Sink['add']>) => sink.add(...values),
      })),
      ...curves.map(
        ({ id, from }): Pair => ({
          reference: from,
          other: id,
          compare: (...values) => curve.add(id, ...values),
        }),
      ),
      {
        reference: 'reference',
        other: 'converted',
        compare: (part, call, reference, other) => {
          curve.add('accumulated', part, call, reference, other);
          run.onOutputs?.(call, reference, other);
        },
      },
    ];
    await runLanes({
      parts,
      give: selection(parts, run.rows),
      lanes,
      pairs,
      cache: run.cache,
      trim: run.trim,
      place: (part) => place(component, modelsOf(parts, part)),
      recorded: ['reference', 'converted'],
      onRecord: (ran, session) => {
        for (const build of ['reference', 'converted'] as const) {
          if (ran.includes(build)) onPlacement(component, build, session.placement);
        }
      },
      onPart: (part) => {
        onStep(`${component}, ${blockName(own, part)}`, this.#done, this.#total);
        this.#done += 1;
      },
      signal,
    });
    for (const { level, sink } of compared) {
      this.#results.set(level, [...(this.#results.get(level) ?? []), ...sink.finish()]);
    }
    this.#curves.push({ component, blocks: curve.finish() });
  }
}

function modelsOf(parts: Cut, part: number): ReadonlyMap<BuildName, Model> {
  return new Map(
    [...parts].flatMap(([build, all]) => {
      const model = all[part]?.model;
      return model === undefined ? [] : [[build, model] as const];
    }),
  );
}

/** Gives parts that work token by token, in every build, no more than the tokens whose results are looked at. */
function selection(parts: Cut, rowsOf: ComponentRun['rows']): LaneRequest['give'] {
  const made = new Map<RunTensor, RunTensor>();
  const last = [...parts.values()].map((all) => all.at(-1));
  const inputs = new Set(last.map((part) => part && rowWiseInput(part)));
  const [input] = inputs;
  const index = (parts.get('reference')?.length ?? 0) - 1;
  const type = parts.get('reference')?.at(-1)?.model.graph.outputs[0]?.type;
  const columns = type?.kind === 'tensor' ? type.shape?.at(-1) : undefined;
  if (rowsOf === undefined || input === undefined || inputs.size > 1 || typeof columns !== 'number') {
    return (_part, _call, _name, value) => value;
  }
  return (part, call, name, value) => {
    const rows = part === index && name === input ? rowsOf(call, columns) : undefined;
    if (rows === undefined || rows.length === value.shape[1]) return value;
    const known = made.get(value) ?? selectRows(value, rows);
    made.set(value, known);
    return known;
  };
}

/** A build whose every part is fed with what another build made. */
interface CurveLane {
  readonly id: Exclude<Curve, 'accumulated'>;
  readonly build: BuildName;
  readonly from: string;
}
