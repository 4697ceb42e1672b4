/**
 * The JSON files of the output folder: config and processors moved to the size that was built for pictures that are
 * shown. What they do not concern is kept as the publisher wrote it.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { ImageGeometry, SideFile, Tiling } from '../architecture.ts';
import { findSettings, objectOf } from '../processor-settings.ts';
import { copiedFiles } from '../side-files.ts';
import type { JanusDialect } from './dialect.ts';

export function janusSideFiles(
  checkpoint: Checkpoint,
  geometry: ImageGeometry,
  tiling: Tiling,
  { sizedConfig, sizedSettings }: JanusDialect,
): readonly SideFile[] {
  const { file, settings } = findSettings(checkpoint);
  const { requested, input, tokens } = geometry;
  const image: JsonObject = {
    ...settings,
    ...sizedSettings(input),
    vlm_convert: {
      requested: { height: requested.height, width: requested.width },
      keep_aspect_ratio: true,
      tiling,
      image_token_span: tokens,
    },
  };
  const processor = checkpoint.json.get('processor_config.json');
  const nested = file === 'processor_config.json' ? { image_processor: image } : {};
  const written: Readonly<Record<string, JsonValue>> = {
    'config.json': sizedConfig(checkpoint.config, input, tokens),
    'preprocessor_config.json': image,
    ...(processor === undefined
      ? {}
      : { 'processor_config.json': { ...objectOf(processor), ...nested, num_image_tokens: tokens } }),
  };
  const kept = ['tokenizer_config.json'].filter((name) => checkpoint.files.includes(name));
  return [
    ...Object.entries(written).map(([name, value]): SideFile => ({ name, kind: 'json', value })),
    ...kept.map((name): SideFile => ({ name, kind: 'copy', from: name })),
    ...copiedFiles(checkpoint.files),
  ];
}
