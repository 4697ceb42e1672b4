/**
 * The options that an output was made with, read back from its manifest. The file may have come from anywhere, so that
 * every value is checked; what this version does not know is refused, for it would be left out without a word.
 */
import { formatIds } from '../packages/registry.ts';
import { precisions } from '../parity/index.ts';
import { fail } from '../report/diagnostics.ts';
import { show } from '../report/show.ts';
import { allTargets } from '../targets/registry.ts';
import { manifestName } from './manifest.ts';
import {
  type CheckOptionKey,
  type ConvertOptions,
  checkOptionKeys,
  type ResolvedOptions,
  type SourceOptionKey,
} from './options.ts';

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isBoolean: Check = (value) => typeof value === 'boolean';
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) > 0;
const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value);
const recordOf =
  (check: Check): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value as object).every(check);
const either =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value));

const isTarget = oneOf(...allTargets.map(({ id }) => id));
const isTargets: Check = (value) => Array.isArray(value) && value.length > 0 && value.every(isTarget);
const isPrecision = oneOf(...precisions);

/** Options of one run: places, resources, and what it refuses. */
type RunOptionKey =
  | 'checkpoint'
  | SourceOptionKey
  | 'force'
  | 'strict'
  | 'resume'
  | 'verifyInputs'
  | 'memory'
  | 'jobs';

/** All others bear on the graphs. */
const graphOptions: Readonly<Record<Exclude<keyof ResolvedOptions, CheckOptionKey | RunOptionKey>, Check>> = {
  format: oneOf(...formatIds),
  resolution: (value) =>
    recordOf(isCount)(value) &&
    Object.keys(value as object)
      .sort()
      .join() === 'height,width',
  tiling: oneOf('fit', 'crop', 'cover'),
  maxAudioSeconds: isCount,
  lora: oneOf('merge', 'factored', 'runtime'),
  loraTiles: oneOf('nearest', 'base', 'error'),
  precision: either(isPrecision, recordOf(isPrecision)),
  blockSize: oneOf(16, 32, 64, 128, 256),
  symmetric: isBoolean,
  quantizeEmbeddings: isBoolean,
  ioDtype: oneOf('float32', 'float16'),
  target: either(isTargets, recordOf(isTargets)),
  passes: either(isText, recordOf(isText)),
  allowNonfinite: isBoolean,
  linkWeights: isBoolean,
};

/** Of the others, those that a manifest holds; they are given anew. */
const others: readonly string[] = ['strict', ...checkOptionKeys] satisfies (keyof ResolvedOptions)[];

/** The options that decide what the graphs are. Throws VC4011 where there is another option, or a wrong value. */
export function storedOptions(options: unknown): Omit<ConvertOptions, 'checkpoint' | 'output'> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw fail('VC4011', { where: `${manifestName}: options`, found: show(options) });
  }
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options as Record<string, unknown>)) {
    if (others.includes(key)) continue;
    const check = Object.hasOwn(graphOptions, key)
      ? graphOptions[key as keyof typeof graphOptions]
      : undefined;
    if (check?.(value) !== true) {
      throw fail('VC4011', { where: `${manifestName}: options.${key}`, found: show(value) });
    }
    kept[key] = value;
  }
  return kept;
}
