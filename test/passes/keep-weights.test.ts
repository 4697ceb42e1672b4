import { describe, expect, it } from 'vitest';
import { keepPattern, keptWeights } from '../../src/passes/keep-weights.ts';

const keeps = (text: string, name: string, scope?: string): boolean => keptWeights(text).has(name, scope);

describe('keptWeights', () => {
  it.each([
    ['a.b', 'a.b', true],
    ['a.b', 'a.bc', false],
    ['a.b', 'aXb', false],
    ['a*', 'a', true],
    ['*', '', true],
    ['*.weight', 'h.0.weight', true],
    ['*.weight', 'h.0.weights', false],
    ['h.*.mlp.*.weight', 'h.12.mlp.up.weight', true],
    ['h.*.mlp.*.weight', 'h.12.attn.up.weight', false],
    ['ab*ba', 'aba', false],
    ['ab*ba', 'abba', true],
    ['a*b*b', 'ab', false],
    ['a*b*c*b', 'abcb', true],
    ['x|y*', 'yes', true],
    ['', 'x', false],
  ])('%s takes %s: %s', (text, name, expected) => {
    expect(keeps(text, name)).toBe(expected);
  });

  it('takes the name of a module for all of its weights', () => {
    expect(keeps('layer.1', 'h.1.mlp.weight', 'layer.1')).toBe(true);
    expect(keeps('layer.1', 'h.1.mlp.weight', 'layer.10')).toBe(false);
  });

  it('knows what nothing was named like', () => {
    const kept = keptWeights('a|b*|c');
    kept.has('a', undefined);
    kept.has('bee', undefined);
    expect(kept.unmatched()).toEqual(['c']);
  });

  it('is soon done with many stars', () => {
    expect(keeps(`${'a*'.repeat(2000)}b`, 'a'.repeat(20_000))).toBe(false);
  });

  it('writes a name so that pipeline text holds it', () => {
    const name = 'a{b},c=d|e f/g.0:h';
    expect(keepPattern(name)).not.toMatch(/[{},=|\s]/);
    expect(keeps(keepPattern(name), name)).toBe(true);
  });
});
