/**
 * Loads the model that serve.js serves, answers questions about a picture, and draws pictures where the model can. Nothing
 * leaves this machine.
 */
import {
  AutoConfig,
  AutoModelForImageTextToText,
  AutoProcessor,
  env,
  MultiModalityCausalLM,
  RawImage,
  TextStreamer,
} from '@huggingface/transformers';

env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = '/';
env.useBrowserCache = false;
const { wasm } = env.backends.onnx;
if (wasm !== undefined) wasm.wasmPaths = '/ort/';

/** @type {(id: string) => HTMLElement} */
const element = (id) => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no #${id}`);
  return found;
};
/** @type {(id: string) => HTMLInputElement} */
const input = (id) => /** @type {HTMLInputElement} */ (element(id));

/** @type {(id: string) => HTMLButtonElement} */
const button = (id) => /** @type {HTMLButtonElement} */ (element(id));

/** @type {(text: string) => void} */
const say = (text) => {
  element('status').textContent = text;
};

/** Of the two orders in which processors take a picture and a text. */
const picturesFirst = new Set(['llava']);

async function load() {
  const { model_type } = await AutoConfig.from_pretrained('model');
  const kind = model_type === 'multi_modality' ? MultiModalityCausalLM : AutoModelForImageTextToText;
  // dtype is left out: config.json says what this folder holds.
  const options = { device: /** @type {const} */ ('wasm') };
  const [processor, model] = await Promise.all([
    AutoProcessor.from_pretrained('model'),
    kind.from_pretrained('model', options),
  ]);
  return { processor, model };
}

/** What the output says of how its graphs are run. */
async function recipe() {
  const manifest = await (await fetch('/model/vlm-convert.json')).json();
  return manifest.generation.recipe;
}

/**
 * The question as the model's chat template puts it, or, for a model without one, in the form that the output names.
 *
 * @param {import('@huggingface/transformers').Processor} processor
 * @param {string} question
 */
async function promptFor(processor, question) {
  if (processor.tokenizer?.chat_template == null) {
    const { picture, withPicture } = (await recipe()).prompt;
    return withPicture.replace('{picture}', () => picture).replace('{text}', () => question);
  }
  const content = [{ type: 'image' }, { type: 'text', text: question }];
  // Templates of vision-language models take lists of parts, which the declared type does not know.
  const messages = /** @type {import('@huggingface/transformers').Message[]} */ (
    /** @type {unknown} */ ([{ role: 'user', content }])
  );
  return /** @type {string} */ (processor.apply_chat_template(messages, { add_generation_prompt: true }));
}

/**
 * @param {Awaited<ReturnType<typeof load>>} loaded
 * @param {RawImage} picture
 * @param {string} question
 */
async function inputsOf({ processor, model }, picture, question) {
  if (model instanceof MultiModalityCausalLM) {
    // Its processor takes a conversation, with the tag of the picture where it stands.
    const content = `${/** @type {{ image_tag: string }} */ (processor.config).image_tag}\n${question}`;
    return processor([{ role: 'user', content }], { images: [picture] });
  }
  const prompt = await promptFor(processor, question);
  return picturesFirst.has(model.config.model_type ?? '')
    ? processor(picture, prompt)
    : processor(prompt, picture);
}

/** @param {Awaited<ReturnType<typeof load>>} loaded */
async function answer(loaded) {
  const { processor, model } = loaded;
  const [file] = input('picture').files ?? [];
  if (file === undefined || processor.tokenizer === undefined) return;
  const inputs = await inputsOf(loaded, await RawImage.fromBlob(file), input('question').value);
  const shown = element('answer');
  shown.textContent = '';
  const streamer = new TextStreamer(processor.tokenizer, {
    skip_prompt: true,
    callback_function: (text) => {
      shown.textContent += text;
    },
  });
  const output = /** @type {import('@huggingface/transformers').Tensor} */ (
    await model.generate({
      ...inputs,
      max_new_tokens: Number(input('limit').value),
      do_sample: false,
      streamer,
    })
  );
  const asked = inputs.input_ids.dims.at(-1);
  const ids = Array.from(/** @type {BigInt64Array} */ (output.data), Number).slice(asked);
  element('facts').textContent = `${asked} tokens in, ${ids.length} out: ${ids.join(' ')}`;
}

/** @param {Awaited<ReturnType<typeof load>>} loaded */
async function draw({ processor, model }) {
  if (!(model instanceof MultiModalityCausalLM)) return;
  const { grid, guidance } = (await recipe()).pictures;
  const codes = grid.rows * grid.columns;
  const messages = [{ role: 'user', content: input('question').value }];
  const inputs = await processor(messages, { chat_template: 'text_to_image' });
  const [image] = await model.generate_images({
    ...inputs,
    min_new_tokens: codes,
    max_new_tokens: codes,
    // The most probable picture; with `true` it is another one each time.
    do_sample: false,
    guidance_scale: guidance,
  });
  if (image === undefined) return;
  const { data, width, height } = image.rgba();
  const canvas = /** @type {HTMLCanvasElement} */ (element('drawn'));
  Object.assign(canvas, { width, height });
  canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(data), width, height), 0, 0);
  element('facts').textContent = `${codes} codes, ${width} x ${height} pixels`;
}

try {
  const loaded = await load();
  say('Ready');
  const [ask, paint] = [button('ask'), button('draw')];
  paint.hidden = !(loaded.model instanceof MultiModalityCausalLM);
  /** @param {boolean} busy */
  const show = (busy) => {
    ask.disabled = busy;
    paint.disabled = busy;
  };
  /** @param {typeof answer} work */
  const run = async (work) => {
    show(true);
    say('Thinking');
    try {
      await work(loaded);
      say('Done');
    } catch (error) {
      say(String(error));
    }
    show(false);
  };
  show(false);
  element('form').addEventListener('submit', (event) => {
    event.preventDefault();
    return run(answer);
  });
  paint.addEventListener('click', () => run(draw));
} catch (error) {
  say(String(error));
}
