/**
 * What stands around the decoder when it draws: the head that reads its last hidden states as codes, and the embedding of
 * codes that it goes on with.
 */
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import { activate } from '../blocks/activation.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import { initializer, type WeightReader } from '../blocks/weights.ts';
import { referenceOpset } from '../components.ts';
import { aligner } from './aligner.ts';
import type { JanusConfig } from './config.ts';
import type { JanusLayout } from './layout.ts';

/** hidden_states f32 [N, S, hidden] → logits f32 [N, S, codes] */
export function buildGenerationHead(
  weights: WeightReader,
  { text: { hidden }, head, codes }: JanusConfig,
  { headProjection }: JanusLayout,
): Model {
  const b = new GraphBuilder('gen_head', inferNode);
  const states = b.input('hidden_states', tensorType('float32', ['batch_size', 'sequence_length', hidden]));
  const up = linear(b, states, readLinear(weights.at(headProjection), hidden, head.width, { bias: true }));
  const out = readLinear(weights.at('vision_head'), head.width, codes, { bias: true });
  b.output('logits', linear(b, activate(b, up, head.activation), out));
  return createModel(b.graph, referenceOpset);
}

/** input_ids i64 [N, S], codes → inputs_embeds f32 [N, S, hidden]. The table is one of its own, not the codebook. */
export function buildCodeEmbedding(
  weights: { readonly genEmbed: WeightReader; readonly genAligner: WeightReader },
  { codes, genAligner }: JanusConfig,
  { alignerLinear }: JanusLayout,
): Model {
  const b = new GraphBuilder('gen_img_embeds', inferNode);
  const ids = b.input('input_ids', tensorType('int64', ['batch_size', 'sequence_length']));
  const table = initializer(b, weights.genEmbed.take('weight', [codes, genAligner.inputs]));
  const embedded = b.op('Gather', [table, ids], { attributes: { axis: 0 } });
  b.output('inputs_embeds', aligner(b, embedded, weights.genAligner, genAligner, alignerLinear));
  return createModel(b.graph, referenceOpset);
}
