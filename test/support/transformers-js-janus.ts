/** The real transformers.js, offline, over a Janus folder that we wrote: what it answers, and what it draws. */
import {
  AutoProcessor,
  env,
  MultiModalityCausalLM,
  type Processor,
  RawImage,
  type Tensor,
} from '@huggingface/transformers';
import type { Picture } from '../../src/parity/inputs/picture.ts';

env.allowRemoteModels = false;
env.allowLocalModels = true;

type Inputs = Readonly<Record<string, Tensor>>;
type Options = Parameters<MultiModalityCausalLM['generate_images']>[0];

export interface JanusClient {
  readonly process: (messages: readonly object[], options?: object) => Promise<Inputs>;
  /** With special tokens. */
  readonly decode: (ids: Tensor | undefined) => string;
  readonly generate: (options: Options) => Promise<Tensor>;
  readonly draw: (options: Options) => Promise<readonly RawImage[]>;
  /** Of the files that were loaded, as the library reports them, sorted. */
  readonly loaded: readonly string[];
}

/** `dtype` as a user gives it; left out: what config.json says. */
export async function openJanus(folder: string, dtype?: string): Promise<JanusClient> {
  const loaded = new Set<string>();
  const processor = (await AutoProcessor.from_pretrained(folder)) as Processor &
    ((messages: readonly object[], options?: object) => Promise<Inputs>);
  const model = (await MultiModalityCausalLM.from_pretrained(folder, {
    ...(dtype === undefined ? {} : { dtype: dtype as 'fp32' }),
    progress_callback: (info: { readonly status: string; readonly file?: string }) => {
      if (info.status === 'initiate' && info.file?.includes('.onnx')) loaded.add(info.file);
    },
  })) as MultiModalityCausalLM;
  return {
    process: (messages, options) => processor(messages, options),
    decode: (ids) => processor.decode(integers(ids), {}),
    generate: async (options) => (await model.generate(options)) as Tensor,
    draw: (options) => model.generate_images(options),
    loaded: [...loaded].sort(),
  };
}

/** The most probable token, `steps` times or until the model stops, about a picture. */
export async function answer(
  client: JanusClient,
  { width, height, rgb }: Picture,
  content: string,
  steps: number,
): Promise<{
  readonly inputIds: readonly number[];
  readonly pixels: Float32Array;
  readonly ids: readonly number[];
}> {
  const image = new RawImage(new Uint8ClampedArray(rgb), width, height, 3);
  const inputs = await client.process([{ role: 'user', content, images: [image] }]);
  const output = await client.generate({ ...inputs, max_new_tokens: steps, do_sample: false });
  const inputIds = integers(inputs.input_ids);
  return {
    inputIds,
    pixels: inputs.pixel_values?.data as Float32Array,
    ids: integers(output).slice(inputIds.length),
  };
}

/** A picture of the most probable codes. `ids`: the codes, in the order in which they were drawn. */
export async function draw(
  client: JanusClient,
  content: string,
  { codes, guidance }: { readonly codes: number; readonly guidance: number },
): Promise<{
  readonly inputIds: readonly number[];
  readonly ids: readonly number[];
  readonly picture: Picture;
}> {
  const inputs = await client.process([{ role: 'user', content }], { chat_template: 'text_to_image' });
  const seen: number[] = [];
  const streamer = {
    put: (ids: readonly (readonly bigint[])[]) => seen.push(...ids.flat().map(Number)),
    end: () => undefined,
  } as unknown as NonNullable<Options['streamer']>;
  const [image] = await client.draw({
    ...inputs,
    streamer,
    min_new_tokens: codes,
    max_new_tokens: codes,
    do_sample: false,
    guidance_scale: guidance,
  });
  if (image === undefined) throw new Error('no picture');
  const inputIds = integers(inputs.input_ids);
  const { width, height } = image;
  const rgb = new Uint8Array(image.rgb().data);
  return { inputIds, ids: seen.slice(inputIds.length), picture: { width, height, rgb } };
}

function integers(tensor: Tensor | undefined): number[] {
  return Array.from(tensor?.data as BigInt64Array, Number);
}
