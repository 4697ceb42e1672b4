/** What the modules of a MiniGPT-v2 model are called once its parts are one checkpoint. */
export const modules = {
  /** EVA's `patch_embed`, `cls_token`, `pos_embed`, `blocks`. */
  tower: 'vision_tower',
  norm: 'ln_vision',
  projector: 'llama_proj',
  /** The language model's own names: `model.layers`, `lm_head`. */
  text: 'language_model',
} as const;
