/**
 * Reads the `generation` of a manifest. A folder may come from anywhere: every value is held to what a model can be
 * before it is used, so that none of them decides what is allocated, and files stay inside the folder.
 */
import { z } from 'zod';
import { fail } from '../report/diagnostics.ts';
import type { Generation } from './generation.ts';
import { type Manifest, manifestName } from './manifest.ts';

/** Above any model there is, far below what hurts: sides in pixels, layers, heads, tokens. */
const count = z
  .int()
  .min(1)
  .max(2 ** 24);
const side = z
  .int()
  .min(1)
  .max(2 ** 14);
/** Of a picture or a sound: a prompt holds an id for each. */
const tokens = z
  .int()
  .min(1)
  .max(2 ** 20);
/** From 0 on. */
const index = z
  .int()
  .min(0)
  .max(2 ** 28);
/** Of a picture, in pixels; the least ones are what a small picture is enlarged to. */
const leastPixels = z
  .int()
  .min(0)
  .max(2 ** 26);
const mostPixels = z
  .int()
  .min(1)
  .max(2 ** 40);
const text = z.string().max(2 ** 16);
const name = z.string().min(1).max(256);

const size = z.strictObject({ width: side, height: side });
const grid = z.strictObject({ rows: side, columns: side });
const filter = z.enum(['bicubic', 'bilinear', 'lanczos']);
const perChannel = z.array(z.number()).length(3);

const step = z.discriminatedUnion('step', [
  z.strictObject({ step: z.literal('resize'), to: size, filter }),
  z.strictObject({ step: z.literal('shortest-side'), side, filter }),
  z.strictObject({ step: z.literal('center-crop'), to: size }),
  z.strictObject({ step: z.literal('pad-square'), color: perChannel }),
  z.strictObject({
    step: z.literal('inside'),
    to: size,
    least: side,
    rounding: z.enum(['down', 'half-even']),
    filter,
  }),
  z.strictObject({ step: z.literal('pad'), to: size, color: perChannel }),
]);

const view = z.strictObject({
  kind: z.enum(['tile', 'global', 'frame']),
  row: index.optional(),
  column: index.optional(),
  scale: index.optional(),
  frame: index.optional(),
  adapter: index.nullable().optional(),
  trained: z.boolean().optional(),
});

const image = z.strictObject({
  requested: size,
  input: size,
  grid: z.strictObject({ rows: side, columns: side, tile: side }).optional(),
  views: z.array(view).min(1),
  tiles: z.array(view).min(1).optional(),
  tokensPerView: tokens,
  chosen: count.optional(),
  tokenGrid: z.strictObject({ rows: side, columns: side, leading: index }).optional(),
  tokens,
  steps: z.array(step).max(16).optional(),
  mean: perChannel,
  std: perChannel,
  summary: text,
});

/** A chunk is what is allocated for a sound: ten minutes at the highest rate. */
const audio = z.strictObject({
  sampleRate: z.int().min(1000).max(192_000),
  window: z.int().min(2).max(8192),
  hop: z.int().min(1).max(8192),
  bands: z.int().min(1).max(1024),
  highest: z.number().positive(),
  seconds: z.number().positive(),
  samples: z
    .int()
    .min(1)
    .max(2 ** 27),
  frames: z
    .int()
    .min(1)
    .max(2 ** 17),
  tokens,
  framesPerToken: z.int().min(1).max(64),
  summary: text,
});

const tilesPerSide = z.int().min(1).max(64);
const tileCount = z.int().min(1).max(4096);
const tiles = z.strictObject({ rows: tilesPerSide, columns: tilesPerSide });

const feed = z.discriminatedUnion('form', [
  z.strictObject({ form: z.literal('pixels') }),
  z.strictObject({
    form: z.literal('patch-rows'),
    grid: name.optional(),
    patch: side,
    merge: side,
    frames: side,
    minPixels: leastPixels,
    maxPixels: mostPixels,
  }),
  z.strictObject({ form: z.literal('log-mel'), mask: name, lengths: name }),
  z.strictObject({
    form: z.literal('slices'),
    sizes: name.optional(),
    known: z.strictObject({ source: size, slices: z.strictObject({ grid, size }).optional() }).optional(),
    patch: side,
    maxSlices: z.int().min(1).max(1024),
    scale: side,
    padded: z.boolean(),
  }),
  z.strictObject({
    form: z.literal('tiles'),
    grids: name.optional(),
    known: z.array(tiles).min(1).max(64).optional(),
    output: z.int().min(0).max(63),
    tokens: side,
    side,
    squares: z.array(tilesPerSide).max(63),
    least: tileCount,
    most: tileCount,
    joined: z.boolean(),
  }),
]);

