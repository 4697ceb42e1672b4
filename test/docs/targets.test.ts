/** The tables of targets say what `npm run probe:targets` saw, and the page and the generated table are its record. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { findTarget } from '../../src/targets/registry.ts';
import { noKernel, type Target } from '../../src/targets/target.ts';
import {
  type FormRecord,
  pageFile,
  pageText,
  readTargetRecord,
  recordFile,
  recordText,
  tableFile,
  tableText,
} from '../support/target-record.ts';

const record = readTargetRecord();

function target(id: 'cpu' | 'webgpu' | 'wasm'): Target {
  const found = findTarget(id);
  if (found === undefined) throw new Error(`no target ${id}`);
  return found;
}

/** Of operators whose first input is not of float32. */
const firstTypes: readonly (readonly [RegExp, string])[] = [
  [/^(And|Or|Xor|Not)$/, 'bool'],
  [/GatherBlockQuantized$/, 'uint8'],
  [/^OneHot$/, 'int64'],
];

function outcome(operator: string, form: string | undefined, id: 'cpu' | 'webgpu' | 'wasm') {
  return record.forms.find((one) => one.operator === operator && one.form === form)?.[id];
}

it('is the page, the record and the table that the record makes', async () => {
  await expect(pageText(record)).toMatchFileSnapshot(pageFile);
  expect(recordText(record)).toBe(readFileSync(recordFile, 'utf8'));
  expect(tableText(record)).toBe(readFileSync(tableFile, 'utf8'));
});

it('saw no form that ran and gave wrong numbers', () => {
  expect(record.forms.filter(({ cpu, webgpu, wasm }) => [cpu, webgpu, wasm].includes('wrong'))).toEqual([]);
});

it.each(['cpu', 'webgpu', 'wasm'] as const)(
  'says of %s what it did with operators in their plain form',
  (id) => {
    const runs = new Map<string, boolean>();
    const key = ({ operator, opset }: FormRecord): string => `${operator} ${opset}`;
    for (const form of record.forms.filter((one) => one.form === undefined))
      runs.set(key(form), form[id] === 'runs');
    expect(runs.size).toBeGreaterThan(100);
    const wrong = record.forms.filter((form) => {
      const expected = runs.get(key(form));
      const { operator, opset } = form;
      const dtype = firstTypes.find(([names]) => names.test(operator))?.[1] ?? 'float32';
      const reason = noKernel([{ ...target(id), slow: {} }], operator, { opset, dtype });
      return expected !== undefined && (reason === undefined) !== expected;
    });
    expect(wrong.map(key)).toEqual([]);
  },
);

it.each(['cpu', 'webgpu', 'wasm'] as const)('says of %s what it did with forms of attention', (id) => {
  const { support } = target(id);
  const multiHead = 'com.microsoft::MultiHeadAttention';
  const grouped = 'com.microsoft::GroupQueryAttention';
  const ran = (operator: string, form: string): boolean => outcome(operator, form, id) === 'runs';
  expect(support[multiHead]).toMatchObject({
    keyPaddingMask: ran(multiHead, 'key_padding_mask'),
    attentionBias: ran(multiHead, 'attention_bias'),
    cache: ran(multiHead, 'past and present'),
  });
  expect(support[grouped]).toMatchObject({
    headSizeMultiple: ran(grouped, 'head size 12') ? 4 : 8,
    attentionBias: ran(grouped, 'attention_bias'),
  });
  expect(ran(grouped, 'rotary') && ran(grouped, 'head size 24')).toBe(true);
  expect(support.Attention !== undefined).toBe(ran('Attention', 'no mask'));
  expect(support['com.microsoft::MatMulNBits']?.bits).toEqual(
    [2, 4, 8].filter((bits) => ran('com.microsoft::MatMulNBits', `${bits} bits, zero points`)),
  );
});
