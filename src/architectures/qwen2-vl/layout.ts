/**
 * Where a Qwen2-VL checkpoint keeps its modules: as released, `visual` and `model`; as transformers names its own
 * modules today, `model.visual` and `model.language_model`.
 */
import type { ModuleNames } from '../module-names.ts';

export const qwen2VlModules = {
  /** `patch_embed`, `blocks`, `merger` */
  tower: {
    prefixes: ['visual', 'model.visual'],
    contents: ['patch_embed.', 'blocks.', 'merger.'],
  },
  /** `embed_tokens`, `layers`, `norm` */
  text: {
    prefixes: ['model', 'model.language_model', 'language_model', 'language_model.model'],
    contents: ['layers.', 'embed_tokens.'],
  },
  /** `weight`; not there where the head is the embedding table. */
  head: {
    prefixes: ['lm_head', 'model.lm_head', 'language_model.lm_head', 'model.language_model.lm_head'],
    contents: ['weight'],
  },
} as const satisfies Readonly<Record<string, ModuleNames>>;
