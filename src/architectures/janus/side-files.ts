/**
 * The JSON files of the output folder: config and processors moved to the size that was built for pictures that are
 * shown. What they do not concern is kept as the publisher wrote it.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { SideFile, Tiling } from '../architecture.ts';
import type { ImageGeometry } from '../media.ts';
import { findSettings, objectOf } from '../processor-settings.ts';
import { sideFilesOf } from '../side-files.ts';
import type { JanusDialect } from './dialect.ts';
import type { JanusTokens } from './special-tokens.ts';
import { writtenTokenizer } from './tokenizer-file.ts';

export function janusSideFiles(
  checkpoint: Checkpoint,
  geometry: ImageGeometry,
  tiling: Tiling,
  tokens: JanusTokens,
  { sizedConfig, sizedSettings }: JanusDialect,
): readonly SideFile[] {
  const { settings } = findSettings(checkpoint);
  const { requested, input, tokens: span } = geometry;
  const image: JsonObject = {
    ...settings,
    ...sizedSettings(input),
    vlm_convert: {
      requested: { height: requested.height, width: requested.width },
      keep_aspect_ratio: true,
      tiling,
      image_token_span: span,
    },
  };
  const processor = checkpoint.json.get('processor_config.json');
  // A processor reads its own copy of the settings before the file beside it.
  const nested = objectOf(processor).image_processor === undefined ? {} : { image_processor: image };
  const tokenizer = writtenTokenizer(checkpoint, tokens);
  const written: Readonly<Record<string, JsonValue>> = {
    'config.json': sizedConfig(checkpoint.config, input, span),
    'preprocessor_config.json': image,
    ...(processor === undefined
      ? {}
      : { 'processor_config.json': { ...objectOf(processor), ...nested, num_image_tokens: span } }),
    ...(tokenizer === undefined ? {} : { 'tokenizer.json': tokenizer }),
  };
  return sideFilesOf(checkpoint, written);
}
