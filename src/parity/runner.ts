/**
 * Runs two builds of one model on the same sample and compares every output.
 *
 * Two ways of feeding the second build (`Feed`):
 * - `local`: each component gets the activations of the first build, so an error is that component's own
 * - `chain`: each component gets what its own build made before, as a user has it; errors add up
 *
 * Decoding is greedy: the first build picks the tokens and the second is fed the same ids. Until its own pick
 * differs a free run would be fed exactly these, so `greedy` counts the tokens that a free run would share.
 *
 * A pair may hold fewer components than the model (`components`): the first build then runs what these are fed from,
 * and nothing of the second build but these.
 *
 * Components are opened one after the other; only the first build's embedding table and decoder are open together.
 */
import type { GenerationRecipe, ImageGeometry } from '../architectures/architecture.ts';
import { fail } from '../report/diagnostics.ts';
import type { Device, Session } from '../runtime/session.ts';
import { type RunTensor, toFloat32 } from '../runtime/values.ts';
import {
  type ComponentFiles,
  cacheNames,
  embedIds,
  embedNames,
  output,
  splice,
  withSession,
} from './components.ts';
import { type Decoding, decode } from './decoding.ts';
import type { Prompt, Sample } from './inputs/sample.ts';
import { Comparison, type Metrics, type Place } from './metrics.ts';
import type { Build, OnPlacement } from './placement.ts';
import { cachePlace, featureGrids, featurePlace, nextTokens, positionPlace } from './places.ts';

export type Feed = 'local' | 'chain';

/** `features` of an encoder, `embeds` of the embedding table, `logits` and `cache` of the decoder. */
export type OutputKind = 'features' | 'embeds' | 'logits' | 'cache';

export interface OutputResult {
  readonly output: OutputKind;
  /** The graph outputs behind it: `image_features`, `present.*`. */
  readonly name: string;
  readonly component: string;
  readonly feed: Feed;
  readonly metrics: Metrics;
}

export interface PairResult {
  readonly outputs: readonly OutputResult[];
  /** Chain only, per prompt: how many greedy tokens of the second build are the first build's. */
  readonly greedy: readonly { readonly prompt: number; readonly agreed: number; readonly of: number }[];
  /** Layers whose cache was compared, the fewest over the prompts; left out when the decoder was not. */
  readonly cacheLayers?: number;
}

