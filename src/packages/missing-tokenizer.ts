/** A runtime that reads tokenizer.json, and an output without one. */
import type { BuiltModel } from '../architectures/architecture.ts';
import { type DiagnosticRecord, diagnostic } from '../report/diagnostics.ts';

const tokenizer = 'tokenizer.json';

/** VC4503 where the output has no tokenizer.json, neither the checkpoint's nor one that was made of another form. */
export function missingTokenizer({ sideFiles }: Pick<BuiltModel, 'sideFiles'>): readonly DiagnosticRecord[] {
  return sideFiles.some(({ name }) => name === tokenizer) ? [] : [diagnostic('VC4503', { where: tokenizer })];
}
