/**
 * The runs of each component in a bisection, fed with what the original's components made before: pictures, prompts, a few
 * steps after each prompt on its own cache, and a picture that is drawn. Layouts are those of ../components.ts.
 */
import type { GenerationRecipe, PictureGeneration } from '../../architectures/recipe.ts';
import { fail } from '../../report/diagnostics.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { cacheNames, embedNames, output } from '../components.ts';
import { lastPositions } from '../guidance.ts';
import { type Drawing, drawDrawing } from '../inputs/drawing.ts';
import type { Sample } from '../inputs/sample.ts';
import { featureRows } from '../picture-features.ts';
import { sampledRows } from '../places.ts';
import {
  type DecoderCall,
  decoderCalls,
  decoderSchedule,
  embedCalls,
  pictureCalls,
} from '../stream/calls.ts';
import { drawContinuations } from '../stream/continuations.ts';
import { codeEmbedCalls, generatorCalls, headCalls } from '../stream/drawing-runs.ts';
import type { Call } from '../stream/lanes.ts';

export interface ComponentRun {
  readonly component: string;
  readonly calls: readonly Call[];
  /** Input that holds the past → the output that it is in the call before. */
  readonly cache: ReadonlyMap<string, string>;
  /** Outputs that are read when it is done; undefined: all. */
  readonly keeps?: readonly string[];
  /** What a call is, for people: `prompt 0, step 1`. */
  readonly label: (call: number) => string;
  /** The tokens of a call whose results of so many columns are looked at; undefined: all. */
  readonly rows: (call: number, columns: number) => readonly number[] | undefined;
}

export interface RunInputs {
  readonly recipe: GenerationRecipe;
  readonly sample: Sample;
}

/** One step is fed with the cache of a prefill, the second one with that of a step. */
const steps = 2;

/**
 * Runs the body for each component in the order in which they feed each other; it gives the original's outputs, per
 * call. Throws VC6103 where the model sees pictures, or hears sounds, and there are none.
 */
export async function eachComponent(
  { recipe, sample }: RunInputs,
  body: (run: ComponentRun) => Promise<readonly ReadonlyMap<string, RunTensor>[]>,
): Promise<void> {
  const { encoder: vision, embed, decoder, pictures } = recipe;
  const all = (): undefined => undefined;
  let features: readonly RunTensor[] = [];
  if (vision !== undefined) {
    if (sample.media.length === 0) throw fail('VC6103', { where: 'the picture' });
    const made = await body({
      component: vision.component,
      calls: pictureCalls(sample.media),
      cache: new Map(),
      label: (call) => `${sample.media[call]?.kind === 'audio' ? 'sound' : 'picture'} ${call}`,
      rows: all,
    });
    features = made.map((outputs, call) => {
      const layout = sample.media[call]?.layout;
      const own = output(outputs, vision.output);
      return layout === undefined ? own : featureRows(own, layout);
    });
  }
  const { prompts } = sample;
  const continuations = drawContinuations(recipe, sample, steps);
  const drawing = drawDrawing(recipe, sample.seed);
  const label = ({ prompt, step }: DecoderCall): string => {
    const which = prompt === prompts.length ? 'drawn picture' : `prompt ${prompt}`;
    return step === undefined ? which : `${which}, step ${step}`;
  };
  const embeds = await body({
    component: embed.component,
    calls: embedCalls(prompts, continuations, steps, drawing),
    cache: new Map(),
    label: (prompt) => label({ prompt }),
    rows: all,
  });
  const once = { cache: new Map<string, string>(), label: () => 'drawn picture', rows: all };
  const codes =
    pictures === undefined || drawing === undefined
      ? undefined
      : await drawnCodes(pictures, drawing, (component, calls) => body({ ...once, component, calls }));
  const calls = decoderSchedule(prompts.length, steps, drawing);
  const { hidden } = decoder;
  const made = await body({
    component: decoder.component,
    keeps: hidden === undefined ? [] : [hidden],
    calls: decoderCalls({
      recipe,
      prompts,
      calls,
      embeds: embeds.map((outputs) => output(outputs, embedNames.output)),
      features,
      drawing: drawing && codes && { drawing, codes },
    }),
    cache: new Map(cacheNames(decoder.layers)),
    label: (call) => label(calls[call] ?? { prompt: 0 }),
    rows: (call, vocab) => {
      const { prompt, step } = calls[call] ?? {};
      const own = prompts[prompt ?? 0];
      return step === undefined && own !== undefined ? sampledRows(own.ids.length, vocab) : undefined;
    },
  });
  if (pictures === undefined || hidden === undefined) return;
  const states = made
    .filter((_, call) => calls[call]?.prompt === prompts.length)
    .map((outputs) => output(outputs, hidden));
  await body({ ...once, component: pictures.head.component, calls: headCalls(lastPositions(states)) });
}

/** The generator, which feeds nothing, and the embeddings [1, T, hidden] of codes. */
async function drawnCodes(
  { generator, embed }: PictureGeneration,
  drawing: Drawing,
  run: (component: string, calls: readonly Call[]) => Promise<readonly ReadonlyMap<string, RunTensor>[]>,
): Promise<RunTensor | undefined> {
  await run(generator.component, generatorCalls(drawing));
  const [outputs] = await run(embed.component, codeEmbedCalls(drawing));
  return outputs && output(outputs, embedNames.output);
}
