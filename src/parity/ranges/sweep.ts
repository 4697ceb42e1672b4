/**
 * Ranges at several picture sizes. At each size the conversion's plain graphs and its output are run over pictures of
 * that size and over the prompt that their tokens make, part after part, and what is measured is held against the range
 * of float16: a tower may overflow at one size only. What draws pictures knows nothing of the size, and is measured once.
 */

import { isPicture } from '../../architectures/log-mel.ts';
import type { ImageGeometry } from '../../architectures/media.ts';
import type { GenerationRecipe } from '../../architectures/recipe.ts';
import type { Model } from '../../graph/model.ts';
import { fail } from '../../report/diagnostics.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { embedNames, output } from '../components.ts';
import { drawDrawing } from '../inputs/drawing.ts';
import type { Prompt, Sample } from '../inputs/sample.ts';
import type { RangeReport, RangesAtSize } from '../report/range-report.ts';
import { decoderCalls, decoderSchedule, embedCalls, pictureCalls } from '../stream/calls.ts';
import type { CutOptions } from '../stream/cuts.ts';
import { codeEmbedCalls, generatorCalls, headCalls } from '../stream/drawing-runs.ts';
import type { Call, PlacedPart } from '../stream/lanes.ts';
import { type ComponentCalls, summariseRanges } from './component-ranges.ts';
import { float16Max } from './float16-range.ts';
import {
  cutRanges,
  type MeasureRequest,
  measureRanges,
  type RangeBuild,
  type RangeModels,
  type RangeParts,
} from './measure.ts';
import { drawnPlace, type ElementPlace, picturePlace, promptPlace } from './places.ts';

/** A conversion at one size. */
export interface SweepSize {
  /** As asked for: `896x896`. */
  readonly size: string;
  readonly recipe: GenerationRecipe;
  readonly image: ImageGeometry;
  /** Pictures of the size, and prompts. */
  readonly sample: () => Promise<Sample>;
  /** By component id. */
  readonly models: ReadonlyMap<string, RangeModels>;
}

export interface SweepRequest extends Pick<MeasureRequest, 'devices' | 'signal'> {
  readonly sizes: readonly SweepSize[];
  readonly cut: CutOptions;
  readonly place: (models: ReadonlyMap<string, Model>) => Promise<PlacedPart>;
  /** Called before each part, with how many there are in all. */
  readonly onStep: (step: string, total: number) => void;
}

/** Throws VC6003 and VC6004 as runs do, VC6101 where a component is missing, VC6103 where there is no prompt. */
export async function sweepRanges(request: SweepRequest): Promise<RangeReport> {
  const cut = request.sizes.map(({ models, recipe }, index) => {
    const drawing = index === 0 ? [] : drawingComponents(recipe);
    const measured = [...models].filter(([id]) => !drawing.includes(id));
    return new Map(measured.map(([id, own]) => [id, cutRanges(own, request.cut)]));
  });
  const total = cut.flatMap((parts) => [...parts.values()]).reduce((sum, { plain }) => sum + plain.length, 0);
  const sizes: RangesAtSize[] = [];
  for (const [index, size] of request.sizes.entries()) {
    const onPart = (step: string): void => request.onStep(step, total);
    sizes.push(await new SizeRun(request, size, cut[index] ?? new Map(), onPart).run(index === 0));
  }
  return { limit: float16Max, sizes };
}

function drawingComponents({ pictures }: GenerationRecipe): readonly string[] {
  if (pictures === undefined) return [];
  return [pictures.head, pictures.embed, pictures.generator].map(({ component }) => component);
}

/** What each of the two builds made. */
type Made = Readonly<Record<RangeBuild, readonly RunTensor[]>>;

class SizeRun {
  readonly #request: SweepRequest;
  readonly #size: SweepSize;
  readonly #parts: ReadonlyMap<string, RangeParts>;
  readonly #onPart: (step: string) => void;
  readonly #components: RangesAtSize['components'][number][] = [];

  constructor(
    request: SweepRequest,
    size: SweepSize,
    parts: ReadonlyMap<string, RangeParts>,
    onPart: (step: string) => void,
  ) {
    this.#request = request;
    this.#size = size;
    this.#parts = parts;
    this.#onPart = onPart;
  }

  /** `draws`: what draws pictures is measured, too. */
  async run(draws: boolean): Promise<RangesAtSize> {
    const { size, image } = this.#size;
    const sample = await this.#size.sample();
    const [number, prompt] = longest(sample.prompts);
    const features = await this.#vision(sample);
    const embeds = await this.#embed(number, prompt);
    const hidden = await this.#decoder(number, prompt, embeds, features);
    if (draws) await this.#drawing(sample.seed, hidden, promptPlace(number, prompt));
    return {
      size,
      input: image.input,
      summary: image.summary,
      views: image.views.length,
      tokens: image.tokens,
      promptTokens: prompt.ids.length,
      components: this.#components,
    };
  }

