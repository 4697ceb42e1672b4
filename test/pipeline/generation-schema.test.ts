/** What a manifest may say of pictures: what every family writes, and nothing that no picture can be brought to. */
import { describe, expect, it } from 'vitest';
import type { PictureStep } from '../../src/architectures/media.ts';
import { type Generation, generationOf } from '../../src/pipeline/generation.ts';
import { readGeneration } from '../../src/pipeline/generation-schema.ts';
import type { Manifest } from '../../src/pipeline/manifest.ts';
import { goldenCase, goldenCases } from '../support/golden-cases.ts';
import { withBuiltCase } from '../support/open-case.ts';

type Case = ReturnType<typeof goldenCase>;

/** As it is written for a case. */
function written(golden: Case): Promise<Generation> {
  return withBuiltCase(golden, async (built, source) => {
    const files = built.components.map(({ id, fileName }) => ({
      id,
      files: [{ path: `onnx/${fileName}.onnx` }],
    }));
    return JSON.parse(JSON.stringify(generationOf(built, files, source))) as Generation;
  });
}

function read(generation: Generation): Generation {
  return readGeneration({ generation } as Manifest, 'folder');
}

const families = ['janus', 'llava', 'minicpm-v-2.5', 'minigpt-v2', 'monkey', 'qwen-vl', 'qwen2-vl'];
const cases = goldenCases([...families, 'textmonkey', 'vila', 'qwen2-audio']);

it.each(cases.map((golden) => [golden.name, golden] as const))(
  'takes what is written: %s',
  async (_, golden) => {
    const generation = await written(golden);
    expect(read(generation)).toEqual(generation);
  },
);

describe('refuses', async () => {
  const generation = await written(goldenCase('janus/tiny-hf'));
  const { image } = generation;
  if (image?.steps === undefined) throw new Error('no steps');
  const [inside, pad] = image.steps;
  if (inside?.step !== 'inside' || pad?.step !== 'pad') throw new Error('other steps');
  const { width, height } = image.input;
  const wider = { width: width + 1, height };
  const resize: PictureStep = { step: 'resize', to: wider, filter: 'bicubic' };

  it.each<[string, readonly PictureStep[]]>([
    ['no steps', []],
    ['steps to another size', [resize]],
    ['steps to a size that hangs on the picture', [inside]],
    ['a pad around whatever there is', [pad]],
    ['a pad that is smaller than the picture', [{ ...inside, to: wider }, pad]],
    ['a pad that is smaller than the least side', [{ ...inside, least: width + 1 }, pad]],
  ])('%s', (_, steps) => {
    expect(() => read({ ...generation, image: { ...image, steps } })).toThrow(/VC4011[\s\S]*image\.steps/);
  });

  it('a picture of more tokens than any', () => {
    expect(() => read({ ...generation, image: { ...image, tokens: 2 ** 20 + 1 } })).toThrow('VC4011');
  });
});
