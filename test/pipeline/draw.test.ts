/** Pictures from an output folder alone: the recorded codes and bytes, seeded draws, and what is refused. */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convert, type Drawn, type DrawOptions, draw, type Manifest, VlmError } from '../../src/index.ts';
import { decodePicture } from '../../src/parity/index.ts';
import { runMain } from '../cli/run-main.ts';
import { goldenCase, goldenCases } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';

const words = 'a red square on a blue field';

/** Cases that recorded a picture; one row of a text is enough. */
const cases = goldenCases(['janus']).flatMap((golden) => {
  const file = ['generated.png', 'generated0.png'].map((name) => join(golden.folder, name)).find(existsSync);
  return file === undefined ? [] : [{ name: golden.name, golden, file }];
});

let root = '';
const outputs = new Map<string, string>();

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vlm-draw-'));
  for (const { name, golden } of cases) {
    const output = join(root, name.replaceAll('/', '-'));
    await convert({ checkpoint: golden.checkpoint, output, parity: false });
    outputs.set(name, output);
  }
}, 120_000);
afterAll(() => rm(root, { recursive: true, force: true }));

let files = 0;
const freshFile = (): string => {
  files += 1;
  return join(root, `picture-${files}.png`);
};

const drawn = (name: string, options: Partial<DrawOptions> = {}): Promise<Drawn> =>
  draw({ output: outputs.get(name) ?? '', prompt: words, picture: freshFile(), ...options });

it('has recorded pictures of both layouts', () => {
  expect(cases.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['janus/tiny-generate', 'janus/tiny-hf']),
  );
});

describe.each(cases)('$name', ({ name, golden, file }) => {
  it('draws the recorded picture, code for code and, but for its rounding, byte for byte', async () => {
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const rows = io.get(io.has('in.gen_input_ids') ? 'in.gen_input_ids' : 'in.input_ids');
    const one = await drawn(name);
    expect(one.promptTokens).toBe(rows.shape[1]);
    expect(one.codes).toEqual(io.ints('out.gen_ids'));
    const wanted = await decodePicture(file);
    const { rgb } = await decodePicture(one.picture);
    const off = Array.from(wanted.rgb, (byte, at) => Math.abs(byte - (rgb[at] ?? -1)));
    // Bytes are cut: a sum in another order is the next one where it was on the edge.
    expect(Math.max(...off)).toBeLessThanOrEqual(1);
    expect(off.filter((by) => by > 0).length).toBeLessThanOrEqual(off.length / 1000);
    expect(one).toMatchObject({ width: wanted.width, height: wanted.height, temperature: 0, device: 'cpu' });
  });

  it('draws the same again from a seed, another picture from another, and the best codes near zero', async () => {
    const at = async (temperature: number, seed: number) => (await drawn(name, { temperature, seed })).codes;
    const one = await at(1, 7);
    expect(await at(1, 7)).toEqual(one);
    expect(await at(1, 8)).not.toEqual(one);
    const { codes } = await drawn(name);
    expect(one).not.toEqual(codes);
    expect(await at(1e-6, 7)).toEqual(codes);
  });

  it('is drawn by the weight of the prompt', async () => {
    const [weak, strong] = [await drawn(name, { guidance: 0 }), await drawn(name)];
    expect(weak.codes).not.toEqual(strong.codes);
    // Without it what the prompt says is of no concern.
    const other = await drawn(name, { guidance: 0, prompt: 'a blue square on a red field' });
    expect(other.codes).toEqual(weak.codes);
  });
});

describe('the file', () => {
  const [{ name = '' } = {}] = cases;

  it('is not written over without --force, and what is there stays', async () => {
    const picture = freshFile();
    await writeFile(picture, 'mine');
    await expect(drawn(name, { picture })).rejects.toThrow('VC5122');
    expect(await readFile(picture, 'utf8')).toBe('mine');
    await drawn(name, { picture, force: true });
    expect((await decodePicture(picture)).width).toBeGreaterThan(0);
  });

  it('is not there, not even in part, when the drawing is stopped', async () => {
    const stop = new AbortController();
    const folder = join(root, 'stopped');
    const reporter = {
      stages: () => {},
      start: () => {},
      progress: (_id: string, { done }: { readonly done: number }) => {
        if (done === 3) stop.abort();
      },
      finish: () => {},
      warn: () => {},
      close: async () => {},
    };
    const stopped = draw(
      { output: outputs.get(name) ?? '', prompt: words, picture: join(folder, 'a.png') },
      { signal: stop.signal, reporter },
    );
    await expect(stopped).rejects.toThrow('VC5190');
    expect(existsSync(folder) ? await readdir(folder) : []).toEqual([]);
  });

  it('cannot be another kind of picture, nor stand in a file', async () => {
    await expect(drawn(name, { picture: join(root, 'a.jpg') })).rejects.toThrow('VC4002');
    const inFile = join(outputs.get(name) ?? '', 'vlm-convert.json', 'a.png');
    await expect(drawn(name, { picture: inFile })).rejects.toThrow('VC5105');
  });
});

