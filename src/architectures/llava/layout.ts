/**
 * Where a LLaVA checkpoint keeps its modules. Every version of transformers saved them under other prefixes, and the
 * original code under its own; the tensors inside a module are named alike in all of them.
 */
import type { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { findModules, languageModules, type ModuleNames } from '../module-names.ts';

export interface LlavaWeights {
  /** CLIP's vision model: `embeddings`, `pre_layrnorm`, `encoder`. */
  readonly tower: WeightReader;
  /** The two layers of the projector: `weight`, `bias`. */
  readonly projectorIn: WeightReader;
  readonly projectorOut: WeightReader;
  /** Llama's `embed_tokens`, `layers`, `norm`. */
  readonly text: WeightReader;
  /** The language model's head: `weight`. */
  readonly head: WeightReader;
}

const modules: Readonly<Record<keyof LlavaWeights, ModuleNames>> = {
  tower: {
    prefixes: [
      'vision_tower.vision_model',
      'model.vision_tower.vision_model',
      'vision_tower',
      'model.vision_tower',
    ],
    contents: ['embeddings.', 'encoder.'],
  },
  projectorIn: {
    prefixes: [
      'multi_modal_projector.linear_1',
      'model.multi_modal_projector.linear_1',
      'model.mm_projector.0',
    ],
    contents: ['weight'],
  },
  projectorOut: {
    prefixes: [
      'multi_modal_projector.linear_2',
      'model.multi_modal_projector.linear_2',
      'model.mm_projector.2',
    ],
    contents: ['weight'],
  },
  ...languageModules,
  // The original layout has no prefix of its own.
  text: { ...languageModules.text, prefixes: [...languageModules.text.prefixes, 'model'] },
};

export function findLlavaModules(table: TensorTable): LlavaWeights {
  return findModules(table, modules);
}
