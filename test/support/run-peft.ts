/** Prefill of a recorded PEFT case: logits on its ids (and picture), by the components given. */
import { join } from 'node:path';
import type { GenerationRecipe } from '../../src/architectures/recipe.ts';
import { int64Value, toFloat32 } from '../../src/runtime/values.ts';
import { deviation } from './deviation.ts';
import type { PeftCase } from './peft-cases.ts';
import { readIo } from './read-io.ts';
import { runRecipe } from './run-recipe.ts';
import type { ComponentFiles } from './write-models.ts';

export interface PeftDeviations {
  /** Of the logits, worst element, in standard deviations of PEFT's own. */
  readonly peft: number;
  /** The same against the base without the adapter: what a merge must move away from. */
  readonly base: number;
}

export async function peftDeviations(
  { folder }: Pick<PeftCase, 'folder'>,
  recipe: GenerationRecipe,
  files: ComponentFiles,
): Promise<PeftDeviations> {
  const io = await readIo(join(folder, 'io.safetensors'));
  const inputIds = io.get('in.input_ids');
  const [batch = 0, tokens = 0] = inputIds.shape;
  const { logits } = await runRecipe({
    recipe,
    files,
    inputIds,
    ...(io.has('in.pixel_values') ? { pixels: io.get('in.pixel_values') } : {}),
    attentionMask: int64Value(
      [batch, tokens],
      Array.from({ length: batch * tokens }, () => 1),
    ),
    decodeIds: Array.from({ length: batch }, () => []),
  });
  const found = toFloat32(logits);
  return {
    peft: deviation(found, io.float32('out.logits')),
    base: deviation(found, io.float32('mid.logits_base')),
  };
}
