/** How options name components: by id, kind, or modality and kind; and what is said of names that mean nothing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withProjector } from '../../src/architectures/components.ts';
import { byComponent, componentKinds, idsAt, type Named } from '../../src/architectures/vocabulary.ts';
import { componentText, rolesText } from '../../src/report/roles.ts';

/** A model that sees pictures and videos, hears, and draws. */
const components: readonly Named[] = [
  { id: 'vision', kind: 'encoder', modality: 'image', holds: withProjector(['image', 'video']) },
  { id: 'audio_encoder', kind: 'encoder', modality: 'audio' },
  { id: 'embed', kind: 'embed', modality: 'text' },
  { id: 'decoder', kind: 'decoder', modality: 'text' },
  { id: 'gen_head', kind: 'output-projector', modality: 'image' },
  {
    id: 'gen_embed',
    kind: 'embed',
    modality: 'image',
    holds: [
      { kind: 'embed', modality: 'image' },
      { kind: 'projector', modality: 'image' },
    ],
  },
  { id: 'image_decoder', kind: 'generator', modality: 'image' },
];

const of = (address: string): readonly string[] => idsAt(address, components, '--precision');

describe('an address', () => {
  it.each([
    ['vision', ['vision']],
    ['encoder', ['vision', 'audio_encoder']],
    ['image_encoder', ['vision']],
    ['video_encoder', ['vision']],
    ['audio_encoder', ['audio_encoder']],
    ['generator', ['image_decoder']],
    ['image_generator', ['image_decoder']],
    ['output-projector', ['gen_head']],
    ['output_projector', ['gen_head']],
    ['image_output-projector', ['gen_head']],
    ['gen-head', ['gen_head']],
    // Ids come before kinds.
    ['embed', ['embed']],
    ['image_embed', ['gen_embed']],
    ['text_embed', ['embed']],
    ['image_decoder', ['image_decoder']],
  ])('%s means %o', (address, ids) => {
    expect(of(address)).toEqual(ids);
  });

  it.each([
    ['audio_generator', 'did you mean "image_generator"?'],
    ['visoin', 'did you mean "vision"?'],
    ['imag_encoder', 'did you mean "image_encoder"?'],
    // It is no file of its own.
    ['projector', 'it is in the file of vision: name that'],
    ['video_projector', 'it is in the file of vision: name that'],
    ['__proto__', undefined],
    ['', undefined],
  ])('%s means nothing, and what there is is said', (address, hint) => {
    expect(() => of(address)).toThrowError(
      expect.objectContaining({
        record: {
          code: 'VC4006',
          severity: 'error',
          message: expect.any(String),
          where: '--precision',
          found: JSON.stringify(address),
          ...(hint === undefined ? {} : { hint }),
          expected:
            'vision (image and video encoder + projector), audio_encoder (audio encoder), embed, decoder, ' +
            'gen_head (image output-projector), gen_embed (image embed + projector), image_decoder (image generator)',
        },
      }),
    );
  });
});

describe('values by address', () => {
  const values = (given: Readonly<Record<string, string>>) =>
    Object.fromEntries(byComponent(given, components, '--precision'));

  it.each([
    [{ encoder: 'fp16', image_encoder: 'int8', vision: 'int4' }],
    [{ vision: 'int4', encoder: 'fp16', video_encoder: 'int8' }],
  ])('are those of the more exact one, in whatever order: %o', (given) => {
    expect(values(given)).toEqual({ vision: 'int4', audio_encoder: 'fp16' });
  });

  it('of a modality and a kind come before those of a kind', () => {
    expect(values({ image_encoder: 'int8', encoder: 'fp16' })).toEqual({
      vision: 'int8',
      audio_encoder: 'fp16',
    });
  });

  it('that differ for one component are refused where neither is more exact', () => {
    expect(values({ image_encoder: 'int8', video_encoder: 'int8' })).toEqual({ vision: 'int8' });
    expect(() => values({ image_encoder: 'int8', video_encoder: 'int4' })).toThrowError(
      expect.objectContaining({
        record: expect.objectContaining({
          code: 'VC4022',
          found: 'image_encoder and video_encoder, which both mean vision',
        }),
      }),
    );
    expect(() => values({ gen_head: 'int8', 'gen-head': 'int4' })).toThrowError(
      expect.objectContaining({ code: 'VC4022' }),
    );
  });
});

it('is the table of docs/architecture.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/architecture.md'), 'utf8');
  const start = '| Kind | What it does |';
  const table = page.slice(page.indexOf(start)).split('\n\n')[0] ?? '';
  const said = table
    .split('\n')
    .slice(2)
    .map((line) => line.split(' | ').slice(0, 2).join(': ').replace('| ', ''));
  expect(said).toEqual(Object.entries(componentKinds).map(([kind, what]) => `${kind}: ${what}`));
});

it('says what is in a file, parts of several modalities together', () => {
  expect(rolesText(withProjector(['image', 'video']))).toBe('image and video encoder + projector');
  expect(
    rolesText([
      { kind: 'encoder', modality: 'image' },
      { kind: 'encoder', modality: 'audio' },
      { kind: 'projector', modality: 'audio' },
    ]),
  ).toBe('image encoder, audio encoder + projector');
  expect(componentText({ id: 'language', holds: [{ kind: 'decoder', modality: 'text' }] })).toBe(
    'language (text decoder)',
  );
});
