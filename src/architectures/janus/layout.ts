/**
 * Where a Janus checkpoint keeps its modules, and what it calls what is inside them. The original code and transformers
 * name everything differently; what the modules compute is the same.
 */
import type { EncoderLayerNames } from '../blocks/encoder-layer.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { languageModules, type ModuleNames } from '../module-names.ts';
import { type SiglipNames, siglipNames } from '../siglip/tower.ts';

export type JanusModule =
  | 'tower'
  | 'aligner'
  | 'text'
  | 'head'
  | 'genHead'
  | 'genEmbed'
  | 'genAligner'
  | 'codebook'
  | 'postQuant'
  | 'vqDecoder';

export type JanusWeights = Readonly<Record<JanusModule, WeightReader>>;

export interface TowerNames extends SiglipNames {
  readonly layer: EncoderLayerNames;
  readonly norm: string;
}

export interface VqDecoderNames {
  /** Of the middle: residual block, attention, residual block. */
  readonly middle: readonly [string, string, string];
  readonly levels: string;
  /** In a level: `res.0`. */
  readonly blocks: string;
}

export interface JanusLayout {
  readonly modules: Readonly<Record<JanusModule, ModuleNames>>;
  readonly tower: TowerNames;
  readonly vqDecoder: VqDecoderNames;
  /** The linears of an aligner, in their order. */
  readonly alignerLinear: (index: number) => string;
  /** In the generation head: the linear before the activation; `vision_head` is the one after it. */
  readonly headProjection: string;
}

const one = (prefix: string, ...contents: string[]): ModuleNames => ({ prefixes: [prefix], contents });

/** deepseek-ai/Janus: the tower is timm's. */
export const originalLayout: JanusLayout = {
  modules: {
    tower: one('vision_model.vision_tower', 'patch_embed.', 'blocks.'),
    aligner: one('aligner', 'layers.'),
    text: one('language_model.model', 'layers.', 'embed_tokens.'),
    head: one('language_model.lm_head', 'weight'),
    genHead: one('gen_head', 'vision_head.'),
    genEmbed: one('gen_embed', 'weight'),
    genAligner: one('gen_aligner', 'layers.'),
    codebook: one('gen_vision_model.quantize.embedding', 'weight'),
    postQuant: one('gen_vision_model.post_quant_conv', 'weight'),
    vqDecoder: one('gen_vision_model.decoder', 'conv_in.'),
  },
  tower: {
    patches: 'patch_embed.proj',
    positions: 'pos_embed',
    bias: true,
    batched: true,
    layers: 'blocks',
    layer: {
      norm1: 'norm1',
      norm2: 'norm2',
      up: 'mlp.fc1',
      down: 'mlp.fc2',
      qkv: 'attn.qkv',
      unbiased: [],
      output: 'attn.proj',
    },
    norm: 'norm',
  },
  vqDecoder: { middle: ['mid.0', 'mid.1', 'mid.2'], levels: 'conv_blocks', blocks: 'res' },
  // Activations stand between them and count.
  alignerLinear: (index) => `layers.${2 * index}`,
  headProjection: 'output_mlp_projector',
};

/** In the form of JanusForConditionalGeneration and in that of its inner model alone. */
const both = (module: string, ...contents: string[]): ModuleNames => ({
  prefixes: [`model.${module}`, module],
  contents,
});

export const transformersLayout: JanusLayout = {
  modules: {
    tower: both('vision_model', 'embeddings.', 'encoder.'),
    aligner: both('aligner', 'fc1.'),
    ...languageModules,
    genHead: both('generation_head', 'vision_head.'),
    genEmbed: both('generation_embeddings', 'weight'),
    genAligner: both('generation_aligner', 'fc1.'),
    codebook: both('vqmodel.quantize.embedding', 'weight'),
    postQuant: both('vqmodel.post_quant_conv', 'weight'),
    vqDecoder: both('vqmodel.decoder', 'conv_in.'),
  },
  tower: {
    ...siglipNames,
    layer: {
      norm1: 'layer_norm1',
      norm2: 'layer_norm2',
      up: 'mlp.fc1',
      down: 'mlp.fc2',
      unbiased: [],
      output: 'self_attn.projection_layer',
    },
    norm: 'post_layernorm',
  },
  vqDecoder: { middle: ['mid.block_1', 'mid.attn_1', 'mid.block_2'], levels: 'up', blocks: 'block' },
  alignerLinear: (index) => (index === 0 ? 'fc1' : `hidden_layers.${index - 1}`),
  headProjection: 'proj_out',
};