export interface PairRequest {
  readonly recipe: GenerationRecipe;
  readonly image: ImageGeometry | undefined;
  readonly sample: Sample;
  readonly reference: ComponentFiles;
  readonly converted: ComponentFiles;
  /** Runs the first build. */
  readonly referenceDevice: Device;
  /** Runs the second build. */
  readonly device: Device;
  /** Called with what the nodes of each component ran on, where that is to be recorded. */
  readonly onPlacement?: OnPlacement | undefined;
  readonly feeds: readonly Feed[];
  /** The components to compare, by id; without it all of them. `chain` needs all. */
  readonly components?: readonly string[] | undefined;
  readonly decodeSteps: number;
  /** Called before each step with what it is; `pairSteps` of them in all. */
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** Which parts of the model a pair compares, and whether the first build has to decode for it. */
interface Parts {
  readonly vision: boolean;
  readonly embed: boolean;
  readonly decoder: boolean;
  readonly traced: boolean;
}

function partsOf({ recipe, components }: Pick<PairRequest, 'recipe' | 'components'>): Parts {
  const has = (id: string): boolean => components === undefined || components.includes(id);
  const embed = has(recipe.embed.component);
  const decoder = has(recipe.decoder.component);
  return {
    vision: recipe.vision !== undefined && has(recipe.vision.component),
    embed,
    decoder,
    traced: embed || decoder,
  };
}

/** Number of `onStep` calls that a pair makes. */
export function pairSteps(
  pair: Pick<PairRequest, 'recipe' | 'components' | 'feeds'>,
  prompts: number,
): number {
  const parts = partsOf(pair);
  const seen = pair.recipe.vision !== undefined && (parts.vision || parts.traced);
  return (
    Number(seen) +
    Number(parts.vision) +
    (parts.traced ? prompts : 0) +
    Number(parts.embed) +
    (parts.decoder ? prompts * pair.feeds.length : 0)
  );
}

/** What the first build did with one prompt, and its embeddings [1, S, hidden] and [1, 1, hidden]. */
interface Trace {
  readonly prompt: Prompt;
  readonly embeds: RunTensor;
  readonly spliced: RunTensor;
  readonly stepEmbeds: readonly RunTensor[];
  readonly decoding: Decoding;
}

/**
 * Throws VC6101 and VC6102 when inputs or outputs do not pair, VC6103 when an output had nothing to compare,
 * VC6104 when the first build gives a value that is not finite; VC6001..VC6004 from the runtime.
 */
export async function comparePair(request: PairRequest): Promise<PairResult> {
  const parts = partsOf(request);
  const vision = await compareVision(request, parts);
  const outputs: OutputResult[] = [...(vision?.results ?? [])];
  if (!parts.traced) return { outputs, greedy: [] };
  const traces = await traceReference(request, vision?.reference ?? []);
  const embeds = parts.embed ? await compareEmbeds(request, traces) : undefined;
  if (embeds !== undefined) outputs.push(embeds.result);
  if (!parts.decoder) return { outputs, greedy: [] };
  const decoder = await compareDecoder(request, traces, embeds?.own, vision?.converted ?? []);
  return {
    outputs: [...outputs, ...decoder.results],
    greedy: decoder.greedy,
    cacheLayers: Math.min(...traces.map((trace) => trace.decoding.cache.size / 2)),
  };
}

async function compareVision(
  request: PairRequest,
  parts: Parts,
): Promise<
  | {
      /** Features [1, tokens, hidden] per picture. */
      readonly reference: readonly RunTensor[];
      /** Empty when the second build's are not compared. */
      readonly converted: readonly RunTensor[];
      readonly results: readonly OutputResult[];
    }
  | undefined
> {
  const { recipe, sample, image } = request;
  const { vision } = recipe;
  if (vision === undefined || !(parts.vision || parts.traced)) return undefined;
  const { pictures } = sample;
  const [first] = pictures;
  if (first === undefined || image === undefined) throw fail('VC6103', { where: 'the picture' });
  // One picture at a time: what a tower holds while it runs grows with the batch.
  const run = (build: Build) => {
    begin(request, `vision, ${build}`);
    return open(request, build, vision.component, async (session) => {
      const all: ReadonlyMap<string, RunTensor>[] = [];
      for (const { pixels } of pictures) all.push(await session.run(new Map([[vision.input, pixels]])));
      return all;
    });
  };
  const features = (runs: readonly ReadonlyMap<string, RunTensor>[]): readonly RunTensor[] =>
    runs.map((one) => output(one, vision.output));
  const reference = await run('reference');
  if (!parts.vision) return { reference: features(reference), converted: [], results: [] };
  const converted = await run('converted');
  const names = [...(reference[0]?.keys() ?? [])];
  checkNames(vision.component, names, [...(converted[0]?.keys() ?? [])]);
  const results = names.map((name) => {
    const tokens = name === vision.output ? featureGrids(image, pictures.length) : [];
    const comparison = new Comparison({ logits: false, tokens });
    for (const [index, one] of reference.entries()) {
      const place =
        name === vision.output
          ? featurePlace(image, index, pictures.length)
          : (row: number) => `picture ${index}, row ${row}`;
      compareTensors(comparison, name, output(one, name), output(converted[index] ?? new Map(), name), place);
    }
    return finish('features', name, vision.component, 'local', comparison);
  });
  return { reference: features(reference), converted: features(converted), results };
}

async function traceReference(
  request: PairRequest,
  features: readonly RunTensor[],
): Promise<readonly Trace[]> {
  const { recipe, sample } = request;
  return open(request, 'reference', recipe.embed.component, (embed) =>
    open(request, 'reference', recipe.decoder.component, async (decoder) => {
      checkDecoder(recipe, decoder);
      const traces: Trace[] = [];
      for (const [index, prompt] of sample.prompts.entries()) {
        begin(request, `decoder, reference, prompt ${index}`);
        const embeds = await embedIds(embed, prompt.ids);
        const spliced = splice(embeds, prompt, features);
        const stepEmbeds: RunTensor[] = [];
        const decoding = await decode(decoder, recipe, spliced, request.decodeSteps, async (pick) => {
          if (pick < 0) throw fail('VC6104', { where: `logits, prompt ${index}` });
          const value = await embedIds(embed, [pick]);
          stepEmbeds.push(value);
          return value;
        });
        traces.push({ prompt, embeds, spliced, stepEmbeds, decoding });
      }
      return traces;
    }),
  );
}

/** Embeddings of the second build for one prompt and the tokens that the first build picked. */
interface OwnEmbeds {
  readonly prompt: RunTensor;
  readonly steps: readonly RunTensor[];
}

async function compareEmbeds(
  request: PairRequest,
  traces: readonly Trace[],
): Promise<{ readonly own: readonly OwnEmbeds[]; readonly result: OutputResult }> {
  const { component } = request.recipe.embed;
  begin(request, 'embeddings, converted');
  const comparison = new Comparison({ logits: false });
  const own = await open(request, 'converted', component, async (session) => {
    checkNames(
      component,
      [embedNames.output],
      session.outputs.map((port) => port.name),
    );
    const all: OwnEmbeds[] = [];
    for (const [index, trace] of traces.entries()) {
      const compare = async (ids: readonly number[], wanted: RunTensor, first: number) => {
        const value = await embedIds(session, ids);
        compareTensors(comparison, embedNames.output, wanted, value, (row) =>
          positionPlace(index, trace.prompt, first + row),
        );
        return value;
      };
      const prompt = await compare(trace.prompt.ids, trace.embeds, 0);
      const steps: RunTensor[] = [];
      for (const [step, wanted] of trace.stepEmbeds.entries()) {
        const id = trace.decoding.picks[step] ?? 0;
        steps.push(await compare([id], wanted, trace.prompt.ids.length + step));
      }
      all.push({ prompt, steps });
    }
    return all;
  });
  return { own, result: finish('embeds', embedNames.output, component, 'local', comparison) };
}

async function compareDecoder(
  request: PairRequest,
  traces: readonly Trace[],
  own: readonly OwnEmbeds[] | undefined,
  features: readonly RunTensor[],
): Promise<{ readonly results: readonly OutputResult[]; readonly greedy: PairResult['greedy'] }> {
  const { recipe } = request;
  const { component } = recipe.decoder;
  const results: OutputResult[] = [];
  const greedy: PairResult['greedy'][number][] = [];
  await open(request, 'converted', component, async (session) => {
    checkDecoder(recipe, session);
    for (const feed of request.feeds) {
      const logits = new Comparison({ logits: true });
      const cache = new Comparison({ logits: false });
      for (const [index, trace] of traces.entries()) {
        begin(request, `decoder, ${feed}, prompt ${index}`);
        const { start, steps } =
          feed === 'local'
            ? { start: trace.spliced, steps: trace.stepEmbeds }
            : chained(index, trace.prompt, own, features);
        const decoding = await decode(session, recipe, start, steps.length, async (_pick, step) => {
          const value = steps[step];
          if (value === undefined) throw new RangeError(`step ${step} has no embedding`);
          return value;
        });
        compareDecodings(index, trace, decoding, logits, cache);
        if (feed === 'chain') {
          const wanted = trace.decoding.picks;
          const parts = wanted.findIndex((pick, at) => pick !== decoding.picks[at]);
          greedy.push({ prompt: index, agreed: parts === -1 ? wanted.length : parts, of: wanted.length });
        }
      }
      results.push(finish('logits', 'logits', component, feed, logits));
      results.push(finish('cache', 'present.*', component, feed, cache));
    }
  });
  return { results, greedy };
}

/** What the decoder of the second build is fed from its own model. */
function chained(
  index: number,
  prompt: Prompt,
  own: readonly OwnEmbeds[] | undefined,
  features: readonly RunTensor[],
): { readonly start: RunTensor; readonly steps: readonly RunTensor[] } {
  const mine = own?.[index];
  if (mine === undefined) throw new RangeError(`prompt ${index} has no embeddings`);
  return { start: splice(mine.prompt, prompt, features), steps: mine.steps };
}

function compareDecodings(
  index: number,
  { prompt, decoding: wanted }: Trace,
  found: Decoding,
  logits: Comparison,
  cache: Comparison,
): void {
  if (wanted.vocab !== found.vocab) {
    throw fail('VC6102', {
      where: 'logits',
      found: `${found.vocab} columns`,
      expected: `${wanted.vocab} columns`,
    });
  }
  logits.add(
    {
      data: wanted.logits,
      width: wanted.vocab,
      place: (row) => positionPlace(index, prompt, wanted.positions[row] ?? 0),
      next: nextTokens(prompt, wanted.positions, wanted.picks),
    },
    found.logits,
  );
  for (const [name, value] of wanted.cache) {
    compareTensors(
      cache,
      name,
      value,
      output(found.cache, name),
      cachePlace(index, name, value.shape[2] ?? 1),
    );
  }
}

/** Adds a pair of values, rows of their last axis; throws VC6102 when their shapes differ. */
export function compareTensors(
  comparison: Comparison,
  name: string,
  reference: RunTensor,
  converted: RunTensor,
  place: Place,
): void {
  if (reference.shape.join() !== converted.shape.join()) {
    throw fail('VC6102', {
      where: name,
      found: `[${converted.shape}]`,
      expected: `[${reference.shape}]`,
    });
  }
  const width = reference.shape.at(-1) ?? 1;
  if (width === 0) return;
  comparison.add({ data: toFloat32(reference), width, place }, toFloat32(converted));
}

export function finish(
  kind: OutputKind,
  name: string,
  component: string,
  feed: Feed,
  comparison: Comparison,
): OutputResult {
  if (comparison.badReference !== undefined) {
    throw fail('VC6104', { where: `${name} of ${component}, ${comparison.badReference}` });
  }
  const metrics = comparison.finish();
  if (metrics === undefined) throw fail('VC6103', { where: `${name} of ${component}` });
  return { output: kind, name, component, feed, metrics };
}

/** Both builds must have logits and a cache of every layer, and nothing that no comparison would look at. */
function checkDecoder(recipe: GenerationRecipe, session: Session): void {
  const presents = cacheNames(recipe.decoder.layers).map(([, present]) => present);
  checkNames(
    recipe.decoder.component,
    ['logits', ...presents],
    session.outputs.map((port) => port.name),
  );
}

export function checkNames(where: string, expected: readonly string[], found: readonly string[]): void {
  const missing = expected.filter((name) => !found.includes(name));
  const extra = found.filter((name) => !expected.includes(name));
  if (missing.length === 0 && extra.length === 0) return;
  throw fail('VC6102', {
    where,
    found: [
      ...(missing.length > 0 ? [`no ${missing.join(', ')}`] : []),
      ...(extra.length > 0 ? [`besides ${extra.join(', ')}`] : []),
    ].join('; '),
    expected: expected.join(', '),
  });
}

/** Opens a component of one of the two builds, on the device that runs it. */
function open<T>(
  request: PairRequest,
  build: Build,
  component: string,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const { onPlacement } = request;
  return withSession(
    request[build],
    component,
    build === 'reference' ? request.referenceDevice : request.device,
    body,
    onPlacement && ((id, nodes) => onPlacement(id, build, nodes)),
  );
}

function begin(request: PairRequest, what: string): void {
  request.signal?.throwIfAborted();
  request.onStep(what);
}
