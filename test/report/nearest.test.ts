import { expect, it } from 'vitest';
import { didYouMean, nearest } from '../../src/report/nearest.ts';

it('finds the word with the fewest edits, and words of another case first', () => {
  expect(nearest('llavaa', ['monkey', 'llama', 'llava'], 2)).toEqual(['llava', 'llama']);
  expect(nearest('INT4', ['int8', 'fp16', 'int4'])).toEqual(['int4']);
  expect(nearest('kitten', ['sitting'])).toEqual([]);
  expect(nearest('kittens', ['sitting'])).toEqual([]);
  expect(nearest('kitten-mittens', ['sitting-mittens'])).toEqual(['sitting-mittens']);
});

it('finds a deletion at either end of the band', () => {
  expect(nearest('model.layers.0.weight', ['layers.0.weight'])).toEqual(['layers.0.weight']);
  expect(nearest('abcdef', ['abcd'])).toEqual(['abcd']);
  expect(nearest('abcdef', ['abc'])).toEqual([]);
});

it('suggests nothing where all of a word would have to change', () => {
  expect(nearest('ab', ['xy'])).toEqual([]);
  expect(didYouMean('ab', ['xy'])).toBeUndefined();
  expect(didYouMean('heads', ['head', 'width'])).toBe('did you mean "head"?');
});
