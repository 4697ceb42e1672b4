/**
 * The runs of each component in a bisection, fed with what the original's components made before: pictures, prompts,
 * and a few steps after each prompt on its own cache. Layouts are those of ../components.ts.
 */
import type { GenerationRecipe } from '../../architectures/architecture.ts';
import { fail } from '../../report/diagnostics.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { cacheNames, embedNames, output } from '../components.ts';
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
import type { Call } from '../stream/lanes.ts';

export interface ComponentRun {
  readonly component: string;
  readonly calls: readonly Call[];
  /** Input that holds the past → the output that it is in the call before. */
  readonly cache: ReadonlyMap<string, string>;
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
  const { encoder: vision, embed, decoder } = recipe;
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
  const embeds = await body({
    component: embed.component,
    calls: embedCalls(prompts, continuations, steps),
    cache: new Map(),
    label: (call) => `prompt ${call}`,
    rows: all,
  });
  const calls = decoderSchedule(prompts.length, steps);
  await body({
    component: decoder.component,
    calls: decoderCalls({
      recipe,
      prompts,
      calls,
      embeds: embeds.map((outputs) => output(outputs, embedNames.output)),
      features,
    }),
    cache: new Map(cacheNames(decoder.layers)),
    label: (call) => callLabel(calls[call]),
    rows: (call, vocab) => {
      const { prompt, step } = calls[call] ?? {};
      const length = prompts[prompt ?? 0]?.ids.length ?? 0;
      return step === undefined ? sampledRows(length, vocab) : undefined;
    },
  });
}

function callLabel(call: DecoderCall | undefined): string {
  const { prompt = 0, step } = call ?? {};
  return step === undefined ? `prompt ${prompt}` : `prompt ${prompt}, step ${step}`;
}
