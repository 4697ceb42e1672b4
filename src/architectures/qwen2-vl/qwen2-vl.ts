/**
 * Qwen2-VL, base and instruct: a vision tower over patches of any grid, pictures and videos alike, and Qwen2 as language
 * model, whose rotary goes by time, row and column. Without a resolution one graph takes any pictures at once; with one
 * it takes pictures of that size, and nothing of its shapes is open but their number.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import type { Grid } from '../blocks/resize.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { embeddingModel, referenceOpset, visionLanguageComponents } from '../components.ts';
import { spanWarning } from '../image-span.ts';
import { buildLlamaDecoder } from '../llama/decoder.ts';
import { textEmbedding } from '../llama/embedding.ts';
import { findModules } from '../module-names.ts';
import { patchGridOf } from '../patch-rows.ts';
import type { PatchRowFeed } from '../recipe.ts';
import { type Qwen2VlConfig, readQwen2VlConfig } from './config.ts';
import { anySize, oneSize } from './geometry.ts';
import { qwen2VlModules } from './layout.ts';
import { dynamicPlaces, staticPlaces } from './patch-positions.ts';
import { readProcessor } from './processor.ts';
import { qwen2VlPrompt, qwen2VlRecipe } from './recipe.ts';
import { qwen2VlSideFiles } from './side-files.ts';
import { patchLength, visionTower } from './vision-tower.ts';

/** transformers.js feeds the grid of each picture under this name. */
const gridInput = 'grid_thw';

function build(checkpoint: Checkpoint, { resolution }: BuildOptions): BuiltModel {
  const config = readQwen2VlConfig(checkpoint.config);
  const { text, vision } = config;
  const processor = readProcessor(checkpoint, vision);
  const table = new TensorTable(checkpoint.tensors);
  const weights = findModules(table, qwen2VlModules);
  const { minPixels, maxPixels } = processor;
  const compiled = resolution !== undefined;
  const feed: PatchRowFeed = {
    form: 'patch-rows',
    ...(compiled ? {} : { grid: gridInput }),
    patch: vision.patch,
    merge: vision.merge,
    frames: vision.frames,
    minPixels,
    maxPixels,
  };
  const { geometry, warnings } = compiled ? oneSize(resolution, feed, processor) : anySize(feed, processor);
  const components = visionLanguageComponents({
    takes: ['image', 'video'],
    vision: visionModel(weights.tower, config, compiled ? patchGridOf(geometry.input, feed) : undefined),
    embed: embeddingModel(textEmbedding(weights.text, text)),
    decoder: buildLlamaDecoder({ model: weights.text, head: weights.head }, text),
  });
  return {
    architecture: qwen2Vl.id,
    components,
    image: geometry,
    recipe: qwen2VlRecipe(config, feed, qwen2VlPrompt(checkpoint)),
    sideFiles: qwen2VlSideFiles(checkpoint, feed, { geometry, compiled }),
    warnings: [...warnings, ...spanWarning(geometry.tokens, 'max_position_embeddings', text.maxPositions)],
    unusedTensors: table.unused(),
  };
}

/**
 * pixel_values f32 [patches, length] → image_features f32 [tokens, hidden]. For any grid besides grid_thw i64 [pictures,
 * 3], of all pictures and videos of the call; for a known one the patches of any number of pictures, or frames, of it.
 */
function visionModel(tower: WeightReader, { text, vision }: Qwen2VlConfig, known: Grid | undefined): Model {
  const b = new GraphBuilder('vision_encoder', inferNode);
  const length = patchLength(vision);
  const rows = b.input('pixel_values', tensorType('float32', ['patches', length]));
  const places = b.scope('places', () =>
    known === undefined
      ? dynamicPlaces(b, rows, b.input(gridInput, tensorType('int64', ['pictures', 3])), vision)
      : staticPlaces(b, known, vision),
  );
  const sequences = known === undefined ? [1, -1] : [-1, known.rows * known.columns];
  const patches = b.op('Reshape', [rows, b.int64([...sequences, length])]);
  const features = visionTower(b, patches, tower, { config: vision, hidden: text.hidden, places });
  b.output('image_features', features);
  b.graph.setType(features, tensorType('float32', ['image_tokens', text.hidden]));
  return createModel(b.graph, referenceOpset);
}

export const qwen2Vl: Architecture = {
  id: 'qwen2-vl',
  title: 'Qwen2-VL',
  modelTypes: ['qwen2_vl'],
  recognises: ({ model_type }) => model_type === 'qwen2_vl',
  build,
};
