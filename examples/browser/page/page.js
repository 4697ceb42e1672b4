/** Loads the model that serve.js serves, and answers questions about a picture. Nothing leaves this machine. */
import {
  AutoModelForImageTextToText,
  AutoProcessor,
  env,
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

/** @type {(text: string) => void} */
const say = (text) => {
  element('status').textContent = text;
};

/** Of the two orders in which processors take a picture and a text. */
const picturesFirst = new Set(['llava']);

async function load() {
  // dtype is left out: config.json says what this folder holds.
  const options = { device: /** @type {const} */ ('wasm') };
  const [processor, model] = await Promise.all([
    AutoProcessor.from_pretrained('model'),
    AutoModelForImageTextToText.from_pretrained('model', options),
  ]);
  return { processor, model };
}

/**
 * The question as the model's chat template puts it, or, for a model without one, in the form that the output names.
 *
 * @param {import('@huggingface/transformers').Processor} processor
 * @param {string} question
 */
async function promptFor(processor, question) {
  if (processor.tokenizer?.chat_template == null) {
    const manifest = await (await fetch('/model/vlm-convert.json')).json();
    const { picture, withPicture } = manifest.generation.recipe.prompt;
    return withPicture.replace('{picture}', () => picture).replace('{text}', () => question);
  }
  const content = [{ type: 'image' }, { type: 'text', text: question }];
  // Templates of vision-language models take lists of parts, which the declared type does not know.
  const messages = /** @type {import('@huggingface/transformers').Message[]} */ (
    /** @type {unknown} */ ([{ role: 'user', content }])
  );
  return /** @type {string} */ (processor.apply_chat_template(messages, { add_generation_prompt: true }));
}

/** @param {Awaited<ReturnType<typeof load>>} loaded */
async function answer({ processor, model }) {
  const [file] = input('picture').files ?? [];
  if (file === undefined || processor.tokenizer === undefined) return;
  const picture = await RawImage.fromBlob(file);
  const prompt = await promptFor(processor, input('question').value);
  const inputs = picturesFirst.has(model.config.model_type ?? '')
    ? await processor(picture, prompt)
    : await processor(prompt, picture);
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

try {
  const loaded = await load();
  say('Ready');
  const ask = /** @type {HTMLButtonElement} */ (element('ask'));
  ask.disabled = false;
  element('form').addEventListener('submit', async (event) => {
    event.preventDefault();
    ask.disabled = true;
    say('Thinking');
    try {
      await answer(loaded);
      say('Done');
    } catch (error) {
      say(String(error));
    }
    ask.disabled = false;
  });
} catch (error) {
  say(String(error));
}
