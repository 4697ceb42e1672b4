/** What the components of every family have in common: their opset, their ports, their files. */
import { GraphBuilder } from '../graph/builder.ts';
import { inferNode } from '../graph/infer/infer.ts';
import { createModel, type Model } from '../graph/model.ts';
import { tensorType } from '../graph/types.ts';
import type { Value } from '../graph/value.ts';
import type { Component } from './architecture.ts';
import { initializer, type Weight } from './blocks/weights.ts';
import type { ImageGeometry } from './media.ts';
import type { EncoderFeed, EncoderRecipe } from './recipe.ts';
import type { Modality, Role } from './vocabulary.ts';

/** Operator set of the reference graphs: the first with Gelu. */
export const referenceOpset = 20;

/** The encoder that `visionModel` makes, or another with its ports. */
export function visionEncoder(feed: EncoderFeed): EncoderRecipe {
  return { component: 'vision', input: 'pixel_values', output: 'image_features', feed };
}

interface LanguageModels {
  readonly embed: Model;
  readonly decoder: Model;
}

/** An encoder with its projector in one file, as runtimes want them. */
export function withProjector(modalities: readonly Modality[]): readonly Role[] {
  return modalities.flatMap((modality) => [
    { kind: 'encoder', modality },
    { kind: 'projector', modality },
  ]);
}

/** Vision encoder, embedding and decoder, under the names that runtimes look for. `takes`: default pictures alone. */
export function visionLanguageComponents({
  vision,
  takes = ['image'],
  ...language
}: LanguageModels & { readonly vision: Model; readonly takes?: readonly Modality[] }): readonly Component[] {
  return [
    {
      id: 'vision',
      kind: 'encoder',
      modality: 'image',
      holds: withProjector(takes),
      fileName: 'vision_encoder',
      model: vision,
    },
    ...languageComponents(language),
  ];
}

/** Embedding and decoder alone. */
export function languageComponents(models: LanguageModels): readonly Component[] {
  return [
    {
      id: 'embed',
      kind: 'embed',
      modality: 'text',
      fileName: 'embed_tokens',
      model: models.embed,
    },
    {
      id: 'decoder',
      kind: 'decoder',
      modality: 'text',
      fileName: 'decoder_model_merged',
      model: models.decoder,
    },
  ];
}

/** pixel_values f32 [N, 3, H, W] → image_features f32 [N, tokens, hidden], which `vision` makes. */
export function visionModel(
  { input, tokens }: Pick<ImageGeometry, 'input' | 'tokens'>,
  hidden: number,
  vision: (b: GraphBuilder, pixels: Value) => Value,
): Model {
  const b = new GraphBuilder('vision_encoder', inferNode);
  const pixels = b.input('pixel_values', tensorType('float32', ['batch_size', 3, input.height, input.width]));
  const features = vision(b, pixels);
  b.output('image_features', features);
  b.graph.setType(features, tensorType('float32', ['batch_size', tokens, hidden]));
  return createModel(b.graph, referenceOpset);
}

/** input_ids i64 [N, S] → inputs_embeds f32 [N, S, hidden], rows of a table [vocab, hidden]. */
export function embeddingModel(table: Weight): Model {
  const b = new GraphBuilder('embed_tokens', inferNode);
  const ids = b.input('input_ids', tensorType('int64', ['batch_size', 'sequence_length']));
  b.output('inputs_embeds', b.op('Gather', [initializer(b, table), ids], { attributes: { axis: 0 } }));
  return createModel(b.graph, referenceOpset);
}
