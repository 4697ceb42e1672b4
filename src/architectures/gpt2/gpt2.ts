/** GPT-2 as a language model (`GPT2LMHeadModel`), with or without `transformer.` before the names. */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader } from '../../formats/checkpoint/config.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import { WeightReader } from '../blocks/weights.ts';
import { embeddingModel, languageComponents } from '../components.ts';
import { refuseResolution, textSideFiles } from '../text-model.ts';
import { readGpt2Config } from './config.ts';
import { buildGpt2Decoder } from './decoder.ts';

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  refuseResolution(options);
  const config = readGpt2Config(new ConfigReader(checkpoint.config));
  const { vocab, hidden, layers, heads, headDim, endOfTextId } = config;
  const table = new TensorTable(checkpoint.tensors);
  const root = new WeightReader(table);
  const model = table.has('wte.weight') ? root : root.at('transformer');
  return {
    architecture: gpt2.id,
    components: languageComponents({
      embed: embeddingModel(model.at('wte').take('weight', [vocab, hidden])),
      decoder: buildGpt2Decoder({ model, head: root.at('lm_head') }, config),
    }),
    recipe: {
      embed: { component: 'embed' },
      decoder: { component: 'decoder', layers, kvHeads: heads, headDim, scalars: [] },
      vocabSize: vocab,
      hiddenSize: hidden,
      textIds: vocab,
      endOfTextId,
    },
    sideFiles: textSideFiles(checkpoint),
    warnings: [],
    unusedTensors: table.unused(),
  };
}

export const gpt2: Architecture = {
  id: 'gpt2',
  title: 'GPT-2',
  modelTypes: ['gpt2'],
  recognises: ({ model_type }) => model_type === 'gpt2',
  build,
};
