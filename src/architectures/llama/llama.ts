/** Llama as a language model of its own (`LlamaForCausalLM`): Llama 2, Vicuna, Llama 3. */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader } from '../../formats/checkpoint/config.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import { embeddingModel, languageComponents } from '../components.ts';
import { findModules, type ModuleNames } from '../module-names.ts';
import { refuseResolution, textSideFiles } from '../text-model.ts';
import { readLlamaConfig } from './config.ts';
import { buildLlamaDecoder } from './decoder.ts';
import { textEmbedding } from './embedding.ts';
import { languageRecipe } from './recipe.ts';

const modules = {
  model: { prefixes: ['model'], contents: ['layers.', 'embed_tokens.'] },
  head: { prefixes: ['lm_head'], contents: ['weight'] },
} as const satisfies Readonly<Record<string, ModuleNames>>;

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  refuseResolution(options);
  const config = readLlamaConfig(new ConfigReader(checkpoint.config));
  const table = new TensorTable(checkpoint.tensors);
  const weights = findModules(table, modules);
  return {
    architecture: llama.id,
    components: languageComponents({
      embed: embeddingModel(textEmbedding(weights.model, config)),
      decoder: buildLlamaDecoder(weights, config),
    }),
    recipe: { ...languageRecipe(config), textIds: config.vocab },
    sideFiles: textSideFiles(checkpoint),
    warnings: [],
    unusedTensors: table.unused(),
  };
}

export const llama: Architecture = {
  id: 'llama',
  title: 'Llama',
  modelTypes: ['llama'],
  recognises: ({ model_type }) => model_type === 'llama',
  build,
};
