/**
 * onnxruntime-genai (0.18): genai_config.json beside the graphs, and the graphs in the forms that it drives, over the
 * same weights. It has model types for some families and none for others; what it does with a type is to run graphs in
 * an order and to make positions, and those orders fit all families here:
 *
 * - `qwen2_5_vl` for Qwen2-VL, with its own processor;
 * - `gemma3` for every other family with pictures: vision once, embeddings with features, a decoder without positions.
 *   Its processor makes Gemma's prompts, so that callers prepare picture and ids themselves (examples/python);
 * - `decoder-pipeline` for language models alone: embedding, then decoder.
 */
import type { BuiltModel, SideFile } from '../architectures/architecture.ts';
import type { EncoderRecipe, GenerationRecipe } from '../architectures/recipe.ts';
import type { Checkpoint, JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../formats/json.ts';
import { sharedLayout } from '../formats/onnx/layout.ts';
import { fail } from '../report/diagnostics.ts';
import { targets } from '../targets/registry.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import { fixedInputs, flatFeatures, mergingEmbedding } from './adapted-graphs.ts';
import { genaiProcessor } from './genai-processor.ts';
import { missingTokenizer } from './missing-tokenizer.ts';
import type { AdaptedGraph, PackageFormat, PackageRequest, PackedComponent } from './package-format.ts';

const folder = 'onnx';

/** Prompts up to this length leave dynamic NTK at 1, which is what the constant says. */
const shortPrompt = 1;

export const onnxruntimeGenai: PackageFormat = {
  id: 'onnxruntime-genai',
  targets,
  name(request) {
    refuse(request);
    return request.built;
  },
  files(built, checkpoint, components) {
    const { recipe } = built;
    const graphs = adaptedGraphs(recipe, components);
    const file = (id: string): string => {
      const adapted = graphs.get(id);
      return `${folder}/${adapted === undefined ? part(components, id).layout.modelFile : adapted.layout.modelFile}`;
    };
    const processor = recipe.encoder === undefined ? undefined : genaiProcessor(recipe.encoder, built.image);
    const made: SideFile[] = [
      { name: 'genai_config.json', kind: 'json', value: genaiConfig(built, checkpoint, file) },
      ...(processor === undefined
        ? []
        : [{ name: processorFile, kind: 'json', value: processor } satisfies SideFile]),
    ];
    return {
      sideFiles: [...built.sideFiles, ...made],
      graphs: [...graphs.values()],
      warnings: missingTokenizer(built),
    };
  },
};

/** The name of its own kind of processor settings: transformers has processor_config.json for others. */
const processorFile = 'genai_processor_config.json';

function refuse({ ioDtype, precisions }: PackageRequest): void {
  if (ioDtype === 'float16' && new Set(precisions.values()).size > 1) {
    throw fail('VC4502', {
      where: '--format onnxruntime-genai',
      found: '--io-dtype float16, and components of other precisions',
      expected: 'the same element type between all graphs',
      hint: 'leave --io-dtype out',
    });
  }
}

function part(components: readonly PackedComponent[], id: string): PackedComponent {
  const found = components.find(({ component }) => component.id === id);
  if (found === undefined) throw new RangeError(`no component ${id}`);
  return found;
}

/** The components that it wants in another form, by their id. */
function adaptedGraphs(
  { encoder: vision, embed, decoder, splice, hiddenSize }: GenerationRecipe,
  components: readonly PackedComponent[],
): ReadonlyMap<string, AdaptedGraph> {
  const graphs = new Map<string, AdaptedGraph>();
  const add = (
    id: string,
    fileName: string,
    adapt: (model: PackedComponent['model']) => PackedComponent['model'],
  ) => {
    const { model, layout } = part(components, id);
    graphs.set(id, { fileName, model: adapt(model), layout: sharedLayout(fileName, layout) });
  };
  if (vision !== undefined && splice !== undefined) {
    const grid = gridOf(vision);
    const names = grid === undefined ? {} : { [grid]: gridInput };
    const lengths = vision.feed.form === 'log-mel' ? vision.feed.lengths : undefined;
    const ports = { output: vision.output, hidden: hiddenSize, names, lengths };
    add(vision.component, 'vision', (model) => flatFeatures(model, ports));
    add(embed.component, 'embedding', (model) => mergingEmbedding(model, splice, hiddenSize));
  }
  if (decoder.scalars.length > 0) {
    const constants = Object.fromEntries(decoder.scalars.map((name) => [name, shortPrompt]));
    add(decoder.component, 'decoder', (model) => fixedInputs(model, constants));
  }
  return graphs;
}

/** It finds the pictures' grids by this name, to make positions of them, whatever its config says. */
const gridInput = 'image_grid_thw';

function gridOf({ feed }: EncoderRecipe): string | undefined {
  return feed.form === 'patch-rows' ? feed.grid : undefined;
}

function genaiConfig(
  { recipe }: BuiltModel,
  checkpoint: Checkpoint,
  file: (component: string) => string,
): JsonValue {
  const { encoder: vision, embed, decoder } = recipe;
  const length = contextLength(checkpoint.config, decoder.scalars.length > 0);
  const inputs = ['past_key_values.%d.key', 'past_key_values.%d.value'] as const;
  const outputs = ['present.%d.key', 'present.%d.value'] as const;
  const positions = decoder.positions === undefined ? {} : { position_ids: 'position_ids' };
  const common = {
    session_options: { log_id: 'onnxruntime-genai', provider_options: [] },
    head_size: decoder.headDim,
    hidden_size: recipe.hiddenSize,
    num_hidden_layers: decoder.layers,
    num_key_value_heads: decoder.kvHeads,
    inputs: {
      inputs_embeds: 'inputs_embeds',
      attention_mask: 'attention_mask',
      ...positions,
      past_key_names: inputs[0],
      past_value_names: inputs[1],
    },
    outputs: { logits: 'logits', present_key_names: outputs[0], present_value_names: outputs[1] },
  };
  const each = (names: readonly string[]): readonly string[] =>
    names.flatMap((name) =>
      Array.from({ length: decoder.layers }, (_, layer) => name.replace('%d', String(layer))),
    );
  const pipeline = [
    { embed: { filename: file(embed.component), inputs: ['input_ids'], outputs: ['inputs_embeds'] } },
    {
      decoder: {
        filename: file(decoder.component),
        inputs: ['inputs_embeds', 'attention_mask', ...each(inputs)],
        outputs: ['logits', ...each(outputs)],
      },
    },
  ];
  return {
    model: {
      type: modelType(recipe),
      context_length: length,
      vocab_size: recipe.vocabSize,
      ...tokenIds(recipe, checkpoint),
      decoder:
        vision === undefined ? { ...common, pipeline } : { filename: file(decoder.component), ...common },
      ...(vision === undefined
        ? {}
        : {
            embedding: {
              filename: file(embed.component),
              inputs: { input_ids: 'input_ids', image_features: 'image_features' },
              outputs: { inputs_embeds: 'inputs_embeds' },
            },
            vision: visionConfig(vision, file(vision.component)),
          }),
    },
    // Attention here joins the cache with what is new; a buffer of full length would have to be told from its content.
    search: { max_length: length, do_sample: false, top_k: 1, past_present_share_buffer: false },
  };
}

function modelType({ encoder: vision, decoder }: GenerationRecipe): string {
  if (vision === undefined) return 'decoder-pipeline';
  return decoder.positions === 'time-row-column' ? 'qwen2_5_vl' : 'gemma3';
}

function visionConfig({ input, output, feed }: EncoderRecipe, filename: string): JsonObject {
  const rows = feed.form === 'patch-rows' ? feed : undefined;
  return {
    filename,
    ...(rows === undefined
      ? {}
      : { config_filename: processorFile, spatial_merge_size: rows.merge, patch_size: rows.patch }),
    inputs: {
      pixel_values: input,
      ...(rows?.grid === undefined ? {} : { image_grid_thw: gridInput }),
    },
    outputs: { image_features: output },
  };
}

/** Sections of the language model alone, by whatever name. */
function textSections(config: JsonObject): readonly JsonObject[] {
  return ['text_config', 'language_config', 'llm_cfg'].map((key) => config[key]).filter(isJsonObject);
}

/** The longest text; with constants in place of inputs, what they hold for. */
function contextLength(config: JsonObject, isFixed: boolean): number {
  const sections = [...textSections(config), config];
  const keys = isFixed ? ['seq_length'] : ['max_position_embeddings', 'n_positions', 'seq_length'];
  for (const key of keys) {
    for (const section of sections) {
      const value = section[key];
      if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
    }
  }
  return isFixed ? trainedLength : defaultLength;
}

/** Qwen's seq_length and Llama's max_position_embeddings where a config leaves them out. */
const trainedLength = 2048;
const defaultLength = 2048;

/** Special tokens, from the settings of generation, the config, or the recipe, whichever says it first. */
function tokenIds({ endOfTextId, splice }: GenerationRecipe, { config, json }: Checkpoint): JsonObject {
  const generation = json.get('generation_config.json');
  const sections = [...(isJsonObject(generation) ? [generation] : []), config, ...textSections(config)];
  const find = (key: string): JsonValue | undefined => {
    for (const section of sections) {
      const value = section[key];
      if (isIds(value)) return value;
    }
    return undefined;
  };
  const eos = find('eos_token_id') ?? endOfTextId;
  const [first] = Array.isArray(eos) ? eos : [eos];
  const bos = find('bos_token_id') ?? first;
  const pad = find('pad_token_id') ?? first;
  const image = splice?.rule === 'image-token' ? splice.tokenId : splice?.padId;
  const video = splice?.rule === 'image-token' ? splice.videoTokenId : undefined;
  const start = config.vision_start_token_id;
  return {
    ...(bos === undefined ? {} : { bos_token_id: bos }),
    ...(eos === undefined ? {} : { eos_token_id: eos }),
    ...(pad === undefined ? {} : { pad_token_id: pad }),
    ...(image === undefined ? {} : { image_token_id: image }),
    ...(video === undefined ? {} : { video_token_id: video }),
    ...(typeof start === 'number' ? { vision_start_token_id: start } : {}),
  };
}

function isIds(value: JsonValue | undefined): boolean {
  return typeof value === 'number' || (Array.isArray(value) && value.every((id) => typeof id === 'number'));
}
