/**
 * VILA 1.5 and NVILA: SigLIP's tower (or CLIP's) over one view of a picture or over tiles of it, a projector that joins
 * neighbouring patches, Llama or Qwen2 as language model; saved as three models side by side (parts.ts).
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import { embeddingModel, visionLanguageComponents } from '../components.ts';
import { spanWarning } from '../image-span.ts';
import { buildLlamaDecoder } from '../llama/decoder.ts';
import { textEmbedding } from '../llama/embedding.ts';
import { findModules } from '../module-names.ts';
import type { EncoderFeed } from '../recipe.ts';
import { readVilaConfig } from './config.ts';
import { describePictures } from './geometry.ts';
import { isInThreeParts, vilaParts } from './parts.ts';
import { readPictureTokens } from './picture-tokens.ts';
import { readPreprocessing } from './preprocessing.ts';
import { vilaPrompt, vilaRecipe } from './recipe.ts';
import { vilaSideFiles } from './side-files.ts';
import { towerModule } from './vision.ts';
import { vilaVisionModel } from './vision-model.ts';

const modules = {
  tower: towerModule,
  projector: { prefixes: ['mm_projector'], contents: ['layers'] },
  /** Llama's `embed_tokens`, `layers`, `norm`. */
  text: { prefixes: ['llm.model'], contents: ['layers.', 'embed_tokens.'] },
  /** An adapter that changes a tied head writes the second. */
  head: { prefixes: ['llm.lm_head', 'lm_head'], contents: ['weight'] },
} as const;

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  const config = readVilaConfig(checkpoint.config);
  const { text } = config;
  const tokens = readPictureTokens(checkpoint, config);
  const preprocessing = readPreprocessing(checkpoint, config);
  const table = new TensorTable(checkpoint.tensors);
  const weights = findModules(table, modules);
  const pictures = describePictures(config, preprocessing, options);
  const { geometry } = pictures;
  const feed: EncoderFeed = pictures.kind === 'tiles' ? pictures.feed : { form: 'pixels' };
  const components = visionLanguageComponents({
    vision: vilaVisionModel(weights, config, pictures),
    embed: embeddingModel(textEmbedding(weights.text, text, tokens.tokenId)),
    decoder: buildLlamaDecoder({ model: weights.text, head: weights.head }, text),
  });
  return {
    architecture: vila.id,
    components,
    image: geometry,
    recipe: vilaRecipe(config, feed, tokens, vilaPrompt(checkpoint, feed)),
    sideFiles: vilaSideFiles(checkpoint, pictures, tokens.tokenId),
    warnings: spanWarning(geometry.tokens, 'max_position_embeddings', text.maxPositions),
    unusedTensors: table.unused(),
  };
}

export const vila: Architecture = {
  id: 'vila',
  title: 'VILA',
  modelTypes: ['llava_llama', 'vila'],
  recognises: isInThreeParts,
  parts: vilaParts,
  build,
};
