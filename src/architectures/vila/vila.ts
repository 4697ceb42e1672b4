/**
 * VILA 1.5 and NVILA: SigLIP's tower (or CLIP's) over one view of a picture or over tiles of it, a projector that joins
 * neighbouring patches, Llama or Qwen2 as language model; saved as three models side by side (parts.ts).
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import { zeros } from '../../tensor/derived/fill.ts';
import { concat } from '../../tensor/derived/join.ts';
import type { Architecture, BuildOptions, BuiltModel, ImageGeometry } from '../architecture.ts';
import { fitPicture } from '../blocks/image-views.ts';
import type { Weight, WeightReader } from '../blocks/weights.ts';
import { embeddingModel, visionLanguageComponents, visionModel } from '../components.ts';
import { spanWarning } from '../image-span.ts';
import { buildLlamaDecoder } from '../llama/decoder.ts';
import { findModules } from '../module-names.ts';
import { patchPicture } from '../patch-geometry.ts';
import { readVilaConfig, type VilaConfig } from './config.ts';
import { isInThreeParts, vilaParts } from './parts.ts';
import { readPictureTokens } from './picture-tokens.ts';
import { pictureSteps, readPreprocessing } from './preprocessing.ts';
import { project, tokenGrid } from './projector.ts';
import { vilaPrompt, vilaRecipe } from './recipe.ts';
import { vilaSideFiles } from './side-files.ts';
import { towerFeatures, towerModule, towerTokens } from './vision.ts';

const modules = {
  tower: towerModule,
  projector: { prefixes: ['mm_projector'], contents: ['layers'] },
  /** Llama's `embed_tokens`, `layers`, `norm`. */
  text: { prefixes: ['llm.model'], contents: ['layers.', 'embed_tokens.'] },
  head: { prefixes: ['llm.lm_head'], contents: ['weight'] },
} as const;

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  const config = readVilaConfig(checkpoint.config);
  const { text, vision, projector } = config;
  const tokens = readPictureTokens(checkpoint, config);
  const preprocessing = readPreprocessing(checkpoint, config);
  const table = new TensorTable(checkpoint.tensors);
  const weights = findModules(table, modules);
  const picture = patchPicture(
    options.resolution,
    preprocessing.size,
    options.tiling,
    vision.patch,
    'vision_tower_cfg.image_size',
  );
  const { grid, input, covered } = picture;
  const joined = tokenGrid(grid, projector);
  const count = projector.join === 1 ? towerTokens(vision, grid) : joined.rows * joined.columns;
  const whole = vision.drops === vision.extra && !projector.transposed;
  const steps = pictureSteps(input, config, preprocessing);
  const geometry: ImageGeometry = {
    requested: picture.requested,
    input,
    views: [{ kind: 'global' }],
    tokensPerView: count,
    ...(whole ? { tokenGrid: { ...joined, leading: 0 } } : {}),
    tokens: count,
    ...(steps === undefined ? {} : { steps }),
    mean: preprocessing.mean,
    std: preprocessing.std,
    summary: picture.summary,
  };
  const components = visionLanguageComponents({
    vision: visionModel(geometry, text.hidden, (b, pixels) => {
      const seen = fitPicture(b, pixels, input, covered);
      const features = towerFeatures(b, seen, weights.tower, vision, grid);
      return b.scope('projector', () =>
        project(b, features, weights.projector, projector, { grid, width: vision.width }),
      );
    }),
    embed: embeddingModel(embeddingTable(weights.text, config, tokens.tokenId)),
    decoder: buildLlamaDecoder({ model: weights.text, head: weights.head }, text),
  });
  return {
    architecture: vila.id,
    components,
    image: geometry,
    recipe: vilaRecipe(config, { form: 'pixels' }, tokens, vilaPrompt(checkpoint)),
    sideFiles: vilaSideFiles(checkpoint, geometry, input, tokens.tokenId),
    warnings: spanWarning(geometry.tokens, 'max_position_embeddings', text.maxPositions),
    unusedTensors: table.unused(),
  };
}

/** With a row for the mark of a picture, which features replace, where the vocabulary has none. */
function embeddingTable(weights: WeightReader, { text }: VilaConfig, tokenId: number): Weight {
  const { name, tensor } = weights.at('embed_tokens').take('weight', [text.vocab, text.hidden]);
  if (tokenId < text.vocab) return { name, tensor };
  return { name, tensor: concat([tensor, zeros(tensor.dtype, [1, text.hidden])]) };
}

export const vila: Architecture = {
  id: 'vila',
  title: 'VILA',
  modelTypes: ['llava_llama', 'vila'],
  recognises: isInThreeParts,
  parts: vilaParts,
  build,
};
