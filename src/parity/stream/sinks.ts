/**
 * Comparisons of a component's outputs, fed as parts give them; places and metrics are those of the unstreamed check.
 */
import type { GenerationRecipe } from '../../architectures/recipe.ts';
import { fail } from '../../report/diagnostics.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { embedNames } from '../components.ts';
import { comparedLayers } from '../decoding.ts';
import { type Drawing, drawingPlace } from '../inputs/drawing.ts';
import type { Prompt, Sample } from '../inputs/sample.ts';
import { argMax, Comparison } from '../metrics.ts';
import { compareTensors, type Feed, finish, type OutputResult } from '../outputs.ts';
import { cachePlace, featureGrids, featurePlace, nextTokens, positionPlace, sampledRows } from '../places.ts';
import type { LevelReport } from '../report/report.ts';
import type { DecoderCall } from './calls.ts';
import { slotsOf } from './lane-caches.ts';
import type { PartOutputs } from './lanes.ts';
import { selectRows } from './row-wise.ts';

/** Compares two builds of one component, fed alike. */
export interface Sink {
  add(call: number, reference: PartOutputs, other: PartOutputs): void;
  /** Throws VC6103 when there was nothing to compare, VC6104 when the reference was not finite. */
  finish(): readonly OutputResult[];
}

/** What a comparison of features needs to know of its calls. */
export interface FeatureSample {
  readonly recipe: GenerationRecipe;
  readonly sample: Sample;
  /** Indices of the calls that are compared, in their order. */
  readonly calls: readonly number[];
}

/** One call per picture. `names` are the graph's outputs. */
export function featureSink(
  component: string,
  names: readonly string[],
  { recipe, sample, calls }: FeatureSample,
): Sink {
  const layouts = sample.media.map(({ layout }) => layout);
  const isFeatures = (name: string): boolean => name === recipe.encoder?.output;
  const comparisons = names.map((name) => {
    const tokens = isFeatures(name) ? featureGrids(layouts, calls) : [];
    return { name, comparison: new Comparison({ logits: false, tokens }) };
  });
  return {
    add: (call, reference, other) => {
      for (const { name, comparison } of comparisons) {
        const layout = layouts[call];
        const place =
          isFeatures(name) && layout !== undefined
            ? featurePlace(layout, call, layouts.length)
            : (row: number) => `picture ${call}, row ${row}`;
        comparePresent(comparison, name, reference, other, place);
      }
    },
    finish: () =>
      comparisons.map(({ name, comparison }) => finish('features', name, component, 'local', comparison)),
  };
}

/** One call per prompt, over its ids and those that follow, and one for a drawing. */
export function embedSink(component: string, { prompts, drawing }: PromptSample): Sink {
  const comparison = new Comparison({ logits: false });
  return {
    add: (call, reference, other) => {
      comparePresent(comparison, embedNames.output, reference, other, (row) =>
        promptPlace({ prompts, drawing }, call, 0, row),
      );
    },
    finish: () => [finish('embeds', embedNames.output, component, 'local', comparison)],
  };
}

export interface PromptSample {
  readonly prompts: readonly Prompt[];
  /** What follows them, as one more. */
  readonly drawing?: Drawing | undefined;
}

/** Where a row of a prompt's value is, whose rows begin at position `first` of it: of a drawing, one row after the other. */
export function promptPlace(
  { prompts, drawing }: PromptSample,
  index: number,
  first: number,
  row: number,
): string {
  const prompt = prompts[index];
  if (prompt !== undefined) return positionPlace(index, prompt, first + row);
  if (drawing === undefined) throw new RangeError(`there is no prompt ${index}`);
  const { length } = first === 0 ? drawing.rows[0] : [0];
  return drawingPlace(drawing, Math.floor(row / length), first + (row % length));
}

/** What the sinks of a decoder need to know of its calls. */
export interface DecoderSample extends PromptSample {
  readonly recipe: GenerationRecipe;
  /** Per prompt, the ids that follow it: one more than steps. */
  readonly continuations: readonly (readonly number[])[];
  readonly decodeSteps: number;
  readonly calls: readonly DecoderCall[];
  /** Indices of those that prove single blocks. */
  readonly probe: ReadonlySet<number>;
}

/** Positions of the logits of a call that are compared. */
export function positionsOf(
  { prompts, calls }: DecoderSample,
  call: number,
  vocab: number,
): readonly number[] {
  const { prompt, step } = callOf(calls, call);
  const length = prompts[prompt]?.ids.length ?? 0;
  return step === undefined ? sampledRows(length, vocab) : [length + step];
}

/**
 * Keeps of a decoder's outputs what is compared: some rows of logits; where single blocks are proved what a call adds
 * to the cache, at the last step all of it; else the last cache of some layers. Of a drawing the hidden states, which
 * nothing reads of a prompt.
 */
