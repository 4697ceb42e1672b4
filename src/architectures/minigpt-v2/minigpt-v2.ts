/**
 * MiniGPT-v2: EVA-CLIP-g over one view, four neighbouring patches a token, Llama 2 with low-rank updates of its own. Its
 * parts stand apart (parts.ts). A picture is resized to a square without keeping its ratio.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import { fitPicture } from '../blocks/image-views.ts';
import { WeightReader } from '../blocks/weights.ts';
import { clipMean, clipStd } from '../clip/pixels.ts';
import { embeddingModel, visionLanguageComponents, visionModel } from '../components.ts';
import { spanWarning } from '../image-span.ts';
import { buildLlamaDecoder } from '../llama/decoder.ts';
import { textEmbedding } from '../llama/embedding.ts';
import type { ImageGeometry } from '../media.ts';
import { oneView, type PatchedPicture, patchPicture } from '../patch-geometry.ts';
import { joinedPatches, readMiniGptConfig } from './config.ts';
import { modules } from './modules.ts';
import { miniGptParts } from './parts.ts';
import { miniGptRecipe } from './recipe.ts';
import { miniGptSideFiles } from './side-files.ts';
import { imageFeatures } from './vision.ts';

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  const table = new TensorTable(checkpoint.tensors);
  const config = readMiniGptConfig(checkpoint.config, table);
  const { text, vision, imageSize } = config;
  const weights = new WeightReader(table);
  const model = weights.at(`${modules.text}.model`);
  const own = { width: imageSize, height: imageSize };
  const picture = patchPicture(
    options.resolution,
    own,
    options.tiling,
    vision.patch,
    'image_size',
    joinedPatches,
  );
  const geometry = geometryOf(picture);
  const components = visionLanguageComponents({
    vision: visionModel(geometry, text.hidden, (b, pixels) => {
      const covered = fitPicture(b, pixels, picture.input, picture.covered);
      return imageFeatures(b, covered, weights, config, picture.grid);
    }),
    embed: embeddingModel(textEmbedding(model, text, config.imageTokenId)),
    decoder: buildLlamaDecoder({ model, head: weights.at(`${modules.text}.lm_head`) }, text),
  });
  return {
    architecture: miniGptV2.id,
    components,
    image: geometry,
    recipe: miniGptRecipe(config),
    sideFiles: miniGptSideFiles(checkpoint, geometry, config),
    warnings: spanWarning(geometry.tokens, 'max_position_embeddings', text.maxPositions),
    unusedTensors: table.unused(),
  };
}

function geometryOf(picture: PatchedPicture): ImageGeometry {
  const { input, grid } = picture;
  const tokens = (grid.rows * grid.columns) / joinedPatches;
  const columns = grid.columns / joinedPatches;
  const own = {
    // Else tokens run on over the ends of rows.
    ...(Number.isInteger(columns) ? { tokenGrid: { rows: grid.rows, columns, leading: 0 } } : {}),
    tokens,
    steps: [{ step: 'resize', to: input, filter: 'bicubic' }],
    mean: clipMean,
    std: clipStd,
  } as const;
  return oneView(picture, own, `, ${joinedPatches} a token`);
}

export const miniGptV2: Architecture = {
  id: 'minigpt-v2',
  title: 'MiniGPT-v2',
  modelTypes: ['minigpt_v2'],
  recognises: ({ arch, model_type }) => arch === 'minigpt_v2' || model_type === 'minigpt_v2',
  parts: miniGptParts,
  build,
};
