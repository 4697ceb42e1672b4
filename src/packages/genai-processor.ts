/**
 * Picture preparation as onnxruntime-genai's own processor runs it, a list of operations of onnxruntime-extensions.
 * There is one for Qwen2-VL's patch rows; other types build prompts that are not these families'.
 */
import type { ImageGeometry } from '../architectures/media.ts';
import type { EncoderRecipe } from '../architectures/recipe.ts';
import type { JsonObject } from '../formats/checkpoint/checkpoint.ts';

/** Undefined where no processor of it fits. */
export function genaiProcessor(
  { feed }: EncoderRecipe,
  image: ImageGeometry | undefined,
): JsonObject | undefined {
  if (feed.form !== 'patch-rows' || image === undefined) return undefined;
  const operation = (name: string, type: string, attrs?: JsonObject): JsonObject => ({
    operation: { name, type, ...(attrs === undefined ? {} : { attrs }) },
  });
  // A graph for one size takes pictures of its area; this keeps those of its shape as they are.
  const area = image.input.width * image.input.height;
  const [least, most] = feed.grid === undefined ? [area, area] : [feed.minPixels, feed.maxPixels];
  const sides = { patch_size: feed.patch, merge_size: feed.merge };
  return {
    processor: {
      name: 'qwen2_5_image_processor',
      transforms: [
        operation('decode_image', 'DecodeImage', { color_space: 'RGB' }),
        operation('convert_to_rgb', 'ConvertRGB'),
        operation('resize', 'Resize', {
          width: 0,
          height: 0,
          smart_resize: 1,
          min_pixels: least,
          max_pixels: most,
          ...sides,
        }),
        operation('rescale', 'Rescale', { rescale_factor: 1 / 255 }),
        operation('normalize', 'Normalize', { mean: image.mean, std: image.std, qwen2_5_vl: 1 }),
        operation('patch_image', 'PatchImage', { ...sides, temporal_patch_size: feed.frames }),
      ],
    },
  };
}
