/**
 * MiniCPM-Llama3-V 2.5: SigLIP's tower over views of a picture (the whole and slices of it, each of its own size), a
 * resampler with as many features for each, Llama 3 as language model. Without a resolution one graph takes views of any
 * sizes; with one it is compiled for the views of a picture of that size.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import { WeightReader } from '../blocks/weights.ts';
import { embeddingModel, visionLanguageComponents } from '../components.ts';
import { spanWarning } from '../image-span.ts';
import { buildLlamaDecoder } from '../llama/decoder.ts';
import { textEmbedding } from '../llama/embedding.ts';
import type { SliceFeed } from '../recipe.ts';
import { readMiniCpmConfig, readPreprocessing } from './config.ts';
import { dynamicVision, sizesInput } from './dynamic-vision.ts';
import { anySize, oneSize } from './geometry.ts';
import { miniCpmRecipe } from './recipe.ts';
import { miniCpmSideFiles } from './side-files.ts';
import { viewGroups } from './slicing.ts';
import { readSpecialTokens } from './special-tokens.ts';
import { staticVision } from './static-vision.ts';

function build(checkpoint: Checkpoint, { resolution }: BuildOptions): BuiltModel {
  const config = readMiniCpmConfig(checkpoint.config);
  const { text, vision, queries } = config;
  const preprocessing = readPreprocessing(checkpoint, vision.patch);
  const tokens = readSpecialTokens(checkpoint, text.vocab);
  const table = new TensorTable(checkpoint.tensors);
  const root = new WeightReader(table);
  const compiled = resolution !== undefined;
  const { geometry, slicing } = compiled
    ? oneSize(resolution, preprocessing, queries)
    : anySize(preprocessing, queries);
  const feed: SliceFeed = {
    form: 'slices',
    ...preprocessing.rule,
    padded: config.padded,
    ...(compiled ? { known: slicing } : { sizes: sizesInput }),
  };
  const llm = root.at('llm');
  const model = llm.at('model');
  const components = visionLanguageComponents({
    vision: compiled
      ? staticVision(root, config, viewGroups(slicing, vision.patch))
      : dynamicVision(root, config),
    embed: embeddingModel(textEmbedding(model, text)),
    decoder: buildLlamaDecoder({ model, head: llm.at('lm_head') }, text),
  });
  return {
    architecture: miniCpmV25.id,
    components,
    image: geometry,
    recipe: miniCpmRecipe(config, feed, tokens),
    sideFiles: miniCpmSideFiles(checkpoint, preprocessing, { geometry, slicing, compiled }),
    warnings: spanWarning(geometry.tokens, 'max_position_embeddings', text.maxPositions),
    unusedTensors: table.unused(),
  };
}

export const miniCpmV25: Architecture = {
  id: 'minicpm-v-2.5',
  title: 'MiniCPM-Llama3-V 2.5',
  modelTypes: ['minicpmv'],
  // Other versions have the same model_type: they are taken to be refused with what is supported.
  recognises: ({ model_type }) => model_type === 'minicpmv',
  build,
};
