/** Qwen-VL, and Monkey when there are adapters: a Qwen decoder, a vision transformer, a resampler. */
import { biased, fixtureConfig, fixtureFiles, layerNorm, normal, ones, repeat } from './entries.js';

/** @typedef {import('./entries.js').Layout} Layout */

/**
 * @typedef {{ hidden: number, layers: number, mlp: number, width: number, blocks: number, adapters: number }} QwenSizes
 *   `mlp` is the width of one branch; heads are 128 wide in the decoder and 104 in the tower, as released
 * @param {QwenSizes} sizes @returns {Layout}
 */
export function qwenVl({ hidden, layers, mlp, width, blocks, adapters }) {
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
  const folder = adapters > 0 ? 'monkey/tiny-896/checkpoint' : 'qwen-vl/batch-left-pad/checkpoint';
  const config = fixtureConfig(folder);
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
    sideFiles: fixtureFiles(folder, ['generation_config.json', 'qwen.tiktoken', 'tokenizer_config.json']),
    shardBytes: 2e9,
  };
}
