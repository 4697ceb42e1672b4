/**
 * The inputs of a parity run: pictures and prompts. Drawn here from the model's own geometry and recipe, one picture
 * and several prompts of different lengths; everything follows from the seed.
 */
import { createHash } from 'node:crypto';
import type { GenerationRecipe, ImageGeometry, SpliceRule } from '../../architectures/architecture.ts';
import { fail } from '../../report/diagnostics.ts';
import { float32Value, type RunTensor } from '../../runtime/values.ts';
import { drawPicture, normalise } from './picture.ts';
import { Random } from './random.ts';

/** Positions `first` .. `first + count - 1` of a prompt take the features of one picture. */
export interface Span {
  readonly first: number;
  readonly count: number;
  /** Index into the sample's pictures. */
  readonly picture: number;
}

export interface Prompt {
  readonly ids: readonly number[];
  /** Of different positions, in their order; empty for text alone. */
  readonly spans: readonly Span[];
}

export interface SamplePicture {
  /** float32 [1, 3, H, W], as `ImageGeometry.input` has it. */
  readonly pixels: RunTensor;
  /** SHA-256 of what was measured with: RGB bytes of a picture, float32 bytes of recorded pixel values. */
  readonly sha256: string;
  /** The file's name; left out for a drawn picture. */
  readonly name?: string;
}

export interface Sample {
  readonly seed: number;
  readonly source: 'drawn' | 'recorded' | 'samples';
  /** Empty when the model has no vision part. */
  readonly pictures: readonly SamplePicture[];
  readonly prompts: readonly Prompt[];
}

interface PromptShape {
  readonly before: number;
  readonly after: number;
  readonly image: boolean;
}

/** What the prompts look like: text ids before and after the picture's span. */
const promptShapes: readonly PromptShape[] = [
  { before: 0, after: 12, image: true },
  // Text before the picture moves the span: a splice at a fixed position would show.
  { before: 5, after: 29, image: true },
  { before: 0, after: 24, image: false },
];

/** For each picture that these do not show. */
const oneMore: PromptShape = { before: 2, after: 16, image: true };

/**
 * Draws the sample; with `pictures` its prompts are about so many pictures instead of one, which others provide.
 * Throws VC6103 when the recipe leaves nothing to draw (no text ids, a picture without splice).
 */
export function drawSample(
  recipe: GenerationRecipe,
  image: ImageGeometry | undefined,
  seed: number,
  pictures?: number,
): Sample {
  if (recipe.textIds < 1)
    throw fail('VC6103', { found: 'a recipe without text ids', expected: 'textIds > 0' });
  const withImage = recipe.vision !== undefined;
  if (withImage && (image === undefined || recipe.splice === undefined)) {
    throw fail('VC6103', { found: 'a vision component without geometry or splice rule' });
  }
  const random = new Random(seed);
  const tokens = withImage ? (image?.tokens ?? 0) : 0;
  const count = pictures ?? 1;
  let shown = 0;
  const draw = (shape: PromptShape): Prompt =>
    drawPrompt(recipe, shape.image ? tokens : 0, shape, shape.image ? shown++ % count : 0, random);
  const prompts = promptShapes.map(draw);
  while (tokens > 0 && shown < count) prompts.push(draw(oneMore));
  const drawn =
    image === undefined || tokens === 0 || pictures !== undefined ? [] : [drawnPicture(image, seed)];
  return { seed, source: 'drawn', pictures: drawn, prompts };
}

function drawnPicture(image: ImageGeometry, seed: number): SamplePicture {
  const picture = drawPicture(image.input.width, image.input.height, seed);
  return {
    pixels: float32Value([1, 3, picture.height, picture.width], normalise(picture, image.mean, image.std)),
    sha256: createHash('sha256').update(picture.rgb).digest('hex'),
  };
}

function drawPrompt(
  recipe: GenerationRecipe,
  tokens: number,
  shape: PromptShape,
  index: number,
  random: Random,
): Prompt {
  const text = (count: number): number[] =>
    Array.from({ length: count }, () => random.int(0, recipe.textIds));
  const before = text(shape.before);
  const after = text(shape.after);
  const { splice } = recipe;
  if (tokens === 0 || splice === undefined) return { ids: [...before, ...after], spans: [] };
  const picture = pictureIds(splice, tokens);
  return {
    ids: [...before, ...picture.ids, ...after],
    spans: [{ first: before.length + picture.first, count: tokens, picture: index }],
  };
}

/** What stands for a picture in a prompt, and where in it the features begin. */
function pictureIds(splice: SpliceRule, tokens: number): { ids: readonly number[]; first: number } {
  const repeat = (id: number): number[] => Array.from({ length: tokens }, () => id);
  switch (splice.rule) {
    case 'between-markers':
      return { ids: [splice.startId, ...repeat(splice.padId), splice.endId], first: 1 };
    case 'image-token':
      return { ids: repeat(splice.tokenId), first: 0 };
  }
}
