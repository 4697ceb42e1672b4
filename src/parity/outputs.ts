/** What a comparison of two builds is about: kinds of outputs, how they were fed, and pairs of values by name. */
import { fail } from '../report/diagnostics.ts';
import { type RunTensor, toFloat32 } from '../runtime/values.ts';
import type { Comparison, Metrics, Place } from './metrics.ts';

/**
 * How the output's component was fed: `local` with the activations of the original, so that an error is its own;
 * `chain` with what its own model made before, as a user has it, so that errors add up.
 */
export type Feed = 'local' | 'chain';

/**
 * `features` of an encoder, `choices` by which some of them are made (stream/choices.ts), `embeds` of the embedding table, `logits` and `cache` of the decoder. Where pictures are
 * drawn: `hidden` states of the decoder, `code-logits` of the head, `guided-logits` of both rows together,
 * `code-embeds`, and `pixels` of the generator.
 */
export const outputKinds = [
  'features',
  'embeds',
  'logits',
  'cache',
  'hidden',
  'code-logits',
  'guided-logits',
  'code-embeds',
  'pixels',
  'choices',
] as const;

export type OutputKind = (typeof outputKinds)[number];

/** Those that something is picked by. */
export const logitKinds: ReadonlySet<OutputKind> = new Set(['logits', 'code-logits', 'guided-logits']);

export interface OutputResult {
  readonly output: OutputKind;
  /** The graph outputs behind it: `image_features`, `present.*`. */
  readonly name: string;
  readonly component: string;
  readonly feed: Feed;
  readonly metrics: Metrics;
}

/** Adds a pair of values, rows of their last axis; throws VC6102 when their shapes differ. */
export function compareTensors(
  comparison: Comparison,
  name: string,
  reference: RunTensor,
  converted: RunTensor,
  place: Place,
): void {
  if (reference.shape.join() !== converted.shape.join()) {
    throw fail('VC6102', {
      where: name,
      found: `[${converted.shape}]`,
      expected: `[${reference.shape}]`,
    });
  }
  const width = reference.shape.at(-1) ?? 1;
  if (width === 0) return;
  comparison.add({ data: toFloat32(reference), width, place }, toFloat32(converted));
}

export function finish(
  kind: OutputKind,
  name: string,
  component: string,
  feed: Feed,
  comparison: Comparison,
): OutputResult {
  if (comparison.badReference !== undefined) {
    throw fail('VC6104', { where: `${name} of ${component}, ${comparison.badReference}` });
  }
  const metrics = comparison.finish();
  if (metrics === undefined) throw fail('VC6103', { where: `${name} of ${component}` });
  return { output: kind, name, component, feed, metrics };
}

export function checkNames(where: string, expected: readonly string[], found: readonly string[]): void {
  const missing = expected.filter((name) => !found.includes(name));
  const extra = found.filter((name) => !expected.includes(name));
  if (missing.length === 0 && extra.length === 0) return;
  throw fail('VC6102', {
    where,
    found: [
      ...(missing.length > 0 ? [`no ${missing.join(', ')}`] : []),
      ...(extra.length > 0 ? [`besides ${extra.join(', ')}`] : []),
    ].join('; '),
    expected: expected.join(', '),
  });
}
