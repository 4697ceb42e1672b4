import { describe, expect, it } from 'vitest';
import { ConfigReader, configLimits } from '../../../src/formats/checkpoint/config.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';

const reader = new ConfigReader({
  hidden_size: 128,
  layers: 1e12,
  half: 1.5,
  negative: -1,
  nothing: null,
  text: 'gelu',
  yes: true,
  size: [896, 448],
  mixed: [1, 'a'],
  visual: { width: 32, heads: '2' },
});

function refusal(run: () => unknown): VlmError {
  try {
    run();
  } catch (cause) {
    if (cause instanceof VlmError) return cause;
    throw cause;
  }
  throw new Error('nothing was thrown');
}

it('reads values of every kind', () => {
  expect(reader.int('hidden_size', { min: 1, max: 128 })).toBe(128);
  expect(reader.number('half')).toBe(1.5);
  expect(reader.bool('yes')).toBe(true);
  expect(reader.string('text')).toBe('gelu');
  expect(reader.oneOf('text', ['relu', 'gelu'])).toBe('gelu');
  expect(reader.ints('size', { length: 2 })).toEqual([896, 448]);
  expect(reader.object('visual').int('width')).toBe(32);
  expect(reader.optionalObject('visual')?.int('width')).toBe(32);
});

it('takes null and absence alike', () => {
  for (const key of ['nothing', 'absent', 'constructor', '__proto__']) {
    expect(reader.has(key)).toBe(false);
    expect(reader.value(key)).toBeUndefined();
    expect(reader.int(key, { default: 7 })).toBe(7);
    expect(reader.number(key, { default: 0.5 })).toBe(0.5);
    expect(reader.bool(key, { default: false })).toBe(false);
    expect(reader.string(key, { default: '' })).toBe('');
    expect(reader.oneOf(key, ['a', 'b'], { default: 'b' })).toBe('b');
    expect(reader.ints(key, { default: [1] })).toEqual([1]);
    expect(reader.optionalObject(key)).toBeUndefined();
    expect(refusal(() => reader.int(key)).code).toBe('VC1201');
    expect(refusal(() => reader.object(key)).code).toBe('VC1201');
  }
});

describe('refuses', () => {
  it.each([
    ['VC1203', 'layers', (r: ConfigReader) => r.int('layers', { min: 1, max: configLimits.layers })],
    ['VC1203', 'layers', (r: ConfigReader) => r.int('layers')],
    ['VC1203', 'half', (r: ConfigReader) => r.int('half')],
    ['VC1203', 'negative', (r: ConfigReader) => r.int('negative')],
    ['VC1202', 'text', (r: ConfigReader) => r.int('text')],
    ['VC1202', 'yes', (r: ConfigReader) => r.int('yes', { default: 1 })],
    ['VC1203', 'half', (r: ConfigReader) => r.number('half', { min: 1.6 })],
    ['VC1203', 'half', (r: ConfigReader) => r.number('half', { max: 1.4 })],
    ['VC1203', 'half', (r: ConfigReader) => r.number('half', { above: 1.5 })],
    ['VC1202', 'text', (r: ConfigReader) => r.number('text')],
    ['VC1202', 'hidden_size', (r: ConfigReader) => r.bool('hidden_size')],
    ['VC1202', 'yes', (r: ConfigReader) => r.string('yes')],
    ['VC1203', 'text', (r: ConfigReader) => r.oneOf('text', ['relu'])],
    ['VC1202', 'hidden_size', (r: ConfigReader) => r.object('hidden_size')],
    ['VC1202', 'size', (r: ConfigReader) => r.object('size')],
    ['VC1203', 'size', (r: ConfigReader) => r.ints('size', { length: 3 })],
    ['VC1203', 'size[0]', (r: ConfigReader) => r.ints('size', { max: 448 })],
    ['VC1202', 'mixed[1]', (r: ConfigReader) => r.ints('mixed')],
    ['VC1202', 'hidden_size', (r: ConfigReader) => r.ints('hidden_size')],
  ])('%s at %s', (code, key, run) => {
    const error = refusal(() => run(reader));
    expect(error.code).toBe(code);
    expect(error.record.where).toBe(`config.json: ${key}`);
    expect(error.record.expected).toBeDefined();
  });

  it('naming the file, the whole path, what was found and expected, and the nearest key', () => {
    const visual = new ConfigReader({ visual: { with: 3 } }, 'vision/config.json').object('visual');
    expect(refusal(() => visual.int('width', { min: 1 })).record).toMatchObject({
      where: 'vision/config.json: visual.width',
      found: 'no such key',
      expected: 'an integer',
      hint: 'did you mean "with"?',
    });
    expect(refusal(() => reader.object('visual').int('heads', { min: 1, max: 64 })).record).toMatchObject({
      where: 'config.json: visual.heads',
      found: '"2"',
      expected: 'an integer',
    });
    expect(refusal(() => reader.oneOf('text', ['gelu_new', 'relu'])).record.expected).toBe(
      'one of "gelu_new", "relu"',
    );
    expect(visual.conflict(['a', 'b'], '1 and 2', 'equal').record).toMatchObject({
      code: 'VC1204',
      where: 'vision/config.json: visual.a, visual.b',
    });
  });
});
