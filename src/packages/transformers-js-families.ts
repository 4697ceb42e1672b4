/** What transformers.js needs to know of each family that it has classes for, by our architecture's id. */
import type { BuiltModel } from '../architectures/architecture.ts';
import type { JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../formats/json.ts';

export interface ClientFamily {
  /** Classes of the processor and of what it runs over pictures. */
  readonly processor: string;
  readonly imageProcessor: string;
  /** Where config.json has the language model's sizes. */
  readonly text: { write(config: JsonObject, sizes: JsonObject): JsonObject };
  /** What processor_config.json has to say; left out where its class reads none. */
  readonly processorConfig?: (built: BuiltModel) => JsonObject;
}

/** In a section of their own, of a model type of its own. */
const nestedText = (modelType: string): ClientFamily['text'] => ({
  write: (config, sizes) => ({
    ...config,
    text_config: { model_type: modelType, ...objectOf(config.text_config), ...sizes },
  }),
});

/** Beside the rest of the config, where newer releases no longer have them. */
const flatText: ClientFamily['text'] = {
  write: ({ text_config: text, ...config }, sizes) => {
    const { model_type: _, ...settings } = objectOf(text);
    return { ...settings, ...config, ...sizes };
  },
};

export const clientFamilies: ReadonlyMap<string, ClientFamily> = new Map<string, ClientFamily>([
  [
    'llava',
    {
      processor: 'LlavaProcessor',
      imageProcessor: 'CLIPImageProcessor',
      text: nestedText('llama'),
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
  ['qwen2-vl', { processor: 'Qwen2VLProcessor', imageProcessor: 'Qwen2VLImageProcessor', text: flatText }],
]);

function objectOf(value: JsonObject[string] | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
