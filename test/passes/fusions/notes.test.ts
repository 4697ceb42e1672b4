import { expect, it } from 'vitest';
import { noteMisses } from '../../../src/passes/fusions/notes.ts';
import type { PassContext } from '../../../src/passes/pass.ts';

function notesOf(misses: readonly { reason: string; node: string; depth: number }[]): readonly string[] {
  const notes: string[] = [];
  const cx = { note: (text: string) => notes.push(text) } as unknown as PassContext;
  noteMisses({ misses: misses.map((miss) => ({ rule: 'gelu_exact', ...miss })) }, cx, 'GELU', 4);
  return notes;
}

it('tells near misses by reason, and of many reasons the first, with the number of the others', () => {
  const miss = (node: string, reason = `${node} is no factor`, depth = 4) => ({ reason, node, depth });
  expect(notesOf([miss('a', 'same'), miss('b', 'same'), miss('c', 'far', 3)])).toEqual([
    'GELU at 2 places, first a, is not fused: same',
  ]);
  const many = notesOf(['a', 'b', 'c', 'd', 'e'].map((node) => miss(node)));
  expect(many.slice(0, 3).map((note) => note.slice(0, 9))).toEqual(['GELU at a', 'GELU at b', 'GELU at c']);
  expect(many.slice(3)).toEqual(['GELU at 2 other places is not fused, for reasons like these']);
});
