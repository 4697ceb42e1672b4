/**
 * What the released checkpoints look like, as data: tensor names and shapes in the order of their modules, the
 * config and the small files beside them. Linear weights are [out, in], convolutions [out, in, kh, kw], all bf16.
 *
 * @typedef {{ name: string, shape: readonly number[], fill: 'normal' | 'ones', key: string }} Entry
 *   `key` seeds the values: equal keys hold equal values in every checkpoint
 * @typedef {{ tensors: readonly Entry[], config: Record<string, unknown>, sideFiles: readonly string[],
 *   shardBytes: number }} Layout
 *   `config` and `sideFiles` are written beside the tensors; the latter are paths
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const fixtures = resolve(import.meta.dirname, '../../fixtures');

/** @param {string} name @param {readonly number[]} shape @returns {Entry} */
const normal = (name, ...shape) => ({ name, shape, fill: 'normal', key: name });
/** @param {string} name @param {readonly number[]} shape @returns {Entry} */
const ones = (name, ...shape) => ({ name, shape, fill: 'ones', key: name });
/** @param {string} name @param {number} width */
const layerNorm = (name, width) => [ones(`${name}.weight`, width), normal(`${name}.bias`, width)];
/** @param {string} name @param {number} outputs @param {number} inputs */
const biased = (name, outputs, inputs) => [
  normal(`${name}.weight`, outputs, inputs),
  normal(`${name}.bias`, outputs),
];
/** @template T @param {number} count @param {(index: number) => T[]} make */
const repeat = (count, make) => Array.from({ length: count }, (_, index) => make(index)).flat();
/** @param {string} folder */
const readConfig = (folder) => JSON.parse(readFileSync(join(fixtures, folder, 'config.json'), 'utf8'));

/**
 * Qwen-VL, and Monkey when there are adapters: a Qwen decoder, a vision transformer, a resampler.
 *
 * @typedef {{ hidden: number, layers: number, mlp: number, width: number, blocks: number, adapters: number }} QwenSizes
 *   `mlp` is the width of one branch; heads are 128 wide in the decoder and 104 in the tower, as released
 * @param {QwenSizes} sizes @returns {Layout}
 */
function qwenVl({ hidden, layers, mlp, width, blocks, adapters }) {
  const vocab = 151936;
  const queries = 256;
  const ratio = 4.9231;
  const towerMlp = Math.trunc(width * ratio);
  const visual = 'transformer.visual';
  const pool = `${visual}.attn_pool`;
  /** @param {string} name @param {number} rank @param {number} outputs */
  const adapter = (name, rank, outputs) =>
    repeat(adapters, (index) => [
      normal(`${name}.${index}.lora_a.weight`, rank, width),
      normal(`${name}.${index}.lora_b.weight`, outputs, rank),
      ones(`${name}.${index}.lora_scale`, 1),
    ]);
  const decoder = repeat(layers, (index) => {
    const layer = `transformer.h.${index}`;
    return [
      ones(`${layer}.ln_1.weight`, hidden),
      ...biased(`${layer}.attn.c_attn`, 3 * hidden, hidden),
      normal(`${layer}.attn.c_proj.weight`, hidden, hidden),
      ones(`${layer}.ln_2.weight`, hidden),
      normal(`${layer}.mlp.w1.weight`, mlp, hidden),
      normal(`${layer}.mlp.w2.weight`, mlp, hidden),
      normal(`${layer}.mlp.c_proj.weight`, hidden, mlp),
    ];
  });
  const tower = repeat(blocks, (index) => {
    const block = `${visual}.transformer.resblocks.${index}`;
    return [
      ...layerNorm(`${block}.ln_1`, width),
      ...layerNorm(`${block}.ln_2`, width),
      ...biased(`${block}.attn.in_proj`, 3 * width, width),
      ...biased(`${block}.attn.out_proj`, width, width),
      ...adapter(`${block}.attn.in_proj_lora`, 16, 3 * width),
      ...adapter(`${block}.attn.out_proj_lora`, 16, width),
      ...biased(`${block}.mlp.c_fc`, towerMlp, width),
      ...biased(`${block}.mlp.c_proj`, width, towerMlp),
      ...adapter(`${block}.mlp_lora`, 32, width),
    ];
  });
  const tensors = [
    normal('transformer.wte.weight', vocab, hidden),
    ...decoder,
    ones('transformer.ln_f.weight', hidden),
    normal(`${visual}.positional_embedding`, 256, width),
    normal(`${visual}.proj`, hidden, hidden),
    normal(`${visual}.conv1.weight`, width, 3, 14, 14),
    ...layerNorm(`${visual}.ln_pre`, width),
    ...tower,
    normal(`${pool}.pos_embed`, queries, hidden),
    normal(`${pool}.query`, queries, hidden),
    normal(`${pool}.kv_proj.weight`, hidden, width),
    normal(`${pool}.attn.in_proj_weight`, 3 * hidden, hidden),
    normal(`${pool}.attn.in_proj_bias`, 3 * hidden),
    ...biased(`${pool}.attn.out_proj`, hidden, hidden),
    ...layerNorm(`${pool}.ln_q`, hidden),
    ...layerNorm(`${pool}.ln_kv`, hidden),
    ...layerNorm(`${visual}.ln_post`, hidden),
    normal('lm_head.weight', vocab, hidden),
  ];
  const folder = adapters > 0 ? 'monkey/tiny-896/checkpoint' : 'qwen-vl/tiny/checkpoint';
  const config = readConfig(folder);
  return {
    tensors,
    config: {
      ...config,
      hidden_size: hidden,
      kv_channels: 128,
      num_attention_heads: hidden / 128,
      num_hidden_layers: layers,
      intermediate_size: 2 * mlp,
      seq_length: 2048,
      vocab_size: vocab,
      visual: {
        ...config.visual,
        width,
        heads: width / 104,
        layers: blocks,
        mlp_ratio: ratio,
        output_dim: hidden,
        n_queries: queries,
        image_start_id: 151857,
        image_size: adapters > 0 ? 896 : 448,
      },
    },
    sideFiles: ['generation_config.json', 'qwen.tiktoken', 'tokenizer_config.json'].map((name) =>
      join(fixtures, folder, name),
    ),
    shardBytes: 2e9,
  };
}

