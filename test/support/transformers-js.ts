/** The real transformers.js, offline, over a folder that we wrote: its own processor, its own generation. */
import {
  AutoModelForImageTextToText,
  AutoProcessor,
  env,
  type PreTrainedModel,
  type Processor,
  RawImage,
  type Tensor,
} from '@huggingface/transformers';
import type { Picture } from '../../src/parity/inputs/picture.ts';

env.allowRemoteModels = false;
env.allowLocalModels = true;

export interface Client {
  readonly processor: Processor;
  readonly model: PreTrainedModel;
  /** Of the files that were loaded, as the library reports them, sorted. */
  readonly loaded: readonly string[];
}

/** `dtype` as a user gives it; left out: what config.json says. */
export async function openClient(folder: string, dtype?: string): Promise<Client> {
  const loaded = new Set<string>();
  const processor = await AutoProcessor.from_pretrained(folder);
  const model = await AutoModelForImageTextToText.from_pretrained(folder, {
    ...(dtype === undefined ? {} : { dtype: dtype as 'fp32' }),
    progress_callback: (info: { readonly status: string; readonly file?: string }) => {
      if (info.status === 'initiate' && info.file?.includes('.onnx')) loaded.add(info.file);
    },
  });
  return { processor, model, loaded: [...loaded].sort() };
}

export interface Answer {
  readonly inputIds: readonly number[];
  readonly pixels: Float32Array;
  /** The ids that were generated. */
  readonly ids: readonly number[];
  /** Without special tokens. */
  readonly text: string;
}

/** A file as the library itself reads it. */
export async function readPicture(path: string): Promise<Picture> {
  const { width, height, data } = (await RawImage.read(path)).rgb();
  return { width, height, rgb: new Uint8Array(data) };
}

/** What a processor takes first depends on its class. */
export type Order = 'picture first' | 'text first';

/** The most probable token, `steps` times or until the model stops. */
export async function generate(
  { processor, model }: Client,
  { width, height, rgb }: Picture,
  prompt: string,
  { order, steps }: { readonly order: Order; readonly steps: number },
): Promise<Answer> {
  const image = new RawImage(new Uint8ClampedArray(rgb), width, height, 3);
  const inputs = (await (order === 'picture first'
    ? processor(image, prompt)
    : processor(prompt, image))) as {
    readonly input_ids: Tensor;
    readonly pixel_values: Tensor;
  };
  const output = (await model.generate({ ...inputs, max_new_tokens: steps, do_sample: false })) as Tensor;
  const inputIds = integers(inputs.input_ids);
  return {
    inputIds,
    pixels: inputs.pixel_values.data as Float32Array,
    ids: integers(output).slice(inputIds.length),
    text: processor.decode(integers(output).slice(inputIds.length), { skip_special_tokens: true }),
  };
}

function integers(tensor: Tensor): number[] {
  return Array.from(tensor.data as BigInt64Array, Number);
}
