/** What transformers.js needs to know of each family that it has classes for, by our architecture's id. */
import type { BuiltModel } from '../architectures/architecture.ts';
import type { ImageGeometry } from '../architectures/media.ts';
import type { JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../formats/json.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import type { ClientGraphs } from './transformers-js-graphs.ts';
import { janus } from './transformers-js-janus.ts';

export interface ClientFamily {
  /** Classes of the processor and of what it runs over pictures. */
  readonly processor: string;
  readonly imageProcessor: string;
  /** config.json with the language model's sizes where its classes look for them. */
  readonly config: (config: JsonObject, sizes: JsonObject) => JsonObject;
  /** What processor_config.json has to say; left out where its class reads none. */
  readonly processorConfig?: (built: BuiltModel) => JsonObject;
  /** What preprocessor_config.json has to say beside what it says; with it, pictures are padded as they should be. */
  readonly imageSettings?: (image: ImageGeometry, settings: JsonObject) => JsonObject;
  /** What generation_config.json has to say; left out: what it says. */
  readonly generationConfig?: (settings: JsonObject, built: BuiltModel) => JsonObject;
  /** As the tokenizer has them; left out: the checkpoint's own. */
  readonly chatTemplates?: (built: BuiltModel) => JsonValue;
  /** Left out where it loads our components as they are. */
  readonly graphs?: ClientGraphs;
}

/** In a section of their own, of a model type of its own. */
const nestedText =
  (modelType: string): ClientFamily['config'] =>
  (config, sizes) => ({
    ...config,
    text_config: { model_type: modelType, ...objectOf(config.text_config), ...sizes },
  });

/** Beside the rest of the config, where newer releases no longer have them. */
const flatText: ClientFamily['config'] = ({ text_config: text, ...config }, sizes) => {
  const { model_type: _, ...settings } = objectOf(text);
  return { ...settings, ...config, ...sizes };
};

export const clientFamilies: ReadonlyMap<string, ClientFamily> = new Map<string, ClientFamily>([
  [
    'llava',
    {
      processor: 'LlavaProcessor',
      imageProcessor: 'CLIPImageProcessor',
      config: nestedText('llama'),
      processorConfig: ({ image, recipe }) => {
        if (image?.tokenGrid === undefined) throw new RangeError('tokens that lie on no grid');
        return {
          image_token: recipe.prompt?.picture ?? '<image>',
          patch_size: image.input.width / image.tokenGrid.columns,
          // Python's processor counts the class token here and takes it off again; this one only counts.
          num_additional_image_tokens: image.tokenGrid.leading,
        };
      },
    },
  ],
  ['qwen2-vl', { processor: 'Qwen2VLProcessor', imageProcessor: 'Qwen2VLImageProcessor', config: flatText }],
  ['janus', janus],
]);

function objectOf(value: JsonObject[string] | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
