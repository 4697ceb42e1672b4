/**
 * Qwen2-Audio, base and instruct: Whisper's encoder over log-mel frames with a pool behind it, a linear projector, and
 * Qwen2 as language model. Sounds are padded to the chunk that the encoder takes: as long as its table of positions, or
 * as `--max-audio-seconds` cuts that.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import { embeddingModel, languageComponents, withProjector } from '../components.ts';
import { buildLlamaDecoder } from '../llama/decoder.ts';
import { textEmbedding } from '../llama/embedding.ts';
import { audioGeometry } from '../log-mel.ts';
import { findModules } from '../module-names.ts';
import { refuseResolution } from '../text-model.ts';
import { buildAudioEncoder } from './audio-encoder.ts';
import { readQwen2AudioConfig } from './config.ts';
import { qwen2AudioModules } from './layout.ts';
import { qwen2AudioPrompt, qwen2AudioRecipe } from './recipe.ts';
import { qwen2AudioSideFiles } from './side-files.ts';

/** Two frames in a position, two positions in a token. */
const framesPerToken = 4;

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  refuseResolution(options, '--max-audio-seconds sets the length of its sounds');
  const config = readQwen2AudioConfig(checkpoint.config);
  const { audio } = config;
  const taken = { bands: audio.bands, frames: 2 * audio.positions, framesPerToken };
  const geometry = audioGeometry(checkpoint, taken, options.audioSeconds);
  const table = new TensorTable(checkpoint.tensors);
  const weights = findModules(table, qwen2AudioModules);
  // Later versions of transformers tie no head that a file has, whatever the config says of it.
  const text = { ...config.text, tied: config.text.tied && !weights.head.has('weight') };
  return {
    architecture: qwen2Audio.id,
    components: [
      {
        id: 'audio_encoder',
        kind: 'encoder',
        modality: 'audio',
        holds: withProjector(['audio']),
        fileName: 'audio_encoder',
        model: buildAudioEncoder(weights, config, geometry),
      },
      ...languageComponents({
        embed: embeddingModel(textEmbedding(weights.text, text)),
        decoder: buildLlamaDecoder({ model: weights.text, head: weights.head }, text),
      }),
    ],
    audio: geometry,
    recipe: qwen2AudioRecipe(config, qwen2AudioPrompt(checkpoint)),
    sideFiles: qwen2AudioSideFiles(checkpoint, geometry, options.audioSeconds !== undefined),
    warnings: [],
    unusedTensors: table.unused(),
  };
}

export const qwen2Audio: Architecture = {
  id: 'qwen2-audio',
  title: 'Qwen2-Audio',
  modelTypes: ['qwen2_audio'],
  recognises: ({ model_type }) => model_type === 'qwen2_audio',
  build,
};
