/**
 * The JSON files of the output folder: the config with the size that was built, an image processor's settings, which the
 * original has in code, and the language model's tokenizer with a token for pictures.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { tokenizerForm, tokenizerJson } from '../../formats/sentencepiece/tokenizer-json.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { ImageGeometry, SideFile } from '../architecture.ts';
import { objectOf } from '../processor-settings.ts';
import { copiedFiles } from '../side-files.ts';
import type { MiniGptConfig } from './config.ts';
import { pictureToken } from './recipe.ts';

/** Of the language model's folder, kept as they are. */
const kept = ['generation_config.json', 'special_tokens_map.json'];

export function miniGptSideFiles(
  checkpoint: Checkpoint,
  geometry: ImageGeometry,
  { imageTokenId }: MiniGptConfig,
): readonly SideFile[] {
  const { config, json, files } = checkpoint;
  const { width, height } = geometry.input;
  const written: Readonly<Record<string, JsonValue | undefined>> = {
    'config.json': {
      ...config,
      model_type: 'minigpt_v2',
      image_size: width === height ? width : [height, width],
      image_token_index: imageTokenId,
    },
    'preprocessor_config.json': processorSettings(geometry),
    ...tokenizerFiles(checkpoint, imageTokenId),
    ...Object.fromEntries(kept.map((name) => [name, json.get(name)])),
  };
  return [
    ...Object.entries(written).flatMap(([name, value]): SideFile[] =>
      value === undefined ? [] : [{ name, kind: 'json', value }],
    ),
    ...copiedFiles(files).filter(({ name }) => written[name] === undefined),
  ];
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

/**
 * With `<ImageHere>` added. The original takes Llama's tokenizer as it was before `legacy` came: every stretch of text
 * between special tokens begins with a space.
 */
function tokenizerFiles(
  { json, sentencePiece }: Checkpoint,
  id: number,
): Readonly<Record<string, JsonValue | undefined>> {
  const content = pictureToken;
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const settings = objectOf(json.get('tokenizer_config.json'));
  const own = json.get('tokenizer.json');
  const tokens = objectOf(own).added_tokens;
  return {
    'tokenizer_config.json': {
      ...settings,
      legacy: true,
      added_tokens_decoder: { ...objectOf(settings.added_tokens_decoder), [id]: { content, ...flags } },
    },
    'tokenizer.json':
      own !== undefined
        ? {
            ...objectOf(own),
            added_tokens: [...(Array.isArray(tokens) ? tokens : []), { id, content, ...flags }],
          }
        : sentencePiece &&
          tokenizerJson(sentencePiece, {
            ...tokenizerForm(settings, sentencePiece),
            prefix: 'every',
            added: [{ id, content }],
          }),
  };
}
