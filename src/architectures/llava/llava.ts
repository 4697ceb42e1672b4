/**
 * LLaVA-1.5, in the Hugging Face layouts or the original one (original.ts): CLIP's vision tower over one view, a two-layer projector, Llama as
 * language model. At another size than the checkpoint's own, the tower's positions are resized to the patch
 * grid, and every patch is a token.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import { activate } from '../blocks/activation.ts';
import { fitPicture } from '../blocks/image-views.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import type { Grid } from '../blocks/resize.ts';
import { clipTower } from '../clip/tower.ts';
import { embeddingModel, visionLanguageComponents, visionModel } from '../components.ts';
import { spanWarning } from '../image-span.ts';
import { buildLlamaDecoder } from '../llama/decoder.ts';
import { textEmbedding } from '../llama/embedding.ts';
import { oneView, patchPicture } from '../patch-geometry.ts';
import { type LlavaConfig, readLlavaConfig } from './config.ts';
import { findLlavaModules, type LlavaWeights } from './layout.ts';
import { originalParts } from './original.ts';
import { llavaRecipe } from './recipe.ts';
import { llavaSideFiles, readPreprocessing } from './side-files.ts';

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  const config = readLlavaConfig(checkpoint.config);
  const { text, vision } = config;
  const table = new TensorTable(checkpoint.tensors);
  const weights = findLlavaModules(table);
  const own = { width: vision.imageSize, height: vision.imageSize };
  const picture = patchPicture(
    options.resolution,
    own,
    options.tiling,
    vision.patch,
    'vision_config.image_size',
  );
  const tokens = picture.grid.rows * picture.grid.columns + (config.keepsClassToken ? 1 : 0);
  const geometry = oneView(picture, {
    tokens,
    tokenGrid: { ...picture.grid, leading: config.keepsClassToken ? 1 : 0 },
    ...readPreprocessing(checkpoint, picture.input),
  });
  const components = visionLanguageComponents({
    vision: visionModel(geometry, text.hidden, (b, pixels) => {
      const covered = fitPicture(b, pixels, picture.input, picture.covered);
      return imageFeatures(b, covered, weights, config, picture.grid);
    }),
    embed: embeddingModel(textEmbedding(weights.text, text, config.imageTokenId)),
    decoder: buildLlamaDecoder({ model: weights.text, head: weights.head }, text),
  });
  return {
    architecture: llava.id,
    components,
    image: geometry,
    recipe: llavaRecipe(config),
    sideFiles: llavaSideFiles(checkpoint, geometry, picture.tiling, config),
    warnings: spanWarning(tokens, 'max_position_embeddings', text.maxPositions),
    unusedTensors: table.unused(),
  };
}

/** pixels [N, 3, H, W] → [N, tokens, hidden] */
function imageFeatures(
  b: GraphBuilder,
  pixels: Value,
  { tower, projectorIn, projectorOut }: LlavaWeights,
  config: LlavaConfig,
  grid: Grid,
): Value {
  const { vision, featureStates: states, projectorBias: bias } = config;
  const found = clipTower(b, pixels, tower, { config: vision, grid, states });
  return b.scope('projector', () => {
    const [only = pixels, ...more] = found;
    const joined = more.length === 0 ? only : b.op('Concat', found, { attributes: { axis: -1 } });
    const all = grid.rows * grid.columns + 1;
    const selected = config.keepsClassToken
      ? joined
      : b.op('Slice', [joined, b.int64([1]), b.int64([all]), b.int64([1])]);
    const { hidden } = config.text;
    const width = vision.width * states.length;
    const up = linear(b, selected, readLinear(projectorIn, width, hidden, { bias }));
    const bent = activate(b, up, config.projectorActivation);
    return linear(b, bent, readLinear(projectorOut, hidden, hidden, { bias }));
  });
}

export const llava: Architecture = {
  id: 'llava',
  title: 'LLaVA-1.5',
  modelTypes: ['llava'],
  // VILA says so, too, and keeps its parts in folders.
  recognises: ({ model_type, llm_cfg: parts }) =>
    (model_type === 'llava' || model_type === 'llava_llama') && parts === undefined,
  parts: originalParts,
  build,
};
