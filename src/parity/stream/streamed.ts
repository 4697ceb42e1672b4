/**
 * The check of a whole model, part after part: each part's builds are loaded, run over everything that was recorded,
 * and released, so that memory does not grow with the number of layers. Outputs are compared by level; besides, what
 * goes from part to part gives curves per component.
 *
 * The original runs on its own values, and the output on what its own components made before, as a user has it; what
 * proves single blocks runs over one prompt and its pictures (lane-plan.ts). Prompts and what follows them are known
 * beforehand (teacher forcing), so that a part is visited once: it runs all prompts and then every step after them on
 * its own cache.
 */
import { isPicture } from '../../architectures/log-mel.ts';
import { fail } from '../../report/diagnostics.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { cacheNames, embedNames, output } from '../components.ts';
import { comparedLayers } from '../decoding.ts';
import { type Level, levels as levelOrder } from '../gates.ts';
import { drawingNames, lastPositions } from '../guidance.ts';
import { type Drawing, drawDrawing } from '../inputs/drawing.ts';
import { checkNames, type OutputResult } from '../outputs.ts';
import { checkLengths, featureRows, lengthsOutput } from '../picture-features.ts';
import { viewName } from '../places.ts';
import type { ErrorCurve, LevelReport } from '../report/report.ts';
import { buildNames, cutBuilds, outputBuilds } from './builds.ts';
import { type DecoderCall, decoderCalls, decoderSchedule, embedCalls, pictureCalls } from './calls.ts';
import { type ComponentParts, type ComponentRun, runComponent } from './component-run.ts';
import { drawContinuations, pickContinuations } from './continuations.ts';
import { type BothValues, codeEmbedRun, generatorRun, headRun } from './drawing-runs.ts';
import { probeOf } from './lane-plan.ts';
import type { Call } from './lanes.ts';
import type { StreamRequest, StreamResult } from './request.ts';
import {
  type DecoderSample,
  decoderSink,
  embedSink,
  featureSink,
  Picks,
  positionsOf,
  promptPlace,
  trimDecoder,
} from './sinks.ts';
import { withUsedRows } from './used-rows.ts';

/**
 * Throws VC6101 and VC6102 when inputs or outputs do not pair, VC6103 when an output had nothing to compare, VC6104
 * with the first part whose reference is not finite; VC6001..VC6004 from the runtime.
 */
export async function runStreamed(request: StreamRequest): Promise<StreamResult> {
  const check = new StreamedCheck(request);
  await check.decoder(await check.beforeDecoder());
  return check.result();
}

/** What the decoder is run with. */
interface DecoderInput {
  readonly drawing: Drawing | undefined;
  /** Ids that follow each prompt. */
  readonly continuations: readonly (readonly number[])[];
  readonly schedule: readonly DecoderCall[];
  readonly calls: readonly Call[];
  /** With what the output made before. */
  readonly chained: readonly Call[];
}

/** A tensor per picture, prompt or run, of the original and of the output. */
interface Both {
  readonly reference: readonly RunTensor[];
  readonly converted: readonly RunTensor[];
}

class StreamedCheck {
  readonly #request: StreamRequest;
  readonly #cuts: Map<string, ComponentParts>;
  readonly #results = new Map<Level, OutputResult[]>();
  readonly #curves: ErrorCurve[] = [];
  readonly #total: number;
  /** The prompt that single blocks are proved with. */
  readonly #probe: number;
  #done = 0;
  #greedy: LevelReport['greedy'] = [];

  constructor(request: StreamRequest) {
    this.#request = request;
    this.#cuts = new Map([...request.builds].map(([id, builds]) => [id, cutBuilds(builds, request.cut)]));
    this.#probe = probeOf(request.sample);
    this.#total = [...this.#cuts.values()].reduce((sum, cut) => sum + (cut.get('reference')?.length ?? 0), 0);
  }

