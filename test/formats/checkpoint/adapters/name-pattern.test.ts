/** Patterns of adapter configs: Python's answers on the forms that PEFT users write, and no pattern that hangs us. */
import { describe, expect, it } from 'vitest';
import { NamePattern, PatternError } from '../../../../src/formats/checkpoint/adapters/name-pattern.ts';

const layers = ['model.layers.0.self_attn.q_proj', 'model.layers.11.mlp.up_proj', 'visual.blocks.0.attn.qkv'];

/** Recorded with re.fullmatch of Python 3.12. */
describe.each<[string, readonly boolean[]]>([
  ['.*layers\\.[02]\\.(self_attn\\.(q|o)_proj|mlp\\.up_proj)', [true, false, false]],
  ['^(?!.*visual).*(?:q_proj|up_proj|qkv)$', [true, true, false]],
  ['(?=model).*', [true, true, false]],
  ['model\\.layers\\.\\d{1,2}\\..*?_proj', [true, true, false]],
  ['model\\.layers\\.\\d{2,}\\..*', [false, true, false]],
  [
    '(?:.*?(?:language|text|model).*?(?:self_attn|mlp).*?(?:q_proj|up_proj).*?)|(?:\\bmodel\\.x)',
    [true, true, false],
  ],
  ['[^v].*', [true, true, false]],
  ['.*\\b(qkv|q_proj)\\b', [true, false, true]],
  ['(?P<stack>visual)\\.blocks\\.[0-9]+\\.[\\w.]+', [false, false, true]],
  ['model', [false, false, false]],
  ['', [false, false, false]],
  ['.*{2}.*', [false, false, false]],
  ['(model|visual)(\\.[a-z_0-9]+){4}', [true, true, true]],
  ['(model|visual)(\\.[a-z_0-9]+){5,}', [false, false, false]],
  ['\\Amodel.+j\\Z', [true, true, false]],
  ['.*\\Bproj', [true, true, false]],
])('%s', (source, expected) => {
  it('matches as Python does', () => {
    if (source === '.*{2}.*') {
      expect(() => new NamePattern(source)).toThrow(PatternError);
      return;
    }
    const pattern = new NamePattern(source);
    expect(layers.map((name) => pattern.matches(name))).toEqual(expected);
  });
});

it.each([
  '(a',
  'a)',
  '*a',
  'a**',
  '[a',
  '(?<=a)b',
  '(a)\\1',
  '(?i)a',
  'a{3,2}',
  'a{9999}',
  '\\q',
  '[z-a]',
  'a\\',
])('refuses %s', (source) => {
  expect(() => new NamePattern(source)).toThrow(PatternError);
});

describe('patterns that make backtracking engines hang', () => {
  it.each(['(a+)+b', '(a|a)*b', '(a|aa)+b', '(.*a){20}b', '((a*)*)*b', '(?=(a+)+b)a*'])(
    'answers %s',
    (source) => {
      const pattern = new NamePattern(source);
      expect(pattern.matches('a'.repeat(400))).toBe(false);
      expect(pattern.matches('ab')).toBe(['(a+)+b', '(a|a)*b', '(a|aa)+b', '((a*)*)*b'].includes(source));
    },
  );

  it('gives up on what would still take too long', () => {
    const pattern = new NamePattern('((a?){100}(?=.*b)){100}');
    expect(() => {
      for (let count = 0; count < 2000; count++) pattern.matches('a'.repeat(300));
    }).toThrow(PatternError);
  });

  it.each([
    '((((a{1000}){1000}){1000}))',
    `${'(a|'.repeat(50)}b${')'.repeat(50)}`,
    'a'.repeat(20000),
    '((?=(a{1000}){30})b){1000}',
  ])('refuses one that is too large', (source) => {
    expect(() => new NamePattern(source)).toThrow(PatternError);
  });
});
