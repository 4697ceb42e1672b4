/**
 * The inputs of a parity run: pictures or sounds, and prompts. Drawn here from the model's own geometry and recipe, one
 * picture (and a short video, where the model takes pictures of any size), or two sounds, and several prompts of
 * different lengths; everything follows from the seed.
 */
import { createHash } from 'node:crypto';
import { isAudio, isPicture } from '../../architectures/log-mel.ts';
import type { ImageGeometry, MediaGeometry, MediaLayout } from '../../architectures/media.ts';
import type { EncoderRecipe, GenerationRecipe, SpliceRule } from '../../architectures/recipe.ts';
import { fail } from '../../report/diagnostics.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { drawPicture, type Picture } from './picture.ts';
import { type PromptPositions, timeRowColumn } from './positions.ts';
import { Random } from './random.ts';
import { drawSounds } from './sound/draw-sounds.ts';
import { visionInputs } from './vision-inputs.ts';

/**
 * Positions `first` .. `first + count - 1` of a prompt take features of one picture: all, or, where a picture has several
 * spans, those that follow its span before.
 */
export interface Span {
  readonly first: number;
  readonly count: number;
  /** Index into the sample's pictures, videos or sounds. */
  readonly media: number;
  /** It is a sound. */
  readonly heard?: true;
}

export interface Prompt {
  readonly ids: readonly number[];
  /** Of different positions, in their order; empty for text alone. */
  readonly spans: readonly Span[];
  /** Where the decoder takes them. */
  readonly positions?: PromptPositions;
}

export interface SampleMedia {
  readonly kind: 'image' | 'video' | 'audio';
  /** Inputs of the encoder for it alone, by name. */
  readonly feeds: ReadonlyMap<string, RunTensor>;
  /** What its features are. */
  readonly layout: MediaLayout;
  /** SHA-256 of what was measured with: RGB bytes of pictures, float32 bytes of sounds and of recorded values. */
  readonly sha256: string;
  /** The file's name; left out for a drawn picture. */
  readonly name?: string;
  /** Seconds that were cut off, where a sound was longer than the encoder takes. */
  readonly cut?: number;
}

