/**
 * Janus and Janus-Pro, in the layout of their code or in that of transformers: SigLIP's tower and an aligner for pictures
 * that are shown, Llama, and for pictures that are drawn a head over codes, an embedding of codes, and a VQ decoder.
 *
 * At another size the tower's positions are resized to the patch grid, as transformers does it
 * (`interpolate_pos_encoding`). Drawn pictures keep their size: how many codes make one was learned.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import { fail } from '../../report/diagnostics.ts';
import type { Architecture, BuildOptions, BuiltModel, Component } from '../architecture.ts';
import { fitPicture } from '../blocks/image-views.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { embeddingModel, visionLanguageComponents, visionModel } from '../components.ts';
import { spanWarning } from '../image-span.ts';
import { buildLlamaDecoder } from '../llama/decoder.ts';
import { textEmbedding } from '../llama/embedding.ts';
import { findModules } from '../module-names.ts';
import { oneView, patchPicture } from '../patch-geometry.ts';
import { siglipTower } from '../siglip/tower.ts';
import { aligner } from './aligner.ts';
import type { JanusConfig } from './config.ts';
import { dialectOf } from './dialect.ts';
import { buildCodeEmbedding, buildGenerationHead } from './generation.ts';
import type { JanusLayout, JanusWeights } from './layout.ts';
import { readPreprocessing } from './preprocessing.ts';
import { hiddenOutput, janusRecipe } from './recipe.ts';
import { janusSideFiles } from './side-files.ts';
import { readJanusTokens } from './special-tokens.ts';
import { buildImageDecoder } from './vq-decoder.ts';

/** Sides of a picture. Its codes are picked one after the other, and each pixel costs its generator some KiB. */
const mostDrawn = { codes: 256, pixels: 4096 } as const;

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  const dialect = dialectOf(checkpoint.config);
  const { layout, sizeKey, rounding } = dialect;
  const table = new TensorTable(checkpoint.tensors);
  const weights = findModules(table, layout.modules);
  const config = dialect.read(checkpoint.config, weights);
  checkDrawing(config, sizeKey);
  const { text, vision } = config;
  const own = { width: vision.imageSize, height: vision.imageSize };
  const picture = patchPicture(options.resolution, own, options.tiling, vision.patch, sizeKey);
  const tokens = picture.grid.rows * picture.grid.columns;
  const image = oneView(picture, {
    tokens,
    tokenGrid: { ...picture.grid, leading: 0 },
    ...readPreprocessing(checkpoint, picture.input, rounding),
  });
  const special = readJanusTokens(checkpoint, text.vocab);
  const components = [
    ...visionLanguageComponents({
      vision: visionModel(image, text.hidden, (b, pixels) => {
        const covered = fitPicture(b, pixels, picture.input, picture.covered);
        const { tower: names } = layout;
        const shape = { config: vision, grid: picture.grid, state: vision.layers, names };
        const last = siglipTower(b, covered, weights.tower, shape);
        const norm = readLayerNorm(weights.tower.at(names.norm), vision.width, vision.epsilon);
        const features = b.scope('norm', () => layerNorm(b, last, norm));
        return b.scope('aligner', () =>
          aligner(b, features, weights.aligner, config.aligner, layout.alignerLinear),
        );
      }),
      embed: embeddingModel(textEmbedding(weights.text, text)),
      decoder: buildLlamaDecoder({ model: weights.text, head: weights.head }, text, { hidden: hiddenOutput }),
    }),
    ...drawingComponents(weights, config, layout),
  ];
  const drawing = dialect.drawing(checkpoint, special, image);
  return {
    architecture: janus.id,
    components,
    image,
    recipe: janusRecipe(config, special, drawing, { withSystem: dialect.withSystem(checkpoint) }),
    sideFiles: janusSideFiles(checkpoint, image, picture.tiling, special, dialect),
    warnings: spanWarning(tokens, 'max_position_embeddings', text.maxPositions),
    unusedTensors: table.unused(),
  };
}

/** Throws VC1203 for pictures larger than any that is drawn, whatever size is asked for of those that are shown. */
function checkDrawing({ side, vq }: JanusConfig, sizeKey: string): void {
  const drawn = side * 2 ** (vq.levels.length - 1);
  if (side <= mostDrawn.codes && drawn <= mostDrawn.pixels) return;
  throw fail('VC1203', {
    where: `config.json: ${sizeKey}`,
    found: `${side}x${side} codes, which draw ${drawn}x${drawn} pixels`,
    expected: `at most ${mostDrawn.codes} codes and ${mostDrawn.pixels} pixels a side`,
  });
}

/** Under the names by which the recipe and runtimes know them. */
function drawingComponents(
  weights: JanusWeights,
  config: JanusConfig,
  layout: JanusLayout,
): readonly Component[] {
  return [
    {
      id: 'gen_head',
      kind: 'output-projector',
      modality: 'image',
      fileName: 'gen_head',
      model: buildGenerationHead(weights.genHead, config, layout),
    },
    {
      id: 'gen_embed',
      kind: 'embed',
      modality: 'image',
      holds: [
        { kind: 'embed', modality: 'image' },
        { kind: 'projector', modality: 'image' },
      ],
      fileName: 'gen_img_embeds',
      model: buildCodeEmbedding(weights, config, layout),
    },
    {
      id: 'image_decoder',
      kind: 'generator',
      modality: 'image',
      fileName: 'image_decode',
      model: buildImageDecoder(weights, config, layout.vqDecoder),
    },
  ];
}

export const janus: Architecture = {
  id: 'janus',
  title: 'Janus-Pro',
  modelTypes: ['janus', 'multi_modality'],
  // DeepSeek-VL and JanusFlow have the same model_type: they are taken to be refused with what is supported.
  recognises: ({ model_type }) => model_type === 'janus' || model_type === 'multi_modality',
  build,
};
