/**
 * The JSON files of the output folder: model config and feature extractor, moved to the length of sounds that was built.
 * What they do not concern is kept as the publisher wrote it.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../../formats/json.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { SideFile } from '../architecture.ts';
import type { AudioGeometry } from '../media.ts';
import { findSettings, objectOf } from '../processor-settings.ts';
import { sideFilesOf } from '../side-files.ts';

export function qwen2AudioSideFiles(
  checkpoint: Checkpoint,
  geometry: AudioGeometry,
  compiled: boolean,
): readonly SideFile[] {
  const { settings } = findSettings(checkpoint, 'feature_extractor');
  const processor = objectOf(checkpoint.json.get('processor_config.json'));
  const extractor = extractorSettings(settings, geometry, compiled);
  const config: JsonObject = {
    ...checkpoint.config,
    audio_config: {
      ...objectOf(checkpoint.config.audio_config),
      max_source_positions: geometry.frames / 2,
    },
  };
  const written: Readonly<Record<string, JsonValue>> = {
    'config.json': compiled ? config : checkpoint.config,
    'preprocessor_config.json': extractor,
    // A processor reads its own copy of the settings before the file beside it.
    ...(isJsonObject(processor.feature_extractor)
      ? { 'processor_config.json': { ...processor, feature_extractor: extractor } }
      : {}),
  };
  return sideFilesOf(checkpoint, written, ['processor_config.json', 'tokenizer_config.json']);
}

/** `n_samples` and `nb_max_frames` follow from the others; files have them all the same. */
function extractorSettings(settings: JsonObject, geometry: AudioGeometry, compiled: boolean): JsonObject {
  const { bands, seconds, hop, window, samples, frames, sampleRate, tokens } = geometry;
  return {
    feature_extractor_type: 'WhisperFeatureExtractor',
    processor_class: 'Qwen2AudioProcessor',
    padding_side: 'right',
    padding_value: 0,
    return_attention_mask: true,
    ...settings,
    feature_size: bands,
    chunk_length: seconds,
    hop_length: hop,
    n_fft: window,
    n_samples: samples,
    nb_max_frames: frames,
    sampling_rate: sampleRate,
    ...(compiled ? { vlm_convert: { max_audio_seconds: seconds, most_audio_tokens: tokens } } : {}),
  };
}
