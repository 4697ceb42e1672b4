/**
 * Prompts whose pictures are written view by view, against the ids and spans that the release's processor made: from
 * picture and text, through the checkpoint's own tokenizer.
 */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { View } from '../../src/architectures/media.ts';
import { findArchitecture } from '../../src/architectures/registry.ts';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { encodePrompt } from '../../src/parity/inputs/prompt.ts';
import { readSamples } from '../../src/parity/inputs/samples.ts';
import { openTokenizer } from '../../src/parity/inputs/tokenizer.ts';
import { viewText } from '../../src/parity/inputs/view-text.ts';
import { caseOptions, goldenCases } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';

interface SlicedCase {
  readonly text: { readonly prompt: string };
  readonly preprocessing: { readonly pictures: readonly { readonly file: string }[] };
}

describe.each(goldenCases(['minicpm-v-2.5']))('$name', (golden) => {
  it('becomes the recorded ids and spans', async () => {
    const { text, preprocessing } = golden.json as unknown as SlicedCase;
    const folder = await mkdtemp(join(tmpdir(), 'vlm-views-'));
    const checkpoint = await openCheckpoint(golden.checkpoint);
    try {
      const files = preprocessing.pictures.map(({ file }) => file);
      for (const file of files) await cp(join(golden.folder, file), join(folder, file));
      // About all pictures: the first one's prompt marks the places of those after it, too.
      // The line break at the end is the editor's, not the prompt's.
      await writeFile(join(folder, files[0]?.replace('.png', '.txt') ?? ''), `${text.prompt}\n`);
      const architecture = findArchitecture(checkpoint.config, new Set(checkpoint.tensors.keys()));
      const { recipe, image } = architecture.build(checkpoint, caseOptions(golden));
      const sample = await readSamples({ folder, checkpoint, recipe, image, seed: 1 });
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      const [prompt] = sample.prompts;
      expect(prompt?.ids).toEqual(io.ints('in.input_ids'));
      const bounds = prompt?.spans.flatMap(({ first, count }) => [first, first + count]);
      expect(bounds).toEqual(io.ints('in.image_bound'));
      expect(new Set(prompt?.spans.map(({ media: picture }) => picture)).size).toBe(files.length);

      // A question alone is put into the chat's form, behind the pictures.
      const [, question = ''] = /\)\n([^)]*)<\|eot_id\|>/.exec(text.prompt) ?? [];
      const asked = { text: question, first: 0, shown: files.length, where: 'the prompt' };
      const tokenizer = await openTokenizer(checkpoint);
      const encoded = encodePrompt(asked, tokenizer, recipe, sample.media);
      expect(encoded.prompt().ids).toEqual(io.ints('in.input_ids'));
    } finally {
      await checkpoint.close();
      await rm(folder, { recursive: true });
    }
  });
});

it('stand in rows behind the whole picture', () => {
  const template = { view: '[{features}]', feature: '.', slices: '<{rows}>', rowBreak: '/' };
  const whole: View = { kind: 'global' };
  const tile = (row: number, column: number): View => ({ kind: 'tile', row, column });
  const text = (...views: readonly View[]): string => viewText({ views, tokensPerView: 2 }, template);
  expect(text(whole)).toBe('[..]');
  expect(text(whole, tile(0, 0), tile(0, 1), tile(1, 0), tile(1, 1))).toBe('[..]<[..][..]/[..][..]>');
});
