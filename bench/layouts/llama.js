/** A Llama decoder alone, as text models are released, and the same one inside a LLaVA checkpoint. */
import { biased, fixtureConfig, fixtureFiles, layerNorm, normal, ones, repeat } from './entries.js';

/** @typedef {import('./entries.js').Entry} Entry */
/** @typedef {import('./entries.js').Layout} Layout */

/**
 * @typedef {{ hidden: number, layers: number, heads: number, kvHeads: number, headDim: number, mlp: number,
 *   vocab: number, tied: boolean }} LlamaSizes
 * @typedef {{ width: number, layers: number, heads: number, mlp: number, picture: number }} TowerSizes
 *   `picture`: its side in pixels, in patches of 14
 */

/** Llama-3.2-1B: 1.24 billion parameters, the head is the embedding table. */
const llama = {
  hidden: 2048,
  layers: 16,
  heads: 32,
  kvHeads: 8,
  headDim: 64,
  mlp: 8192,
  vocab: 128256,
  tied: true,
};

/** @param {LlamaSizes} sizes @returns {Entry[]} */
function llamaTensors({ hidden, layers, heads, kvHeads, headDim, mlp, vocab, tied }) {
  return [
    normal('model.embed_tokens.weight', vocab, hidden),
    ...repeat(layers, (index) => {
      const layer = `model.layers.${index}`;
      return [
        normal(`${layer}.self_attn.q_proj.weight`, heads * headDim, hidden),
        normal(`${layer}.self_attn.k_proj.weight`, kvHeads * headDim, hidden),
        normal(`${layer}.self_attn.v_proj.weight`, kvHeads * headDim, hidden),
        normal(`${layer}.self_attn.o_proj.weight`, hidden, heads * headDim),
        normal(`${layer}.mlp.gate_proj.weight`, mlp, hidden),
        normal(`${layer}.mlp.up_proj.weight`, mlp, hidden),
        normal(`${layer}.mlp.down_proj.weight`, hidden, mlp),
        ones(`${layer}.input_layernorm.weight`, hidden),
        ones(`${layer}.post_attention_layernorm.weight`, hidden),
      ];
    }),
    ones('model.norm.weight', hidden),
    ...(tied ? [] : [normal('lm_head.weight', vocab, hidden)]),
  ];
}

/** Its rotary scaling is left out: no weight depends on it. */
/** @param {LlamaSizes} sizes */
const llamaConfig = (sizes) => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: sizes.hidden,
  num_hidden_layers: sizes.layers,
  num_attention_heads: sizes.heads,
  num_key_value_heads: sizes.kvHeads,
  head_dim: sizes.headDim,
  intermediate_size: sizes.mlp,
  vocab_size: sizes.vocab,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  tie_word_embeddings: sizes.tied,
  bos_token_id: 1,
  eos_token_id: 2,
  torch_dtype: 'bfloat16',
});

const llavaFolder = 'llava/hf-tiny/checkpoint';
const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
];
const llavaFiles = ['preprocessor_config.json', 'processor_config.json', 'added_tokens.json'];

/** The decoder alone, for tools that take text models. @returns {Layout} */
export function llamaText() {
  return {
    tensors: llamaTensors(llama),
    config: llamaConfig(llama),
    sideFiles: fixtureFiles(llavaFolder, tokenizerFiles),
    shardBytes: 5e9,
  };
}

/** The same decoder, value for value, behind a small CLIP tower: LLaVA in the Hugging Face layout. @returns {Layout} */
export function llamaLlava() {
  return llava({ width: 256, layers: 2, heads: 4, mlp: 1024, picture: 224 }, llama, -2);
}

/** The tower of CLIP-L/14-336, whole, and two layers of a 7B Llama's widths, with few words. @returns {Layout} */
export function clipAndSlice() {
  const slice = { hidden: 4096, layers: 2, heads: 32, kvHeads: 32, headDim: 128, mlp: 11008, vocab: 4096 };
  const tower = { width: 1024, layers: 24, heads: 16, mlp: 4096, picture: 336 };
  return llava(tower, { ...slice, tied: false }, -1);
}

/** @param {TowerSizes} sizes @param {LlamaSizes} text @param {number} featureLayer @returns {Layout} */
function llava({ width, layers, heads, mlp, picture }, text, featureLayer) {
  const tower = 'vision_tower.vision_model';
  const { hidden, vocab, tied } = text;
  const blocks = repeat(layers, (index) => {
    const block = `${tower}.encoder.layers.${index}`;
    return [
      ...layerNorm(`${block}.layer_norm1`, width),
      ...layerNorm(`${block}.layer_norm2`, width),
      ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap((name) =>
        biased(`${block}.self_attn.${name}`, width, width),
      ),
      ...biased(`${block}.mlp.fc1`, mlp, width),
      ...biased(`${block}.mlp.fc2`, width, mlp),
    ];
  });
  const config = fixtureConfig(llavaFolder);
  return {
    tensors: [
      normal(`${tower}.embeddings.class_embedding`, width),
      normal(`${tower}.embeddings.patch_embedding.weight`, width, 3, 14, 14),
      normal(`${tower}.embeddings.position_embedding.weight`, (picture / 14) ** 2 + 1, width),
      ...layerNorm(`${tower}.pre_layrnorm`, width),
      ...blocks,
      ...layerNorm(`${tower}.post_layernorm`, width),
      ...biased('multi_modal_projector.linear_1', hidden, width),
      ...biased('multi_modal_projector.linear_2', hidden, hidden),
      ...llamaTensors(text).map((entry) => ({ ...entry, name: `language_model.${entry.name}` })),
    ],
    config: {
      ...config,
      image_token_index: vocab - 1,
      vocab_size: vocab,
      tie_word_embeddings: tied,
      text_config: llamaConfig(text),
      vision_feature_layer: featureLayer,
      vision_config: {
        ...config.vision_config,
        hidden_size: width,
        intermediate_size: mlp,
        num_attention_heads: heads,
        num_hidden_layers: layers,
        image_size: picture,
      },
    },
    sideFiles: fixtureFiles(llavaFolder, [...tokenizerFiles, ...llavaFiles]),
    shardBytes: 5e9,
  };
}