  async #vision({ media: pictures }: Sample): Promise<Made> {
    const { recipe } = this.#size;
    if (recipe.encoder === undefined) return { plain: [], converted: [] };
    const { component, output: name } = recipe.encoder;
    const calls = pictureCalls(pictures).map(({ feeds }) => feeds);
    return await this.#measure(component, name, {
      calls: { plain: calls, converted: calls },
      place: (call) => {
        const layout = pictures[call]?.layout;
        const own = layout !== undefined && isPicture(layout) ? layout : this.#size.image;
        return picturePlace(own, call, pictures.length);
      },
    });
  }

  async #embed(number: number, prompt: Prompt): Promise<Made> {
    const calls = embedCalls([prompt], [], 0).map(({ feeds }) => feeds);
    return await this.#measure(this.#size.recipe.embed.component, embedNames.output, {
      calls: { plain: calls, converted: calls },
      place: () => promptPlace(number, prompt),
    });
  }

  /** Its hidden states, where it gives them. */
  async #decoder(number: number, prompt: Prompt, embeds: Made, features: Made): Promise<Made> {
    const { recipe } = this.#size;
    const feeds = (build: RangeBuild) =>
      decoderCalls({
        recipe,
        prompts: [prompt],
        calls: decoderSchedule(1, 0),
        embeds: embeds[build],
        features: features[build],
      }).map((call) => call.feeds);
    return await this.#measure(recipe.decoder.component, recipe.decoder.hidden, {
      calls: { plain: feeds('plain'), converted: feeds('converted') },
      place: () => promptPlace(number, prompt),
    });
  }

  /** Head, embedding of codes and generator, over the codes of a picture that is drawn. */
  async #drawing(seed: number, hidden: Made, place: ElementPlace): Promise<void> {
    const { recipe } = this.#size;
    const drawing = drawDrawing(recipe, seed);
    if (recipe.pictures === undefined || drawing === undefined) return;
    const { head, embed, generator } = recipe.pictures;
    const feeds = (calls: readonly Call[]) => calls.map((call) => call.feeds);
    const alike = (calls: readonly Call[]) => ({ plain: feeds(calls), converted: feeds(calls) });
    const ofHead = (build: RangeBuild) => feeds(hidden[build].flatMap(headCalls));
    await this.#measure(head.component, undefined, {
      calls: { plain: ofHead('plain'), converted: ofHead('converted') },
      place: () => place,
    });
    for (const [component, calls] of [
      [embed.component, codeEmbedCalls(drawing)],
      [generator.component, generatorCalls(drawing)],
    ] as const) {
      await this.#measure(component, undefined, { calls: alike(calls), place: () => drawnPlace });
    }
  }

  /** Measures a component; what it gives under a name, per call. */
  async #measure(component: string, name: string | undefined, calls: ComponentCalls): Promise<Made> {
    const { devices, place, signal } = this.#request;
    const models = this.#size.models.get(component);
    const parts = this.#parts.get(component);
    if (models === undefined || parts === undefined)
      throw fail('VC6101', { expected: `a component ${component}` });
    const measured = await measureRanges({
      models,
      parts,
      devices,
      calls: calls.calls,
      outputs: name === undefined ? [] : [name],
      place,
      onPart: (block) => this.#onPart(`${this.#size.size}, ${component}, ${block}`),
      signal,
    });
    this.#components.push(summariseRanges(component, models, measured, calls));
    if (name === undefined) return { plain: [], converted: [] };
    const plain = measured.outputs.plain.map((outputs) => output(outputs, name));
    // What is not finite is told of this component; the next one is not to be blamed for it.
    const converted = measured.outputs.converted.map((outputs, call) => {
      const own = output(outputs, name);
      return toFloat32(own).every(Number.isFinite) ? own : (plain[call] ?? own);
    });
    return { plain, converted };
  }
}

/** The longest prompt with a picture, else the longest, with its number. Throws VC6103 where there is none. */
function longest(prompts: readonly Prompt[]): readonly [number, Prompt] {
  const [first] = [...prompts.entries()].sort(
    ([, a], [, b]) => Number(b.spans.length > 0) - Number(a.spans.length > 0) || b.ids.length - a.ids.length,
  );
  if (first === undefined) throw fail('VC6103', { where: 'the prompts' });
  return first;
}