export interface Sample {
  readonly seed: number;
  readonly source: 'drawn' | 'recorded' | 'samples';
  /** Empty when the model has no encoder. */
  readonly media: readonly SampleMedia[];
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

/** Groups of frames, and rows and columns of tokens, of the video that is drawn. */
const drawnVideo = { groups: 2, rows: 3, columns: 4 } as const;

/**
 * Draws the sample; with `given` its prompts are about these pictures, and none are drawn. Throws VC6103 when the recipe
 * leaves nothing to draw (no text ids, a picture without splice).
 */
export function drawSample(
  recipe: GenerationRecipe,
  geometry: MediaGeometry | undefined,
  seed: number,
  given?: readonly SampleMedia[],
): Sample {
  if (recipe.textIds < 1)
    throw fail('VC6103', { found: 'a recipe without text ids', expected: 'textIds > 0' });
  const { encoder } = recipe;
  if (encoder !== undefined && (geometry === undefined || recipe.splice === undefined)) {
    throw fail('VC6103', { found: 'an encoder without geometry or splice rule' });
  }
  const random = new Random(seed);
  const pictures = given ?? (encoder === undefined ? [] : drawMedia(encoder, geometry, seed));
  let shown = 0;
  const draw = (shape: PromptShape): Prompt => {
    const at = shown % Math.max(pictures.length, 1);
    // Single blocks are proved with the shortest prompt: it shows the video, whose frames must not see each other.
    const index = given === undefined ? pictures.length - 1 - at : at;
    const picture = shape.image ? pictures[index] : undefined;
    if (picture === undefined) return drawPrompt(recipe, shape, undefined, pictures, random);
    shown += 1;
    return drawPrompt(recipe, shape, { picture, index }, pictures, random);
  };
  const prompts = promptShapes.map(draw);
  while (shown < pictures.length) prompts.push(draw(oneMore));
  return { seed, source: 'drawn', media: pictures, prompts };
}

function drawMedia(
  encoder: EncoderRecipe,
  geometry: MediaGeometry | undefined,
  seed: number,
): readonly SampleMedia[] {
  if (geometry === undefined) return [];
  return isAudio(geometry) ? drawSounds(encoder, geometry, seed) : drawPictures(encoder, geometry, seed);
}

/** A picture of the geometry's size; for graphs that take any, a picture or a video of another one, too. */
function drawPictures(vision: EncoderRecipe, image: ImageGeometry, seed: number): readonly SampleMedia[] {
  const { width, height } = image.input;
  const { feed } = vision;
  const picture = sampleMedia('image', [drawPicture(width, height, seed)], vision, image);
  if (feed.form === 'slices' && feed.known === undefined) {
    // Of one view, where the first is cut.
    const small = { width: Math.ceil(feed.scale / 2), height: Math.ceil(feed.scale / 3) };
    return [picture, sampleMedia('image', [drawPicture(small.width, small.height, seed + 1)], vision, image)];
  }
  if (feed.form === 'tiles' && feed.known === undefined) {
    // Higher than wide, where the first is wider than high.
    const [long, short] = [3 * feed.side, 2 * feed.side];
    const tall = sampleMedia('image', [drawPicture(short, long, seed + 1)], vision, image);
    return [picture, tall];
  }
  if (feed.form !== 'patch-rows' || feed.grid === undefined) return [picture];
  const { groups, rows, columns } = drawnVideo;
  const unit = feed.patch * feed.merge;
  const frames = Array.from({ length: groups * feed.frames }, (_, frame) =>
    drawPicture(columns * unit, rows * unit, seed + 1 + frame),
  );
  return [picture, sampleMedia('video', frames, vision, image)];
}

/** Of frames that have the component's size; `name` is the file's. */
export function sampleMedia(
  kind: SampleMedia['kind'],
  frames: readonly Picture[],
  vision: EncoderRecipe,
  image: ImageGeometry,
  name?: string,
): SampleMedia {
  const hash = createHash('sha256');
  for (const { rgb } of frames) hash.update(rgb);
  return {
    kind,
    ...visionInputs(frames, vision, image),
    sha256: hash.digest('hex'),
    ...(name === undefined ? {} : { name }),
  };
}

/** A prompt with what the decoder has to be told of it. */
export function placePrompt(
  ids: readonly number[],
  spans: readonly Span[],
  { decoder }: GenerationRecipe,
  layouts: readonly MediaLayout[],
): Prompt {
  if (decoder.positions === undefined) return { ids, spans };
  return { ids, spans, positions: timeRowColumn(ids.length, spans, layouts) };
}

function drawPrompt(
  recipe: GenerationRecipe,
  shape: PromptShape,
  shown: { readonly picture: SampleMedia; readonly index: number } | undefined,
  pictures: readonly SampleMedia[],
  random: Random,
): Prompt {
  const text = (count: number): number[] =>
    Array.from({ length: count }, () => random.int(0, recipe.textIds));
  const before = text(shape.before);
  const after = text(shape.after);
  const { splice } = recipe;
  const layouts = pictures.map(({ layout }) => layout);
  if (shown === undefined || splice === undefined) {
    return placePrompt([...before, ...after], [], recipe, layouts);
  }
  const picture = pictureIds(splice, shown.picture);
  return placePrompt(
    [...before, ...picture.ids, ...after],
    picture.spans.map(({ first, count }) => ({
      first: before.length + first,
      count,
      ...spanOf(shown.index, shown.picture),
    })),
    recipe,
    layouts,
  );
}

/** What a span says of that which it shows. */
export function spanOf(media: number, { kind }: Pick<SampleMedia, 'kind'>): Pick<Span, 'media' | 'heard'> {
  return kind === 'audio' ? { media, heard: true } : { media };
}

/** What stands for a picture in a prompt, and where in it the features go. */
function pictureIds(
  splice: SpliceRule,
  { kind, layout }: SampleMedia,
): { readonly ids: readonly number[]; readonly spans: readonly Pick<Span, 'first' | 'count'>[] } {
  const { tokens } = layout;
  const repeat = (id: number, count: number): number[] => Array.from({ length: count }, () => id);
  if (splice.rule === 'image-token') {
    const id = (kind === 'video' ? splice.videoTokenId : undefined) ?? splice.tokenId;
    const { before = [], after = [], perView } = splice;
    const count = perView === true && isPicture(layout) ? layout.tokensPerView : tokens;
    const each = before.length + count + after.length;
    const views = Array.from({ length: tokens / count }, (_, view) => view);
    return {
      ids: views.flatMap(() => [...before, ...repeat(id, count), ...after]),
      spans: views.map((view) => ({ first: view * each + before.length, count })),
    };
  }
  const { startId, endId, padId, slices } = splice;
  const count = slices === undefined || !isPicture(layout) ? tokens : layout.tokensPerView;
  const ids: number[] = [];
  const spans: Pick<Span, 'first' | 'count'>[] = [];
  for (let done = 0; done < tokens; done += count) {
    if (slices !== undefined && done === count) ids.push(slices.startId);
    spans.push({ first: ids.length + 1, count });
    ids.push(startId, ...repeat(padId, count), endId);
  }
  if (slices !== undefined && spans.length > 1) ids.push(slices.endId);
  return { ids, spans };
}
