import { expect, it } from 'vitest';
import { fail } from '../src/report/diagnostics.ts';

it('formats one message with code, place, found, expected and what to do', () => {
  const error = fail('VC9001', { where: 'a.safetensors', found: '3', expected: '4' });
  expect(error.exitCode).toBe(1);
  expect(error.message).toBe(
    [
      'error VC9001: an invariant of vlm-convert does not hold',
      '  where:    a.safetensors',
      '  found:    3',
      '  expected: 4',
      '  to do:    please report this, with --debug output',
    ].join('\n'),
  );
});
