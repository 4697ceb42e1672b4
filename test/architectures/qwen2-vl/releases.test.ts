/**
 * The released sizes by config and headers alone: every tensor of a 2B, 7B and 72B checkpoint, in both layouts of its
 * names, is taken, no other is asked for, and no weight is read.
 */
import { describe, expect, it } from 'vitest';
import { qwen2Vl } from '../../../src/architectures/qwen2-vl/qwen2-vl.ts';
import type { Checkpoint, CheckpointTensor, JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import type { ByteSource } from '../../../src/tensor/byte-source.ts';
import { sourceTensor } from '../../../src/tensor/tensor.ts';

interface Release {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly mlp: number;
  readonly vocab: number;
  readonly tied: boolean;
}

const releases: readonly (readonly [string, Release])[] = [
  ['2B', { hidden: 1536, layers: 28, heads: 12, kvHeads: 2, mlp: 8960, vocab: 151936, tied: true }],
  ['7B', { hidden: 3584, layers: 28, heads: 28, kvHeads: 4, mlp: 18944, vocab: 152064, tied: false }],
  ['72B', { hidden: 8192, layers: 80, heads: 64, kvHeads: 8, mlp: 29568, vocab: 152064, tied: false }],
];

const width = 1280;
const blocks = 32;

/** Names as released, and shapes. */
function shapesOf({ hidden, layers, heads, kvHeads, mlp, vocab, tied }: Release): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  const linear = (name: string, outputs: number, inputs: number, bias: boolean): void => {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    if (bias) shapes.set(`${name}.bias`, [outputs]);
  };
  const norm = (name: string): void => {
    shapes.set(`${name}.weight`, [width]);
    shapes.set(`${name}.bias`, [width]);
  };
  shapes.set('visual.patch_embed.proj.weight', [width, 3, 2, 14, 14]);
  for (let block = 0; block < blocks; block += 1) {
    const name = `visual.blocks.${block}`;
    norm(`${name}.norm1`);
    norm(`${name}.norm2`);
    linear(`${name}.attn.qkv`, 3 * width, width, true);
    linear(`${name}.attn.proj`, width, width, true);
    linear(`${name}.mlp.fc1`, 4 * width, width, true);
    linear(`${name}.mlp.fc2`, width, 4 * width, true);
  }
  norm('visual.merger.ln_q');
  linear('visual.merger.mlp.0', 4 * width, 4 * width, true);
  linear('visual.merger.mlp.2', hidden, 4 * width, true);
  shapes.set('model.embed_tokens.weight', [vocab, hidden]);
  const headDim = hidden / heads;
  for (let layer = 0; layer < layers; layer += 1) {
    const name = `model.layers.${layer}`;
    linear(`${name}.self_attn.q_proj`, heads * headDim, hidden, true);
    linear(`${name}.self_attn.k_proj`, kvHeads * headDim, hidden, true);
    linear(`${name}.self_attn.v_proj`, kvHeads * headDim, hidden, true);
    linear(`${name}.self_attn.o_proj`, hidden, heads * headDim, false);
    linear(`${name}.mlp.gate_proj`, mlp, hidden, false);
    linear(`${name}.mlp.up_proj`, mlp, hidden, false);
    linear(`${name}.mlp.down_proj`, hidden, mlp, false);
    shapes.set(`${name}.input_layernorm.weight`, [hidden]);
    shapes.set(`${name}.post_attention_layernorm.weight`, [hidden]);
  }
  shapes.set('model.norm.weight', [hidden]);
  if (!tied) shapes.set('lm_head.weight', [vocab, hidden]);
  return shapes;
}

function configOf({ hidden, layers, heads, kvHeads, mlp, vocab, tied }: Release): JsonObject {
  return {
    architectures: ['Qwen2VLForConditionalGeneration'],
    model_type: 'qwen2_vl',
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    intermediate_size: mlp,
    vocab_size: vocab,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000.0,
    rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
    tie_word_embeddings: tied,
    bos_token_id: 151643,
    eos_token_id: 151645,
    image_token_id: 151655,
    video_token_id: 151656,
    vision_config: {
      depth: blocks,
      embed_dim: width,
      mlp_ratio: 4,
      num_heads: 16,
      in_chans: 3,
      hidden_size: hidden,
      patch_size: 14,
      spatial_merge_size: 2,
      temporal_patch_size: 2,
    },
  };
}

/** As transformers names its own modules. */
const moduleTree = (name: string): string =>
  name
    .replace(/^visual\./, 'model.visual.')
    .replace(/^model\.(layers|norm|embed)/, 'model.language_model.$1');

const unread: ByteSource = {
  name: 'model.safetensors',
  size: Number.MAX_SAFE_INTEGER,
  read: () => Promise.reject(new Error('a weight was read')),
  close: () => Promise.resolve(),
};

function checkpointOf(release: Release, rename: (name: string) => string): Checkpoint {
  const tensors = new Map<string, CheckpointTensor>();
  for (const [released, shape] of shapesOf(release)) {
    const name = rename(released);
    tensors.set(name, {
      tensor: sourceTensor({ dtype: 'bfloat16', shape }, unread, 0, name),
      file: 'model.safetensors',
    });
  }
  const config = configOf(release);
  return {
    name: 'release',
    path: '/release',
    config,
    tensors,
    files: ['config.json', 'model.safetensors'],
    json: new Map([['config.json', config]]),
    problems: [],
    close: () => Promise.resolve(),
  };
}

const layouts = [
  ['released names', (name: string) => name],
  ['the module tree', moduleTree],
] as const;

describe.each(releases)('Qwen2-VL %s', (_size, release) => {
  it.each(layouts)('is built from %s', (_layout, rename) => {
    const checkpoint = checkpointOf(release, rename);
    for (const resolution of [undefined, { width: 1344, height: 896 }]) {
      const built = qwen2Vl.build(checkpoint, {
        tiling: 'fit',
        loraTiles: 'nearest',
        ...(resolution === undefined ? {} : { resolution }),
      });
      expect(built.unusedTensors).toEqual([]);
      expect(built.image?.tokens).toBe(resolution === undefined ? 88 : 1536);
      const { decoder, hiddenSize, vocabSize, textIds } = built.recipe;
      expect(decoder).toMatchObject({ layers: release.layers, kvHeads: release.kvHeads, headDim: 128 });
      expect([hiddenSize, vocabSize, textIds]).toEqual([release.hidden, release.vocab, 151643]);
    }
  });
});
