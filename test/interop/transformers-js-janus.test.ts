/**
 * The real transformers.js, offline, answers and draws with Janus folders that we write for it: the tokens, codes and
 * pixels of the original implementations.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convert, draw as drawOwn, generate, type Precision } from '../../src/index.ts';
import { drawPicture, type Picture } from '../../src/parity/inputs/picture.ts';
import { goldenCase, goldenCases } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';
import { recordedBytes } from '../support/recorded-picture.ts';
import { answer, draw, openJanus } from '../support/transformers-js-janus.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-transformers-js-janus-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function converted(name: string, precision: Precision): Promise<string> {
  const output = join(folder, `${name.replace('/', '-')}-${precision}`);
  const { checkpoint } = goldenCase(name);
  await convert({ checkpoint, output, format: 'transformers.js', precision, parity: false });
  return output;
}

const half = [0.5, 0.5, 0.5];

const question = 'Describe the picture in one sentence.';

describe('Janus in transformers.js', () => {
  it.each(goldenCases(['janus']).filter((golden) => existsSync(join(golden.folder, 'image0.png'))))(
    "answers as the original does, from its own processor's inputs: $name",
    async ({ name, folder: home }) => {
      const io = await readIo(join(home, 'io.safetensors'));
      const client = await openJanus(await converted(name, 'fp32'));
      const recorded = io.get('in.pixel_values');
      const [channels, height, width] = recorded.shape.slice(-3);
      const square = recordedBytes(
        { ...recorded, shape: [1, channels ?? 0, height ?? 0, width ?? 0] },
        half,
        half,
      );
      const decodeIds = io.ints('out.decode_ids');
      // The processor pads what it is given: the rows between those that the original's has padded.
      const found = await answer(
        client,
        withoutPadding(square),
        `<image_placeholder>\n${question}`,
        decodeIds.length,
      );
      expect(found.inputIds).toEqual(io.ints('in.input_ids'));
      const expected = io.float32('in.pixel_values');
      expect(found.pixels).toHaveLength(expected.length);
      const furthest = found.pixels.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? 9))),
        0,
      );
      expect(furthest).toBeLessThan(1e-6);
      expect(found.ids).toEqual(decodeIds);
    },
  );

  it.each([
    ['janus/tiny-hf', 'generated0.png'],
    ['janus/tiny-generate', 'generated.png'],
  ])('draws the picture that the original draws: %s', async (name, file) => {
    const golden = goldenCase(name);
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const client = await openJanus(await converted(name, 'fp32'));
    const codes = io.ints('out.gen_ids');
    const drawn = await draw(client, 'a red square on a blue field', { codes: codes.length, guidance: 5 });
    const given = io.ints(io.has('in.gen_input_ids') ? 'in.gen_input_ids' : 'in.input_ids');
    expect(drawn.inputIds).toEqual(given.slice(0, given.length / 2));
    expect(drawn.ids).toEqual(codes);
    const { width, height, data } = PNG.sync.read(await readFile(join(golden.folder, file)));
    expect([drawn.picture.width, drawn.picture.height]).toEqual([width, height]);
    const furthest = drawn.picture.rgb.reduce((most, byte, i) => {
      const recorded = data[4 * Math.floor(i / 3) + (i % 3)] ?? Number.NaN;
      return Math.max(most, Math.abs(byte - recorded));
    }, 0);
    expect(furthest).toBeLessThanOrEqual(1);
  });

  it('sees two pictures', async () => {
    const output = await converted('janus/tiny-hf', 'fp32');
    const client = await openJanus(output);
    const images = [await writePicture(drawPicture(96, 96, 3)), await writePicture(drawPicture(96, 60, 4))];
    const content = `<image_placeholder>\n<image_placeholder>\n${question}`;
    const inputs = await client.process([{ role: 'user', content, images }]);
    const given = Number(inputs.input_ids?.dims[1]);
    const found = await client.generate({ ...inputs, max_new_tokens: 5, do_sample: false });
    const { ids } = await generate({ output, images, prompt: question, maxTokens: 5 });
    expect(Array.from(found.data as BigInt64Array, Number).slice(given)).toEqual(ids);
  });

  it('writes a conversation, and contents in parts, as the original code does', async () => {
    const name = 'janus/tiny-hf';
    const client = await openJanus(await converted(name, 'fp32'));
    const written = async (messages: readonly object[]): Promise<string> =>
      client.decode((await client.process(messages)).input_ids);
    const turns = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello' },
      { role: 'user', content: 'Bye' },
    ];
    // As `deepseek` of its conversation.py joins turns, behind the token that begins a text.
    expect(await written(turns)).toBe(
      '<｜begin▁of▁sentence｜><|User|>: Hi\n\n<|Assistant|>: Hello<｜end▁of▁sentence｜><|User|>: Bye\n\n<|Assistant|>:',
    );
    const images = [join(goldenCase(name).folder, 'image0.png')];
    const parts = [{ type: 'image' }, { type: 'text', text: question }];
    expect(await written([{ role: 'user', content: parts, images }])).toBe(
      await written([{ role: 'user', content: `<image_placeholder>\n${question}`, images }]),
    );
  });

  it.each([
    ['fp16', 'fp16', '_fp16'],
    ['int8', 'q8', '_quantized'],
    ['int4', 'q4', '_q4'],
  ] as const)(
    'loads %s files as dtype %s and answers and draws what they give',
    async (precision, dtype, suffix) => {
      const output = await converted('janus/tiny-hf', precision);
      const client = await openJanus(output, dtype);
      expect(client.loaded.filter((file) => file.endsWith('.onnx'))).toEqual(
        [
          'gen_head',
          'gen_img_embeds',
          'image_decode',
          'language_model',
          'lm_head',
          'prepare_inputs_embeds',
        ].map((name) => `onnx/${name}${suffix}.onnx`),
      );
      const picture = drawPicture(96, 96, 3);
      const { ids: expected } = await generate({
        output,
        images: [await writePicture(picture)],
        prompt: question,
        maxTokens: 6,
      });
      const { ids } = await answer(client, picture, `<image_placeholder>\n${question}`, 6);
      expect(ids).toEqual(expected);
      const { ids: codes } = await draw(client, question, { codes: 36, guidance: 5 });
      const drawn = await drawOwn({ output, picture: join(folder, `${precision}.png`), prompt: question });
      expect(codes).toEqual(drawn.codes);
    },
  );
});

async function writePicture({ width, height, rgb }: Picture): Promise<string> {
  const path = join(folder, `${width}x${height}.png`);
  const png = new PNG({ width, height });
  for (let i = 0; i < width * height; i += 1) png.data.set([...rgb.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  await writeFile(path, PNG.sync.write(png));
  return path;
}

/** Without the rows and columns at its edges that have the colour of padding throughout. */
function withoutPadding({ width, height, rgb }: Picture): Picture {
  const isPadding = (x: number, y: number): boolean =>
    rgb.subarray(3 * (y * width + x), 3 * (y * width + x) + 3).every((byte) => byte === 127);
  const kept = (count: number, isEmpty: (index: number) => boolean): readonly [number, number] => {
    const full = Array.from({ length: count }, (_, index) => index).filter((index) => !isEmpty(index));
    return [full[0] ?? 0, (full.at(-1) ?? -1) + 1];
  };
  const columns = Array.from({ length: width }, (_, x) => x);
  const [top, bottom] = kept(height, (y) => columns.every((x) => isPadding(x, y)));
  const [left, right] = kept(width, (x) =>
    Array.from({ length: height }, (_, y) => y).every((y) => isPadding(x, y)),
  );
  const rows = Array.from({ length: bottom - top }, (_, y) =>
    rgb.subarray(3 * ((y + top) * width + left), 3 * ((y + top) * width + right)),
  );
  return { width: right - left, height: bottom - top, rgb: Buffer.concat(rows) };
}
