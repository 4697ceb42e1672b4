/** Where pictures stand in a prompt's ids, by the model's splice rule. */
import type { SpliceRule } from '../../architectures/architecture.ts';

export interface FoundSpan {
  readonly first: number;
  readonly count: number;
}

/**
 * Spans in their order. Between markers: what stands between them, whatever it is; an opening marker without a closing
 * one opens nothing. By token: `tokens` neighbours each, for pictures may follow each other without a gap; what is left
 * over is a span too short.
 */
export function findSpans(ids: readonly number[], rule: SpliceRule, tokens: number): readonly FoundSpan[] {
  const spans: FoundSpan[] = [];
  let at = 0;
  while (at < ids.length) {
    const span =
      rule.rule === 'between-markers' ? betweenAt(ids, at, rule) : runAt(ids, at, rule.tokenId, tokens);
    if (span !== undefined && span.count > 0) spans.push(span);
    at = span === undefined ? at + 1 : span.first + span.count;
  }
  return spans;
}

function betweenAt(
  ids: readonly number[],
  at: number,
  { startId, endId }: Extract<SpliceRule, { rule: 'between-markers' }>,
): FoundSpan | undefined {
  if (ids[at] !== startId) return undefined;
  const end = ids.indexOf(endId, at);
  return end === -1 ? undefined : { first: at + 1, count: end - at - 1 };
}

function runAt(ids: readonly number[], at: number, tokenId: number, tokens: number): FoundSpan | undefined {
  let count = 0;
  while (count < tokens && ids[at + count] === tokenId) count += 1;
  return count === 0 ? undefined : { first: at, count };
}

/** Ids in which each picture's place, whatever the tokenizer wrote there, has one id per feature. */
export function widenSpans(ids: readonly number[], rule: SpliceRule, tokens: number): readonly number[] {
  const wide: number[] = [];
  for (let at = 0; at < ids.length; at += 1) {
    const id = ids[at] ?? 0;
    const span = rule.rule === 'between-markers' ? betweenAt(ids, at, rule) : undefined;
    if (rule.rule === 'image-token' && id === rule.tokenId) {
      for (let count = 0; count < tokens; count += 1) wide.push(id);
    } else {
      wide.push(id);
      if (rule.rule !== 'between-markers' || span === undefined) continue;
      for (let count = 0; count < tokens; count += 1) wide.push(rule.padId);
      at = span.first + span.count - 1;
    }
  }
  return wide;
}