export function trimDecoder(
  sample: DecoderSample,
  call: number,
  name: string,
  value: RunTensor,
): RunTensor | undefined {
  const { recipe, calls, probe } = sample;
  const { step } = callOf(calls, call);
  if (isDrawing(sample, call) !== (name === recipe.decoder.hidden)) return undefined;
  if (name === recipe.decoder.hidden) return value;
  if (name === 'logits') {
    if (step !== undefined) return value;
    const vocab = value.shape[2] ?? 0;
    const rows = sampledRows(value.shape[1] ?? 0, vocab);
    return rows.length === value.shape[1] ? value : selectRows(value, rows);
  }
  if (isLast(sample, call)) return probe.has(call) || isCompared(sample, call, name) ? value : undefined;
  return probe.has(call) ? slotsOf(value, firstSlot(sample, call), value.shape[2] ?? 0) : undefined;
}

function isDrawing({ calls, prompts }: DecoderSample, call: number): boolean {
  return callOf(calls, call).prompt === prompts.length;
}

function isLast({ calls, decodeSteps }: DecoderSample, call: number): boolean {
  return (callOf(calls, call).step ?? -1) + 1 === decodeSteps;
}

/** Whether the cache is of a layer that is compared at the last step of every prompt. */
function isCompared(
  { recipe, calls, prompts, decodeSteps }: DecoderSample,
  call: number,
  name: string,
): boolean {
  const layer = Number(/^present\.(\d+)\./.exec(name)?.[1]);
  const { length } = prompts[callOf(calls, call).prompt]?.ids ?? [];
  return comparedLayers(recipe, length + decodeSteps).includes(layer);
}

/** The first slot of what is kept of a cache. */
function firstSlot(sample: DecoderSample, call: number): number {
  const { prompt, step } = callOf(sample.calls, call);
  if (step === undefined || isLast(sample, call)) return 0;
  return (sample.prompts[prompt]?.ids.length ?? 0) + step;
}

/** How many of the tokens that the first build picks the second one picks, too, until the first that differs. */
export class Picks {
  readonly #sample: DecoderSample;
  readonly #agreed: number[];
  readonly #parted = new Set<number>();

  constructor(sample: DecoderSample) {
    this.#sample = sample;
    this.#agreed = sample.prompts.map(() => 0);
  }

  /** The last rows of both; calls of a prompt in order. */
  add(prompt: number, reference: Float32Array, other: Float32Array): void {
    if (argMax(reference) !== argMax(other)) this.#parted.add(prompt);
    if (!this.#parted.has(prompt)) this.#agreed[prompt] = (this.#agreed[prompt] ?? 0) + 1;
  }

  finish(): LevelReport['greedy'] {
    const of = this.#sample.decodeSteps + 1;
    return this.#agreed.map((agreed, prompt) => ({ prompt, agreed, of }));
  }
}

/** Logits and cache; of a drawing hidden states. */
export function decoderSink(component: string, feed: Feed, sample: DecoderSample, picks?: Picks): Sink {
  const logits = new Comparison({ logits: true });
  const cache = new Comparison({ logits: false });
  const hidden = new Comparison({ logits: false });
  const hiddenName = sample.recipe.decoder.hidden;
  return {
    add: (call, reference, other) => {
      const { prompt: index, step } = callOf(sample.calls, call);
      if (isDrawing(sample, call)) {
        if (hiddenName === undefined) return;
        const first = step === undefined ? 0 : (sample.drawing?.rows[0].length ?? 0) + step;
        comparePresent(hidden, hiddenName, reference, other, (row) => promptPlace(sample, index, first, row));
        return;
      }
      const prompt = sample.prompts[index];
      if (prompt === undefined) throw new RangeError(`there is no prompt ${index}`);
      for (const [name, value] of reference) {
        if (name === 'logits') {
          const width = value.shape[2] ?? 0;
          const positions = positionsOf(sample, call, width);
          const next = nextTokens(prompt, positions, sample.continuations[index] ?? []);
          const place = (row: number): string => positionPlace(index, prompt, positions[row] ?? 0);
          const found = other.get(name);
          if (found?.shape.join() !== value.shape.join()) {
            throw fail('VC6102', { where: name, found: `[${found?.shape}]`, expected: `[${value.shape}]` });
          }
          const [wanted, own] = [toFloat32(value), toFloat32(found)];
          logits.add({ data: wanted, width, place, next }, own);
          picks?.add(index, wanted.subarray(-width), own.subarray(-width));
        } else if (name.startsWith('present.')) {
          // In chain every slot is in the last cache, once.
          if (feed === 'chain' && !(isLast(sample, call) && isCompared(sample, call, name))) continue;
          const place = cachePlace(index, name, value.shape[2] ?? 1, firstSlot(sample, call));
          comparePresent(cache, name, reference, other, place);
        }
      }
    },
    finish: () => [
      finish('logits', 'logits', component, feed, logits),
      finish('cache', 'present.*', component, feed, cache),
      ...(sample.drawing === undefined || hiddenName === undefined
        ? []
        : [finish('hidden', hiddenName, component, feed, hidden)]),
    ],
  };
}

function callOf(calls: readonly DecoderCall[], index: number): DecoderCall {
  const call = calls[index];
  if (call === undefined) throw new RangeError(`there is no call ${index}`);
  return call;
}

/** Where this part gives the output. */
export function comparePresent(
  comparison: Comparison,
  name: string,
  reference: PartOutputs,
  other: PartOutputs,
  place: (row: number) => string,
): void {
  const [wanted, found] = [reference.get(name), other.get(name)];
  if (wanted !== undefined && found !== undefined) compareTensors(comparison, name, wanted, found, place);
}
