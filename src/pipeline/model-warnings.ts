/** What is worth saying of an ONNX file before it is worked on. */
import type { Value } from '../graph/value.ts';
import { type DiagnosticRecord, diagnostic } from '../report/diagnostics.ts';

/** VC3302 where declared shapes had to give way. `where`: the file. */
export function otherShapes(where: string, corrected: readonly Value[]): DiagnosticRecord[] {
  const [first] = corrected;
  if (first === undefined) return [];
  const more = corrected.length === 1 ? '' : ` and ${corrected.length - 1} more`;
  return [diagnostic('VC3302', { where, found: `${first.name}${more}` })];
}
