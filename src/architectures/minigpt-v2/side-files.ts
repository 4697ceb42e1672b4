/**
 * The JSON files of the output folder: the config with the size that was built, an image processor's settings, which the
 * original has in code, and the language model's tokenizer with a token for pictures.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import { filesWithToken } from '../added-token.ts';
import type { SideFile } from '../architecture.ts';
import type { ImageGeometry } from '../media.ts';
import { sideFilesOf } from '../side-files.ts';
import type { MiniGptConfig } from './config.ts';
import { pictureToken } from './recipe.ts';

/** Of the language model's folder, kept as they are. */
const kept = ['generation_config.json', 'special_tokens_map.json'];

export function miniGptSideFiles(
  checkpoint: Checkpoint,
  geometry: ImageGeometry,
  { imageTokenId }: MiniGptConfig,
): readonly SideFile[] {
  const { config, json } = checkpoint;
  const { width, height } = geometry.input;
  const written: Readonly<Record<string, JsonValue | undefined>> = {
    'config.json': {
      ...config,
      model_type: 'minigpt_v2',
      image_size: width === height ? width : [height, width],
      image_token_index: imageTokenId,
    },
    'preprocessor_config.json': processorSettings(geometry),
    ...filesWithToken(checkpoint, { id: imageTokenId, content: pictureToken }),
    ...Object.fromEntries(kept.map((name) => [name, json.get(name)])),
  };
  return sideFilesOf(checkpoint, written, []);
}

/** Resized whole to the size of the graph, whatever its shape. */
function processorSettings({ input, mean, std }: ImageGeometry): JsonObject {
  return {
    image_processor_type: 'BlipImageProcessor',
    do_convert_rgb: true,
    do_resize: true,
    size: { height: input.height, width: input.width },
    // PIL's code of bicubic resampling.
    resample: 3,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  };
}
