/**
 * Where a Qwen2-Audio checkpoint keeps its modules: as released, a whole language model beside the tower; as
 * transformers names its own modules today, both inside `model`, and the head outside.
 */
import type { WeightReader } from '../blocks/weights.ts';
import { languageModules, type ModuleNames } from '../module-names.ts';

export interface Qwen2AudioWeights {
  /** `conv1`, `conv2`, `embed_positions`, `layers`, `layer_norm` */
  readonly tower: WeightReader;
  /** `linear` */
  readonly projector: WeightReader;
  /** Qwen2's `embed_tokens`, `layers`, `norm` */
  readonly text: WeightReader;
  /** `weight`; not there where the head is the embedding table. */
  readonly head: WeightReader;
}

export const qwen2AudioModules: Readonly<Record<keyof Qwen2AudioWeights, ModuleNames>> = {
  tower: { prefixes: ['audio_tower', 'model.audio_tower'], contents: ['conv1.', 'layers.'] },
  projector: {
    prefixes: ['multi_modal_projector', 'model.multi_modal_projector'],
    contents: ['linear.'],
  },
  ...languageModules,
};
