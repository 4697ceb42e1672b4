/**
 * What an output folder says of how its graphs work together, so that it can be run without the checkpoint: the files,
 * the recipe, what becomes of a picture, and where an answer ends.
 */
import type { BuiltModel } from '../architectures/architecture.ts';
import type { AudioGeometry, ImageGeometry } from '../architectures/media.ts';
import type { GenerationRecipe } from '../architectures/recipe.ts';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../formats/json.ts';

export interface Generation {
  /** Component id → its model file, relative to the folder. */
  readonly components: Readonly<Record<string, string>>;
  readonly recipe: GenerationRecipe;
  readonly image?: ImageGeometry;
  readonly audio?: AudioGeometry;
  /** An answer ends before the first of these ids. */
  readonly stopIds: readonly number[];
}

/** `files`: per component, its files, of which the model is the first. */
export function generationOf(
  { recipe, image, audio }: BuiltModel,
  files: readonly { readonly id: string; readonly files: readonly { readonly path: string }[] }[],
  checkpoint: Pick<Checkpoint, 'json'>,
): Generation {
  return {
    components: Object.fromEntries(files.map(({ id, files: [model] }) => [id, model?.path ?? ''])),
    recipe,
    ...(image === undefined ? {} : { image }),
    ...(audio === undefined ? {} : { audio }),
    stopIds: stopIds(checkpoint, recipe),
  };
}

/** Those of generation_config.json, and the ends of text and answer. */
function stopIds(
  { json }: Pick<Checkpoint, 'json'>,
  { endOfTextId, endOfAnswerId }: GenerationRecipe,
): readonly number[] {
  const settings = json.get('generation_config.json');
  const found = isJsonObject(settings) ? settings.eos_token_id : undefined;
  const listed = Array.isArray(found) ? found : [found];
  const ids = [...listed, endOfTextId, endOfAnswerId].filter(
    (id): id is number => typeof id === 'number' && Number.isSafeInteger(id) && id >= 0,
  );
  return [...new Set(ids)];
}