describe('refused is', () => {
  const [{ name = '' } = {}] = cases;

  const manifestWith = async (change: (manifest: Manifest) => unknown): Promise<string> => {
    const folder = join(root, 'changed');
    await rm(folder, { recursive: true, force: true });
    await cp(outputs.get(name) ?? '', folder, { recursive: true });
    const path = join(folder, 'vlm-convert.json');
    const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
    change(manifest);
    await writeFile(path, JSON.stringify(manifest));
    return folder;
  };

  /** For changes that types do not allow. */
  type Loose = Record<string, unknown>;
  const recipeOf = ({ generation }: Manifest): Loose => (generation?.recipe ?? {}) as unknown as Loose;
  const picturesOf = (manifest: Manifest): Loose => (recipeOf(manifest).pictures ?? {}) as Loose;

  it('a model that draws nothing', async () => {
    const output = await manifestWith((manifest) => {
      delete recipeOf(manifest).pictures;
    });
    const error: unknown = await drawn(name, { output }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(VlmError);
    expect((error as VlmError).code).toBe('VC6113');
  });

  it.each<[string, (manifest: Manifest) => unknown]>([
    [
      'a grid beyond any picture',
      (one) => Object.assign(picturesOf(one), { grid: { rows: 512, columns: 512 } }),
    ],
    ['codes without end', (one) => Object.assign(picturesOf(one), { codes: 2 ** 40 })],
    ['a form without the text', (one) => Object.assign(picturesOf(one), { prompt: 'draw' })],
    [
      'a decoder that gives no states',
      (one) => {
        delete (recipeOf(one).decoder as Loose).hidden;
      },
    ],
  ])('a manifest with %s', async (_what, change) => {
    await expect(drawn(name, { output: await manifestWith(change) })).rejects.toThrow('VC4011');
  });

  it('a head that knows another number of codes', async () => {
    const output = await manifestWith((one) => Object.assign(picturesOf(one), { codes: 5 }));
    await expect(drawn(name, { output })).rejects.toThrow('VC6102');
  });
});

describe('vlm-convert run --generate', () => {
  const [{ name = '' } = {}] = cases;

  it('writes the picture and says so, or one object', async () => {
    const output = outputs.get(name) ?? '';
    const args = ['run', output, '--prompt', words];
    const plain = await runMain([...args, '--generate', 'shell.png'], { cwd: root });
    expect(plain).toMatchObject({ code: 0, err: '' });
    expect(plain.out).toMatch(/shell\.png: \d+x\d+, of \d+ codes\n$/);
    expect((await stat(join(root, 'shell.png'))).size).toBeGreaterThan(100);
    const json = await runMain([...args, '--generate', 'shell.png', '--force', '--json'], { cwd: root });
    const { codes } = await drawn(name);
    expect(JSON.parse(json.out)).toMatchObject({ ok: true, picture: join(root, 'shell.png'), codes });
  });

  it.each<[string, string[], string, number]>([
    ['a file that is there', ['--generate', 'taken.png'], 'VC5122', 5],
    ['a picture to look at', ['--generate', 'new.png', '--image', 'taken.png'], '--image', 3],
    ['guidance of an answer', ['--guidance', '3'], '--guidance', 3],
    ['a seed of nothing', ['--generate', 'new.png', '--seed', '3'], '--seed', 3],
  ])('refuses %s', async (_what, args, says, code) => {
    await writeFile(join(root, 'taken.png'), 'mine');
    const run = await runMain(['run', outputs.get(name) ?? '', '--prompt', words, ...args], { cwd: root });
    expect(run.err).toContain(says);
    expect(run.code).toBe(code);
    expect(existsSync(join(root, 'new.png'))).toBe(false);
  });
});

it('is refused of a model without a generator', async () => {
  const output = join(root, 'llava');
  await convert({ checkpoint: goldenCase('llava/hf-tiny').checkpoint, output, parity: false });
  await expect(draw({ output, prompt: words, picture: freshFile() })).rejects.toThrow('VC6113');
});