const splice = z.discriminatedUnion('rule', [
  z.strictObject({
    rule: z.literal('between-markers'),
    startId: index,
    endId: index,
    padId: index,
    slices: z.strictObject({ startId: index, endId: index }).optional(),
  }),
  z.strictObject({
    rule: z.literal('image-token'),
    tokenId: index,
    videoTokenId: index.optional(),
    perView: z.literal(true).optional(),
    mark: z
      .int()
      .min(-(2 ** 31))
      .max(-1)
      .optional(),
    before: z.array(index).max(64).optional(),
    after: z.array(index).max(64).optional(),
  }),
]);

const componentName = z.strictObject({ component: name });

/** They are picked one after the other: so many are a picture of 4096 x 4096, and hours. */
const mostCodes = 2 ** 16;

const pictures = z.strictObject({
  head: componentName,
  embed: componentName,
  generator: componentName,
  grid: grid.refine(({ rows, columns }) => rows * columns <= mostCodes, `more than ${mostCodes} codes`),
  codes: count,
  guidance: z.number(),
  prompt: text.refine((form) => form.includes('{text}'), 'no {text}'),
  padId: index,
  kept: z.union([z.literal('ends'), z.array(index).max(64)]),
  mean: perChannel,
  std: perChannel,
});

const recipe = z.strictObject({
  encoder: z.strictObject({ component: name, input: name, output: name, feed }).optional(),
  embed: z.strictObject({ component: name }),
  decoder: z.strictObject({
    component: name,
    layers: z.int().min(1).max(4096),
    kvHeads: count,
    headDim: count,
    scalars: z.array(z.literal('rope_length')),
    positions: z.literal('time-row-column').optional(),
    hidden: name.optional(),
  }),
  pictures: pictures.optional(),
  splice: splice.optional(),
  prompt: z
    .strictObject({
      picture: text,
      mark: text.min(1).optional(),
      video: text.optional(),
      withPicture: text,
      textOnly: text,
      between: text.optional(),
      counted: text.optional(),
      views: z.strictObject({ view: text, feature: text, slices: text, rowBreak: text }).optional(),
    })
    .optional(),
  vocabSize: index,
  hiddenSize: count,
  textIds: index,
  endOfTextId: index.optional(),
  endOfAnswerId: index.optional(),
});

const schema = z.strictObject({
  components: z.record(name, z.string().regex(/^onnx\/[A-Za-z0-9_.-]+\.onnx$/)),
  recipe,
  image: image.optional(),
  audio: audio.optional(),
  stopIds: z.array(index).max(1024),
});

/** Throws VC4011 where the manifest holds none, or one that is not usable. */
export function readGeneration({ generation }: Manifest, folder: string): Generation {
  if (generation === undefined) {
    throw fail('VC4011', {
      where: folder,
      found: `a ${manifestName} that does not say how the graphs are run`,
      expected: 'the output of a conversion, made by this version',
    });
  }
  const result = schema.safeParse(generation);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw fail('VC4011', {
      where: `${folder}: ${manifestName}, generation.${issue?.path.join('.') ?? ''}`,
      found: issue?.message ?? 'not usable',
    });
  }
  const { image: picture, audio: sound, recipe: known } = result.data;
  const geometry = known.encoder?.feed.form === 'log-mel' ? sound : picture;
  if (known.encoder !== undefined && (geometry === undefined || known.splice === undefined)) {
    throw fail('VC4011', { where: folder, found: 'an encoder without geometry or splice rule' });
  }
  if (
    picture?.steps !== undefined &&
    usesSteps(known.encoder?.feed) &&
    !endsAt(picture.steps, picture.input)
  ) {
    throw fail('VC4011', {
      where: `${folder}: ${manifestName}, generation.image.steps`,
      found: 'steps that do not end at the size of the graphs',
    });
  }
  if (
    known.pictures !== undefined &&
    (known.decoder.hidden === undefined || known.decoder.positions !== undefined)
  ) {
    throw fail('VC4011', {
      where: folder,
      found: 'pictures that are drawn without hidden states, or by positions',
    });
  }
  // Keys that zod knows as optional are left out where they were left out.
  return result.data as Generation;
}

/** Those of the other feeds are cut, or resized to a size of their own. */
function usesSteps(found: z.infer<typeof feed> | undefined): boolean {
  return found?.form === 'pixels' || (found?.form === 'patch-rows' && found.grid === undefined);
}

/** Whether every picture becomes one of this size, and is never padded to less than it has. */
function endsAt(steps: readonly z.infer<typeof step>[], input: z.infer<typeof size>): boolean {
  const same = (a: typeof input, b: typeof input): boolean => a.width === b.width && a.height === b.height;
  const last = steps.at(-1);
  if (last === undefined || !('to' in last) || last.step === 'inside' || !same(last.to, input)) return false;
  return steps.every((own, index) => {
    if (own.step !== 'pad') return true;
    const before = steps[index - 1];
    const least = Math.min(own.to.width, own.to.height);
    return before?.step === 'inside' && same(before.to, own.to) && before.least <= least;
  });
}
