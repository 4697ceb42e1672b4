/**
 * What Qwen-VL and Monkey share when they build: the checks that hold for both, embedding and decoder, and the
 * model around the vision graph that each family makes its own way.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { type DiagnosticRecord, fail } from '../../report/diagnostics.ts';
import type { BuiltModel, Tiling } from '../architecture.ts';
import type { Grid } from '../blocks/resize.ts';
import { storedGrid } from '../blocks/stored-grid.ts';
import { WeightReader } from '../blocks/weights.ts';
import { embeddingModel, visionLanguageComponents, visionModel } from '../components.ts';
import { spanWarning } from '../image-span.ts';
import type { ImageGeometry } from '../media.ts';
import { type QwenConfig, readQwenConfig } from './config.ts';
import { buildDecoder } from './decoder.ts';
import { qwenRecipe } from './recipe.ts';
import { qwenSideFiles } from './side-files.ts';

/** A checkpoint of one of the families, checked as far as both have it in common. */
export interface QwenSource {
  readonly checkpoint: Checkpoint;
  readonly config: QwenConfig;
  readonly table: TensorTable;
  /** Reads at the root of the tensor names. */
  readonly weights: WeightReader;
  /** Reads `transformer.visual.*`. */
  readonly visual: WeightReader;
  /** Features per view: the rows of the resampler's `query`. */
  readonly queries: number;
  /** The positions over a view that queries carry. */
  readonly queryGrid: Grid;
}

export function openQwen(checkpoint: Checkpoint): QwenSource {
  const config = readQwenConfig(checkpoint);
  refuseTextAdapters(checkpoint);
  const table = new TensorTable(checkpoint.tensors);
  const weights = new WeightReader(table);
  const visual = weights.at('transformer.visual');
  const queryGrid = storedGrid(visual, 'attn_pool.query');
  const queries = queryGrid.rows * queryGrid.columns;
  return { checkpoint, config, table, weights, visual, queries, queryGrid };
}

/** Throws VC1204 where the config has another number of queries than the weights. */
export function checkQueries({ config, queries }: QwenSource): void {
  if (config.visual.queries === undefined || config.visual.queries === queries) return;
  throw fail('VC1204', {
    where: 'config.json: visual.n_queries, transformer.visual.attn_pool.query',
    found: `${config.visual.queries} and ${queries} rows`,
    expected: 'equal',
  });
}

/** A variant for small GPUs adapts the language model too; nothing here would apply those adapters. */
function refuseTextAdapters(checkpoint: Checkpoint): void {
  for (const name of checkpoint.tensors.keys()) {
    if (!/^transformer\.h\.\d+\..*_lora\./.test(name)) continue;
    throw fail('VC1232', {
      where: name,
      found: 'low-rank adapters in the language model',
      expected: 'a language model without adapters',
      hint: 'merge the adapters into the language model first',
    });
  }
}

/** What tells a family apart besides its tower. */
export interface QwenFamily {
  readonly id: string;
  /** In a prompt, around the picture. */
  readonly introduction: { readonly before: string; readonly after: string };
  /** What `visual` of the output's config says otherwise than the checkpoint's. */
  readonly visual?: JsonObject;
}

/** Builds the three components; `vision` makes image_features [N, tokens, hidden] of pixel_values. */
export function assembleQwen(
  family: QwenFamily,
  source: QwenSource,
  geometry: ImageGeometry,
  tiling: Tiling,
  warnings: readonly DiagnosticRecord[],
  vision: (b: GraphBuilder, pixels: Value) => Value,
): BuiltModel {
  const { config, checkpoint } = source;
  const { vocab, hidden } = config.text;
  const components = visionLanguageComponents({
    vision: visionModel(geometry, hidden, vision),
    embed: embeddingModel(source.weights.at('transformer.wte').take('weight', [vocab, hidden])),
    decoder: buildDecoder(source.weights, config.text),
  });
  return {
    architecture: family.id,
    components,
    image: geometry,
    recipe: qwenRecipe(config, family.introduction),
    sideFiles: qwenSideFiles(checkpoint, geometry, tiling, family.visual),
    // The span has two markers.
    warnings: [...warnings, ...spanWarning(geometry.tokens + 2, 'seq_length', config.text.seqLength)],
    unusedTensors: source.table.unused(),
  };
}