const llama = {
  hidden: 2048,
  layers: 16,
  heads: 32,
  kvHeads: 8,
  headDim: 64,
  mlp: 8192,
  vocab: 128256,
};

/** @returns {Entry[]} Llama-3.2-1B's tensors: 1.24 billion parameters, the head is the embedding table */
function llamaTensors() {
  const { hidden, layers, heads, kvHeads, headDim, mlp, vocab } = llama;
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
  ];
}

/** Its rotary scaling is left out: no weight depends on it. */
const llamaConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: llama.hidden,
  num_hidden_layers: llama.layers,
  num_attention_heads: llama.heads,
  num_key_value_heads: llama.kvHeads,
  head_dim: llama.headDim,
  intermediate_size: llama.mlp,
  vocab_size: llama.vocab,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: 2,
  torch_dtype: 'bfloat16',
};

const llavaFolder = 'llava/hf-tiny/checkpoint';
const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
];
const llavaFiles = ['preprocessor_config.json', 'processor_config.json', 'added_tokens.json'];

/** The decoder alone, for tools that take text models. @returns {Layout} */
function llamaText() {
  return {
    tensors: llamaTensors(),
    config: llamaConfig,
    sideFiles: tokenizerFiles.map((name) => join(fixtures, llavaFolder, name)),
    shardBytes: 5e9,
  };
}

/** The same decoder, value for value, behind a small CLIP tower: LLaVA in the Hugging Face layout. @returns {Layout} */
function llamaLlava() {
  const width = 256;
  const mlp = 1024;
  const tower = 'vision_tower.vision_model';
  const { hidden, vocab } = llama;
  const blocks = repeat(2, (index) => {
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
  const config = readConfig(llavaFolder);
  return {
    tensors: [
      normal(`${tower}.embeddings.class_embedding`, width),
      normal(`${tower}.embeddings.patch_embedding.weight`, width, 3, 14, 14),
      normal(`${tower}.embeddings.position_embedding.weight`, 257, width),
      ...layerNorm(`${tower}.pre_layrnorm`, width),
      ...blocks,
      ...layerNorm(`${tower}.post_layernorm`, width),
      ...biased('multi_modal_projector.linear_1', hidden, width),
      ...biased('multi_modal_projector.linear_2', hidden, hidden),
      ...llamaTensors().map((entry) => ({ ...entry, name: `language_model.${entry.name}` })),
    ],
    config: {
      ...config,
      image_token_index: vocab - 1,
      vocab_size: vocab,
      tie_word_embeddings: true,
      text_config: llamaConfig,
      vision_config: {
        ...config.vision_config,
        hidden_size: width,
        intermediate_size: mlp,
        num_attention_heads: 4,
        num_hidden_layers: 2,
        image_size: 224,
      },
    },
    sideFiles: [...tokenizerFiles, ...llavaFiles].map((name) => join(fixtures, llavaFolder, name)),
    shardBytes: 5e9,
  };
}

/** Qwen-VL's own sizes; those of the smaller ones keep its head sizes, vocabulary and layout. */
const released = { hidden: 4096, layers: 32, mlp: 11008, width: 1664, blocks: 48, adapters: 0 };

/** @type {Readonly<Record<string, () => Layout>>} */
export const layouts = {
  '0.2b': () => qwenVl({ hidden: 512, layers: 8, mlp: 1376, width: 416, blocks: 8, adapters: 0 }),
  '2b': () => qwenVl({ hidden: 2048, layers: 22, mlp: 5504, width: 832, blocks: 24, adapters: 0 }),
  '7b': () => qwenVl(released),
  monkey: () => qwenVl({ ...released, adapters: 4 }),
  llama: llamaText,
  llava: llamaLlava,
};

/** @param {readonly Entry[]} tensors */
export const parameters = (tensors) =>
  tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
