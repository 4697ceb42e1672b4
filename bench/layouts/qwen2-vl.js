/** Qwen2-VL-2B in the Hugging Face layout, for converters that do not take Qwen-VL: 2.2 billion parameters. */
import { biased, layerNorm, normal, ones, repeat } from './entries.js';

/** @returns {import('./entries.js').Layout} */
export function qwen2Vl() {
  const hidden = 1536;
  const layers = 28;
  const heads = 12;
  const kvHeads = 2;
  const mlp = 8960;
  const vocab = 151936;
  const width = 1280;
  const blocks = 32;
  const kvWidth = (hidden / heads) * kvHeads;
  const decoder = repeat(layers, (index) => {
    const layer = `model.layers.${index}`;
    return [
      ...biased(`${layer}.self_attn.q_proj`, hidden, hidden),
      ...biased(`${layer}.self_attn.k_proj`, kvWidth, hidden),
      ...biased(`${layer}.self_attn.v_proj`, kvWidth, hidden),
      normal(`${layer}.self_attn.o_proj.weight`, hidden, hidden),
      normal(`${layer}.mlp.gate_proj.weight`, mlp, hidden),
      normal(`${layer}.mlp.up_proj.weight`, mlp, hidden),
      normal(`${layer}.mlp.down_proj.weight`, hidden, mlp),
      ones(`${layer}.input_layernorm.weight`, hidden),
      ones(`${layer}.post_attention_layernorm.weight`, hidden),
    ];
  });
  const tower = repeat(blocks, (index) => {
    const block = `visual.blocks.${index}`;
    return [
      ...layerNorm(`${block}.norm1`, width),
      ...layerNorm(`${block}.norm2`, width),
      ...biased(`${block}.attn.qkv`, 3 * width, width),
      ...biased(`${block}.attn.proj`, width, width),
      ...biased(`${block}.mlp.fc1`, 4 * width, width),
      ...biased(`${block}.mlp.fc2`, width, 4 * width),
    ];
  });
  return {
    tensors: [
      normal('visual.patch_embed.proj.weight', width, 3, 2, 14, 14),
      ...tower,
      ...layerNorm('visual.merger.ln_q', width),
      ...biased('visual.merger.mlp.0', 4 * width, 4 * width),
      ...biased('visual.merger.mlp.2', hidden, 4 * width),
      normal('model.embed_tokens.weight', vocab, hidden),
      ...decoder,
      ones('model.norm.weight', hidden),
    ],
    config: {
      architectures: ['Qwen2VLForConditionalGeneration'],
      model_type: 'qwen2_vl',
      hidden_size: hidden,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      intermediate_size: mlp,
      vocab_size: vocab,
      hidden_act: 'silu',
      max_position_embeddings: 32768,
      max_window_layers: layers,
      rms_norm_eps: 1e-6,
      rope_theta: 1000000,
      rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
      use_sliding_window: false,
      tie_word_embeddings: true,
      bos_token_id: 151643,
      eos_token_id: 151645,
      vision_start_token_id: 151652,
      vision_end_token_id: 151653,
      image_token_id: 151655,
      video_token_id: 151656,
      torch_dtype: 'bfloat16',
      vision_config: {
        depth: blocks,
        embed_dim: width,
        mlp_ratio: 4,
        num_heads: 16,
        in_chans: 3,
        hidden_size: hidden,
        patch_size: 14,
        spatial_merge_size: 2,
        spatial_patch_size: 14,
        temporal_patch_size: 2,
      },
    },
    sideFiles: [],
    shardBytes: 4e9,
  };
}
