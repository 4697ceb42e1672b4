/** The span of image tokens in a prompt, against the length that the language model was trained for. */
import { type DiagnosticRecord, diagnostic } from '../report/diagnostics.ts';

/** VC4310 where a span of `tokens`, markers included, is longer than the config's `key` allows. */
export function spanWarning(tokens: number, key: string, limit: number): readonly DiagnosticRecord[] {
  if (tokens <= limit) return [];
  return [
    diagnostic('VC4310', {
      where: 'resolution',
      found: `${tokens} tokens for the picture`,
      expected: `at most ${key} = ${limit} tokens, text included`,
    }),
  ];
}
