/**
 * Janus in transformers.js, which knows it as `multi_modality`: MultiModalityCausalLM, VLChatProcessor, VLMImageProcessor.
 * Its processor writes no token that begins a text, takes the template of a conversation by name, and pads a picture after
 * it has normalised it.
 */
import type { BuiltModel } from '../architectures/architecture.ts';
import type { ImageGeometry } from '../architectures/media.ts';
import type { GenerationRecipe } from '../architectures/recipe.ts';
import type { JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../formats/json.ts';
import type { Model } from '../graph/model.ts';
import { fail } from '../report/diagnostics.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import {
  decodedImage,
  decoderHead,
  headlessDecoder,
  preparedEmbeddings,
  withInput,
} from './multi-modality-graphs.ts';
import type { ClientFamily } from './transformers-js-families.ts';
import type { ClientGraph } from './transformers-js-graphs.ts';

export const janus: ClientFamily = {
  processor: 'VLChatProcessor',
  imageProcessor: 'VLMImageProcessor',
  config: ({ text_config: text, language_config: language, ...config }, sizes) => ({
    ...config,
    architectures: ['MultiModalityCausalLM'],
    model_type: 'multi_modality',
    language_config: { ...objectOf(text), ...objectOf(language), model_type: 'llama', ...sizes },
  }),
  processorConfig: ({ image, recipe }) => {
    const { picture, start, end } = tagsOf(recipe);
    return {
      image_tag: picture,
      image_start_tag: start,
      image_end_tag: end,
      num_image_tokens: image?.tokens ?? 0,
    };
  },
  imageSettings,
  // Where it finds a scale of guidance, it guides answers, too.
  generationConfig: ({ guidance_scale: _, ...settings }, { recipe }) => ({
    ...(recipe.endOfTextId === undefined ? {} : { eos_token_id: recipe.endOfTextId }),
    ...settings,
    pad_token_id: picturesOf(recipe).padId,
  }),
  chatTemplates,
  graphs: ({ recipe, image }): readonly ClientGraph[] => {
    const { encoder, embed, decoder } = recipe;
    const pictures = picturesOf(recipe);
    const { hidden } = decoder;
    if (encoder === undefined || image === undefined || hidden === undefined) throw unexpected();
    return [
      {
        fileName: 'prepare_inputs_embeds',
        components: [encoder.component, embed.component],
        make: ([vision, embedding]) => {
          if (vision === undefined || embedding === undefined) throw unexpected();
          return preparedEmbeddings({ vision, embed: embedding }, recipe, image.input);
        },
      },
      { fileName: 'language_model', components: [decoder.component], make: one(headlessDecoder) },
      {
        fileName: 'lm_head',
        components: [decoder.component],
        make: one((model) => decoderHead(model, hidden)),
      },
      { components: [pictures.head.component] },
      {
        fileName: 'gen_img_embeds',
        components: [pictures.embed.component],
        make: one((model) => withInput(model, 'image_ids')),
      },
      {
        fileName: 'image_decode',
        components: [pictures.generator.component],
        make: one((model) => decodedImage(model, pictures)),
      },
    ];
  },
};

function one(make: (model: Model) => Model): (models: readonly Model[]) => Model {
  return ([model]) => {
    if (model === undefined) throw unexpected();
    return make(model);
  };
}

/** A picture keeps its proportions: its longer side becomes the square's, the rest has the colour of padding. */
function imageSettings({ input, mean, std, steps }: ImageGeometry, settings: JsonObject): JsonObject {
  if (input.width !== input.height) {
    throw fail('VC4502', {
      where: '--format transformers.js',
      found: `pictures of ${input.width}x${input.height}`,
      expected: 'a square, which its image processor makes of every picture',
    });
  }
  const padding = steps?.find((step) => step.step === 'pad')?.color ?? mean.map((each) => 255 * each);
  const factor = typeof settings.rescale_factor === 'number' ? settings.rescale_factor : 1 / 255;
  return {
    image_size: input.width,
    size: { shortest_edge: input.width, longest_edge: input.width },
    do_pad: true,
    pad_size: { ...input },
    // It pads what is normalised already, with this colour scaled and no more.
    background_color: padding.map((byte, channel) => {
      const [of = 0.5, by = 0.5] = [mean[channel], std[channel]];
      return (byte / 255 - of) / by / factor;
    }),
  };
}

/** By the names that its processor is asked for. */
function chatTemplates({ recipe }: BuiltModel): JsonValue {
  const { textOnly } = recipe.prompt ?? {};
  if (textOnly === undefined) throw unexpected();
  const { picture } = tagsOf(recipe);
  const [first, after] = around(textOnly);
  const [drawFirst, drawAfter] = around(picturesOf(recipe).prompt);
  // Without what stands once before the first turn.
  const next = first.slice(first.lastIndexOf('\n') + 1);
  const content = `{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ ${literal(`${picture}\n`)} }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}`;
  const answer = `{{ ' ' }}${content}{{ eos_token }}`;
  const conversation = (opening: string, closing: string): string =>
    `{{ bos_token }}{% for message in messages %}{% if 'assistant' in message['role'] | lower %}${answer}{% else %}{{ ${literal(opening)} if loop.first else ${literal(next)} }}${content}{{ ${literal(closing)} }}{% endif %}{% endfor %}`;
  return [
    { name: 'default', template: conversation(first, after) },
    { name: 'text_to_image', template: conversation(drawFirst, drawAfter) },
  ];
}

function around(template: string): readonly [string, string] {
  const [before, after] = template.split('{text}');
  if (before === undefined || after === undefined) throw unexpected();
  return [before, after];
}

/** As templates spell a string. */
function literal(text: string): string {
  return JSON.stringify(text);
}

/** The texts of the tokens around a picture, and of the one that stands once per feature. */
function tagsOf({ prompt }: GenerationRecipe): {
  readonly picture: string;
  readonly start: string;
  readonly end: string;
} {
  if (prompt?.mark === undefined) throw unexpected();
  const [start = '', end = ''] = prompt.picture.split(prompt.mark);
  return { picture: prompt.mark, start, end };
}

function picturesOf({ pictures }: GenerationRecipe): NonNullable<GenerationRecipe['pictures']> {
  if (pictures === undefined) throw unexpected();
  return pictures;
}

function unexpected(): RangeError {
  return new RangeError('not a model that answers and draws');
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
