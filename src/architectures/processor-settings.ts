/** Where a checkpoint of transformers keeps the settings of its image processor, or of another part of its processor. */
import type { Checkpoint, JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../formats/json.ts';
import type { PillowFilter } from '../kernels/pillow-resize.ts';
import type { JsonValue } from '../tensor/tensor.ts';

/** PIL's codes of resampling. */
export const pillowFilters: ReadonlyMap<unknown, PillowFilter> = new Map([
  [1, 'lanczos'],
  [2, 'bilinear'],
  [3, 'bicubic'],
]);

export interface ProcessorSettings {
  readonly file: string;
  /** Of the settings in their file, for messages. */
  readonly path: string;
  readonly settings: JsonObject;
}

/**
 * In a file of their own; today's transformers nests them in the processor's, under `part`. Empty where a checkpoint has
 * none.
 */
export function findSettings(
  { json }: Pick<Checkpoint, 'json'>,
  part: 'image_processor' | 'feature_extractor' = 'image_processor',
): ProcessorSettings {
  const nested = objectOf(json.get('processor_config.json'))[part];
  const own = json.get('preprocessor_config.json');
  if (own === undefined && isJsonObject(nested)) {
    return { file: 'processor_config.json', path: part, settings: nested };
  }
  return { file: 'preprocessor_config.json', path: '', settings: objectOf(own) };
}

/** The value where it is an object, else an empty one. */
export function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
