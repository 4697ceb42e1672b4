import { describe, expect, it } from 'vitest';
import { JsonError, parseJson } from '../../src/formats/json.ts';

const limits = { maxBytes: 1 << 20 };
const parse = (text: string, options = {}) =>
  parseJson(new TextEncoder().encode(text), { ...limits, ...options });

it.each([
  '{}',
  '[]',
  ' \t\r\n{"a" : [1, -0.5e-3, 1E+2, 0, -0], "b":{"c":null,"d":true,"e":false}} ',
  '"\\u0041\\n\\"\\\\\\/\\ud83d\\ude00é😀"',
  '[[[["deep"]]]]',
  '123456789012345678901234567890',
])('agrees with JSON.parse: %s', (text) => {
  expect(parse(text)).toEqual(JSON.parse(text));
});

it('keeps keys that mean something to JavaScript as plain keys', () => {
  const value = parse('{"__proto__": {"polluted": 1}, "constructor": 2}');
  expect(Object.entries(value ?? {})).toEqual([
    ['__proto__', expect.objectContaining({ polluted: 1 })],
    ['constructor', 2],
  ]);
  expect('toString' in Object(parse('{}'))).toBe(false);
});

it('skips a byte order mark', () => {
  expect(parse('\ufeff[1]')).toEqual([1]);
});

describe('refuses', () => {
  it.each([
    ['', 'it ends before its value'],
    ['{', 'expected a key'],
    ['{"a"}', 'expected ":"'],
    ['{"a":1', 'expected "," or "}"'],
    ['[1', 'expected "," or "]"'],
    ['[1,]', 'expected a value'],
    ['{"a":1,}', 'expected a key'],
    ["{'a':1}", 'expected a key'],
    ['[NaN]', 'expected a value'],
    ['[Infinity]', 'expected a value'],
    ['[-Infinity]', 'expected a value'],
    ['nul', 'expected a value'],
    ['[01]', 'expected "," or "]"'],
    ['[+1]', 'expected a value'],
    ['[1e999]', 'too large'],
    ['[1] [2]', 'more text'],
    ['"a\nb"', 'control character'],
    ['"abc', 'ends inside a string'],
    ['"\\x41"', 'unknown escape'],
    ['"\\u00g0"', 'four hexadecimal digits'],
    ['"\\ud800"', 'surrogate'],
    ['"\\ud800\\u0041"', 'surrogate'],
    ['"\\udc00"', 'surrogate'],
    ['[1] // comment', 'more text'],
  ])('%j: %s', (text, reason) => {
    expect(() => parse(text)).toThrow(reason);
    expect(() => parse(text)).toThrow(JsonError);
  });

  it('text that is not UTF-8', () => {
    expect(() => parseJson(new Uint8Array([0x22, 0xff, 0x22]), limits)).toThrow('not UTF-8');
  });

  it('input above the cap, before decoding it', () => {
    expect(() => parse('[1,2]', { maxBytes: 4 })).toThrow('5 bytes, the limit is 4');
  });

  it('deep nesting, at a depth that real files stay below', () => {
    expect(() => parse('['.repeat(129))).toThrow('nested deeper than 128');
    expect(() => parse('{"a":'.repeat(1e5))).toThrow('nested deeper than 128');
    expect(parse(`${'['.repeat(128)}${']'.repeat(128)}`)).toBeDefined();
    // Depth counts open brackets, not all there are.
    expect(parse(`[${'[],'.repeat(500)}[]]`)).toHaveLength(501);
  });

  it('a key twice, with its place', () => {
    expect(() => parse('{"a": 1,\n "b": 2, "a": 3}')).toThrow('line 2, column 13: the key "a" appears twice');
    expect(() => parse('{"a": 1, "\\u0061": 3}')).toThrow('appears twice');
  });

  it('numbers that are not written as integers, where asked', () => {
    expect(parse('[-4, 4]', { integersOnly: true })).toEqual([-4, 4]);
    expect(() => parse('[4.0]', { integersOnly: true })).toThrow('expected an integer, not 4.0');
    expect(() => parse('[1e2]', { integersOnly: true })).toThrow('expected an integer, not 1e2');
  });
});

it('reports a key that appears twice and takes its last value, where asked', () => {
  const seen: string[] = [];
  expect(parse('{"a": 1, "a": 2}', { onDuplicateKey: (key: string) => seen.push(key) })).toEqual({ a: 2 });
  expect(seen).toEqual(['a']);
});

it('does not overflow its stack on long runs', () => {
  const long = `["${'a'.repeat(5e6)}",${' '.repeat(5e6)}1]`;
  expect(parse(long, { maxBytes: 1 << 25 })).toHaveLength(2);
});