  result(): StreamResult {
    const levels = levelOrder.flatMap((level): LevelReport[] => {
      const outputs = this.#results.get(level);
      if (outputs === undefined) return [];
      const layers = outputs.some((one) => one.output === 'cache') ? this.#cacheLayers(level) : undefined;
      const greedy = level === 'fidelity' ? this.#greedy : [];
      return [{ level, outputs, greedy, ...(layers === undefined ? {} : { cacheLayers: layers }) }];
    });
    return { levels, curves: this.#curves };
  }

  /** All components but the decoder. What they gave is in its inputs alone then: of long prompts it is much. */
  async beforeDecoder(): Promise<DecoderInput> {
    const { recipe, sample, decodeSteps } = this.#request;
    const { prompts } = sample;
    const features = await this.#vision();
    const { continuations, drawing } =
      this.#request.continuation === 'drawn'
        ? {
            continuations: drawContinuations(recipe, sample, decodeSteps),
            drawing: drawDrawing(recipe, sample.seed),
          }
        : await pickContinuations(this.#request, features.reference);
    const embeds = await this.#embed(continuations, drawing);
    const codes = await this.#codes(drawing);
    const schedule = decoderSchedule(prompts.length, decodeSteps, drawing);
    const feed = (from: 'reference' | 'converted'): readonly Call[] =>
      decoderCalls({
        recipe,
        prompts,
        calls: schedule,
        embeds: embeds[from],
        features: features[from],
        drawing: drawing && codes && { drawing, codes: codes[from] },
      });
    return { drawing, continuations, schedule, calls: feed('reference'), chained: feed('converted') };
  }

  /** What needs no decoder of that which draws pictures: the generator, and the embeddings [1, T, hidden] of codes. */
  async #codes(drawing: Drawing | undefined): Promise<BothValues | undefined> {
    const { pictures } = this.#request.recipe;
    if (pictures === undefined || drawing === undefined) return undefined;
    checkNames(
      pictures.generator.component,
      [drawingNames.pixels],
      this.#outputNames(pictures.generator.component),
    );
    await this.#run(generatorRun({ pictures, drawing }));
    const { component } = pictures.embed;
    checkNames(component, [embedNames.output], this.#outputNames(component));
    this.#cuts.set(component, this.#withUsedRows(component, new Set(drawing.codes)));
    let embeds: BothValues | undefined;
    await this.#run(
      codeEmbedRun(component, drawing, (made) => {
        embeds = made;
      }),
    );
    return embeds;
  }

  /** Features per picture; empty when the model sees none. */
  async #vision(): Promise<Both> {
    const { recipe, sample } = this.#request;
    if (recipe.encoder === undefined) return { reference: [], converted: [] };
    const { component, output: name } = recipe.encoder;
    if (sample.media.length === 0) throw fail('VC6103', { where: 'the picture' });
    const names = this.#outputNames(component);
    const lengths = lengthsOutput(recipe.encoder);
    const features: { reference: RunTensor[]; converted: RunTensor[] } = { reference: [], converted: [] };
    await this.#run({
      component,
      calls: pictureCalls(sample.media),
      probe: this.#picturesOfProbe(),
      sink: (_feed, calls) =>
        featureSink(
          component,
          names.filter((one) => one !== lengths),
          { recipe, sample, calls },
        ),
      cache: new Map(),
      // Rows behind a sound are of no one's concern: no prompt gets them.
      trim: (call, output, value) => {
        const layout = sample.media[call]?.layout;
        return output === name && layout !== undefined ? featureRows(value, layout) : value;
      },
      place: (call, _value, { shape }) => {
        const layout = sample.media[call]?.layout;
        if (layout !== undefined && !isPicture(layout)) return (row) => `sound ${call}, position ${row}`;
        const prefix = sample.media.length === 1 ? '' : `picture ${call}, `;
        const [, views, rows = 1] = shape;
        const own = layout?.views ?? [];
        if (shape.length !== 4 || views !== own.length) return (row) => `${prefix}row ${row}`;
        return (row) => {
          const view = own[Math.floor(row / rows)];
          return `${prefix}${view === undefined ? '' : `${viewName(view)}, `}row ${row % rows}`;
        };
      },
      onOutputs: (call, reference, converted) => {
        const tokens = sample.media[call]?.layout.tokens ?? 0;
        for (const outputs of [reference, converted]) checkLengths(outputs, lengths, tokens);
        if (!reference.has(name)) return;
        features.reference[call] = output(reference, name);
        features.converted[call] = output(converted, name);
      },
    });
    return features;
  }

  /** Embeddings [1, S + steps, hidden] per prompt, of its ids and those that follow, and of the rows of a drawing. */
  async #embed(continuations: readonly (readonly number[])[], drawing: Drawing | undefined): Promise<Both> {
    const { recipe, sample } = this.#request;
    const { component } = recipe.embed;
    checkNames(component, [embedNames.output], this.#outputNames(component));
    const embeds: { reference: RunTensor[]; converted: RunTensor[] } = { reference: [], converted: [] };
    const { prompts } = sample;
    const drawn = drawing?.rows.flat() ?? [];
    const ids = new Set([...prompts.flatMap((prompt) => prompt.ids), ...continuations.flat(), ...drawn]);
    this.#cuts.set(component, this.#withUsedRows(component, ids));
    await this.#run({
      component,
      calls: embedCalls(prompts, continuations, this.#request.decodeSteps, drawing),
      probe: new Set([this.#probe]),
      sink: () => embedSink(component, { prompts, drawing }),
      cache: new Map(),
      trim: (_call, _name, value) => value,
      place: (call) => (row) => promptPlace({ prompts, drawing }, call, 0, row),
      onOutputs: (call, reference, converted) => {
        if (!reference.has(embedNames.output)) return;
        embeds.reference[call] = output(reference, embedNames.output);
        embeds.converted[call] = output(converted, embedNames.output);
      },
    });
    return embeds;
  }

  async decoder({ drawing, continuations, schedule, calls, chained }: DecoderInput): Promise<void> {
    const { recipe, sample, decodeSteps } = this.#request;
    const { component, layers, hidden } = recipe.decoder;
    const pairs = cacheNames(layers);
    const names = [
      'logits',
      ...(hidden === undefined ? [] : [hidden]),
      ...pairs.map(([, present]) => present),
    ];
    checkNames(component, names, this.#outputNames(component));
    const { prompts } = sample;
    const isProbe = ({ prompt }: DecoderCall): boolean => prompt === this.#probe || prompt === prompts.length;
    const probe = new Set(schedule.flatMap((call, index) => (isProbe(call) ? [index] : [])));
    const known: DecoderSample = {
      recipe,
      prompts,
      drawing,
      continuations,
      decodeSteps,
      calls: schedule,
      probe,
    };
    const picks = new Picks(known);
    const states: { reference: RunTensor[]; converted: RunTensor[] } = { reference: [], converted: [] };
    await this.#run({
      component,
      calls,
      chained,
      probe,
      sink: (way) => decoderSink(component, way, known, way === 'chain' ? picks : undefined),
      cache: new Map(pairs),
      trim: (call, name, value) => trimDecoder(known, call, name, value),
      rows: (call, vocab) => {
        const { prompt, step } = schedule[call] ?? {};
        return prompt === prompts.length || step !== undefined ? undefined : positionsOf(known, call, vocab);
      },
      place: (call, name, value) => {
        const { prompt = 0, step } = schedule[call] ?? {};
        if (name === 'logits') {
          const positions = positionsOf(known, call, value.shape[2] ?? 0);
          return (row) => promptPlace(known, prompt, positions[row] ?? 0, 0);
        }
        const { length } = prompts[prompt]?.ids ?? drawing?.rows[0] ?? [];
        return (row) => promptPlace(known, prompt, step === undefined ? 0 : length + step, row);
      },
      onOutputs: (call, reference, converted) => {
        if (hidden === undefined || schedule[call]?.prompt !== prompts.length || !reference.has(hidden))
          return;
        const at = (schedule[call]?.step ?? -1) + 1;
        states.reference[at] = output(reference, hidden);
        states.converted[at] = output(converted, hidden);
      },
    });
    if (this.#request.continuation === 'picked') this.#greedy = picks.finish();
    await this.#head(drawing, states);
  }

  /** `states`: the decoder's, per run of the drawing. */
  async #head(drawing: Drawing | undefined, states: Both): Promise<void> {
    const { pictures } = this.#request.recipe;
    if (pictures === undefined || drawing === undefined) return;
    const { component } = pictures.head;
    checkNames(component, [drawingNames.logits], this.#outputNames(component));
    const hidden = {
      reference: lastPositions(states.reference),
      converted: lastPositions(states.converted),
    };
    await this.#run(headRun({ pictures, drawing, hidden }));
  }

  #picturesOfProbe(): ReadonlySet<number> {
    const { prompts, media: pictures } = this.#request.sample;
    const shown = prompts[this.#probe]?.spans.map(({ media: picture }) => picture) ?? [];
    return new Set(shown.length === 0 ? pictures.keys() : shown);
  }

  /** Those whose cache is compared: by themselves all, in chain as many as are kept to the end. */
  #cacheLayers(level: Level): number {
    const { recipe, sample, decodeSteps } = this.#request;
    const all = recipe.decoder.layers;
    const kept = sample.prompts.map(({ ids }) => comparedLayers(recipe, ids.length + decodeSteps).length);
    return level === 'fidelity' ? Math.min(...kept) : all;
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

  /** The parts of the embedding table's builds that are computed with the rows that ids look up. */
  #withUsedRows(component: string, ids: ReadonlySet<number>): ComponentParts {
    const parts: ComponentParts = this.#cuts.get(component) ?? new Map();
    // What runs where is told of the graphs as they are.
    if (this.#request.devices.reference !== 'cpu') return parts;
    return new Map(
      [...parts].map(([build, all]) => [
        build,
        outputBuilds.has(build)
          ? all
          : all.map((part) => ({ ...part, model: withUsedRows(part.model, embedNames.input, ids) })),
      ]),
    );
  }

  async #run(run: ComponentRun): Promise<void> {
    const { component, calls } = run;
    const { place, onStep, onPlacement, onCalls, devices, signal } = this.#request;
    onCalls?.(component, calls);
    const parts = this.#cuts.get(component);
    if (parts === undefined) throw new RangeError(`${component} was not cut`);
    const { outputs, curve } = await runComponent(run, parts, {
      devices,
      place,
      onPlacement,
      onBlock: (name) => {
        onStep(`${component}, ${name}`, this.#done, this.#total);
        this.#done += 1;
      },
      signal,
    });
    for (const [level, results] of outputs) {
      this.#results.set(level, [...(this.#results.get(level) ?? []), ...results]);
    }
    this.#curves.push(curve);
  }
}
