/**
 * The config of deepseek-ai/Janus. It names classes and leaves their sizes to the code: the tower's come from tensors and
 * from its name, those of the VQ decoder from tensors alone.
 */
import type { JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { fail } from '../../report/diagnostics.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { readLlamaConfig } from '../llama/config.ts';
import type { SiglipVisionConfig } from '../siglip/config.ts';
import { requireVariant } from '../variants.ts';
import type { AlignerConfig, JanusConfig } from './config.ts';
import { type JanusWeights, originalLayout } from './layout.ts';
import { countVqBlocks, readVqStructure } from './vq-structure.ts';

/** What the code knows of a tower by its name and no tensor tells. */
interface NamedTower {
  readonly heads: number;
  /** As released: what is missing is then named by a sensible shape. */
  readonly width: number;
  readonly patch: number;
  readonly layers: number;
  readonly mlpWidth: number;
}

const towers: Readonly<Record<string, NamedTower>> = {
  siglip_large_patch16_384: { heads: 16, width: 1024, patch: 16, layers: 24, mlpWidth: 4096 },
  siglip_so400m_patch14_384: { heads: 16, width: 1152, patch: 14, layers: 27, mlpWidth: 4304 },
  siglip_so400m_patch14_224: { heads: 16, width: 1152, patch: 14, layers: 27, mlpWidth: 4304 },
};

const activation = 'gelu';

/** @throws VlmError VC1201 to VC1204, VC1232 for what would compute something else */
export function readOriginalConfig(config: JsonObject, weights: JanusWeights): JanusConfig {
  const root = new ConfigReader(config);
  refuseOthers(root);
  const vision = readVision(root.object('vision_config'), weights.tower);
  const text = readLlamaConfig(root.object('language_config'));
  const code = sectionOf(root, 'gen_vision_config', 'VQ-16');
  const codes = code.int('image_token_size', { min: 1, max: configLimits.vocab, default: 16384 });
  const numbers = code.int('n_embed', { min: 1, max: configLimits.width, default: 8 });
  const head = sectionOf(root, 'gen_head_config', 'vision_head');
  const widths = { min: 1, max: configLimits.width };
  agree(head, 'image_token_size', codes);
  agree(head, 'n_embed', text.hidden);
  const alignerOf = (key: string, inputs: number): AlignerConfig =>
    readAligner(sectionOf(root, key, 'MlpProjector'), inputs, text.hidden);
  const { vqDecoder: names } = originalLayout;
  return {
    text,
    vision,
    aligner: alignerOf('aligner_config', vision.width),
    genAligner: alignerOf('gen_aligner_config', numbers),
    codes,
    head: { width: head.int('image_token_embed', { ...widths, default: text.hidden }), activation },
    vq: readVqStructure(weights.vqDecoder, names, countVqBlocks(weights.vqDecoder, names)),
    side: Math.floor(vision.imageSize / vision.patch),
  };
}

/** `multi_modality` is also what DeepSeek-VL and JanusFlow say of themselves. */
function refuseOthers(root: ConfigReader): void {
  const others = ['vision_gen_enc_config', 'vision_und_enc_config'].find((key) => root.has(key));
  if (others === undefined && root.has('gen_vision_config')) return;
  throw fail('VC1232', {
    where: root.place(others ?? 'gen_vision_config'),
    found: others === undefined ? 'no such key: DeepSeek-VL, which draws no pictures' : 'JanusFlow',
    expected: 'Janus or Janus-Pro',
  });
}

/** `params` of a class that must be this one. */
function sectionOf(root: ConfigReader, key: string, name: string): ConfigReader {
  const section = root.object(key);
  requireVariant(section, 'cls', [name], name);
  return section.optionalObject('params') ?? new ConfigReader({}, 'config.json', `${key}.params`);
}

function readAligner(reader: ConfigReader, inputs: number, width: number): AlignerConfig {
  requireVariant(reader, 'projector_type', ['mlp_gelu'], 'mlp_gelu');
  agree(reader, 'input_dim', inputs);
  agree(reader, 'n_embed', width);
  return {
    inputs,
    width,
    depth: reader.int('depth', { min: 1, max: configLimits.layers, default: 1 }),
    activation,
  };
}

/** Throws VC1204 where a key says otherwise than what another one, or a tensor, says. */
function agree(reader: ConfigReader, key: string, wanted: number): void {
  const found = reader.int(key, { default: wanted });
  if (found !== wanted) throw reader.conflict([key], `${found}`, `${wanted}, as what it is joined to has`);
}

function readVision(section: ConfigReader, tower: WeightReader): SiglipVisionConfig {
  requireVariant(section, 'cls', ['CLIPVisionTower'], 'CLIPVisionTower');
  const reader = section.object('params');
  requireVariant(reader, 'model_name', Object.keys(towers), 'siglip_large_patch16_384');
  // The class's own default drops the first feature, as if it were a class token.
  requireVariant(reader, 'select_feature', ['same', 'cls_patch'], 'patch');
  for (const key of ['pixel_mean', 'pixel_std']) {
    if (!reader.has(key)) continue;
    throw fail('VC1232', {
      where: reader.place(key),
      found: 'normalisation inside the tower',
      expected: 'none',
    });
  }
  const named = towers[reader.string('model_name', { default: 'siglip_large_patch16_384' })];
  if (named === undefined) throw new RangeError('a tower that was let through and is not known');
  const { tower: names } = originalLayout;
  const [width = named.width, , patch = named.patch] = tower.shapeOf(`${names.patches}.weight`) ?? [];
  const mlpWidth = tower.shapeOf(`${names.layers}.0.${names.layer.up}.weight`)?.[0] ?? named.mlpWidth;
  const { heads } = named;
  if (width % heads !== 0) {
    throw reader.conflict(['model_name'], `a width of ${width}`, `a multiple of its ${heads} heads`);
  }
  const imageSize = reader.int('image_size', { min: 1, max: configLimits.side, default: 336 });
  if (imageSize < patch) {
    throw reader.conflict(['image_size'], `${imageSize}`, `at least one patch of ${patch}`);
  }
  return {
    width,
    heads,
    patch,
    imageSize,
    mlpWidth,
    // Layers that the original does not run are not stored.
    layers: tower.countOf(names.layers, configLimits.layers) || named.layers,
    activation,
    epsilon: 1e-6,
    names: names.layer,
  };
}
