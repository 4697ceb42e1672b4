/**
 * What `adapter_config.json` of a PEFT adapter says, checked: everything that changes the merged weights is either
 * known here or refused. An unknown key that is not set (null, false, empty) is let through: every version of PEFT
 * adds some.
 */
import { fail } from '../../../report/diagnostics.ts';
import { show } from '../../../report/show.ts';
import type { JsonValue } from '../../../tensor/tensor.ts';
import { isJsonObject } from '../../json.ts';
import type { JsonObject } from '../checkpoint.ts';
import { ConfigReader, configLimits } from '../config.ts';
import { NamePattern, PatternError } from './name-pattern.ts';

/** Modules chosen by a regular expression over the whole name, or by names and endings. */
export type ModuleChoice =
  | { readonly kind: 'pattern'; readonly pattern: NamePattern }
  | { readonly kind: 'names'; readonly names: readonly string[] };

/** Values by pattern, in the order of the file: the first that matches counts. */
export type ByPattern = readonly { readonly pattern: NamePattern; readonly value: number }[];

export interface AdapterConfig {
  readonly rank: number;
  readonly alpha: number;
  /** Undefined: whatever the file holds. */
  readonly targets: ModuleChoice | undefined;
  readonly excluded: ModuleChoice | undefined;
  /** Numbers of the layers that are adapted; undefined: all. */
  readonly layers: readonly number[] | undefined;
  /** What stands before a layer's number; empty: the first `.<name>.<number>.` of a name. */
  readonly layerPatterns: readonly NamePattern[];
  readonly ranks: ByPattern;
  readonly alphas: ByPattern;
  /** Linear weights are stored [in, out]. */
  readonly fanInFanOut: boolean;
  readonly bias: 'none' | 'all' | 'lora_only';
  readonly loraBias: boolean;
  /** The scale is alpha / sqrt(rank), else alpha / rank. */
  readonly rankStabilised: boolean;
  readonly dora: boolean;
  /** Endings of names of modules that were trained whole. */
  readonly saved: readonly string[];
  /** Rows of the embedding that were trained: of every embedding (a list), or by its name. */
  readonly tokens: readonly number[] | ReadonlyMap<string, readonly number[]> | undefined;
  /** Where the base was at training time; only its last part is ever looked for. */
  readonly baseModel: string | undefined;
}

/** Keys that say nothing about the merged weights. */
const harmless: ReadonlySet<string> = new Set([
  'auto_mapping',
  'base_model_name_or_path',
  'corda_config',
  'eva_config',
  'inference_mode',
  'loftq_config',
  'lora_dropout',
  'lora_ga_config',
  'megatron_config',
  'megatron_core',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'task_type',
]);

/** Keys that are read below. */
const known: ReadonlySet<string> = new Set([
  'alpha_pattern',
  'bias',
  'exclude_modules',
  'fan_in_fan_out',
  'init_lora_weights',
  'layers_pattern',
  'layers_to_transform',
  'lora_alpha',
  'lora_bias',
  'modules_to_save',
  'peft_type',
  'r',
  'rank_pattern',
  'target_modules',
  'trainable_token_indices',
  'use_dora',
  'use_rslora',
]);

/** Initialisations that leave the base as it is. */
const additive: readonly JsonValue[] = [true, false, 'gaussian', 'eva', 'orthogonal'];
/** Those that take something out of the base: A and B belong to what is left. */
const altering = /^(pissa(_niter_\d+)?|olora|corda|loftq|lora_ga)$/i;

/**
 * @param file for messages
 * @throws VlmError VC1303 for what is not supported, VC1304 for an adapter of an altered base, VC1309 for a pattern,
 *   VC1201 to VC1203 for values
 */
export function readAdapterConfig(config: JsonObject, file: string): AdapterConfig {
  const reader = new ConfigReader(config, file);
  const type = reader.string('peft_type', { default: 'LORA' });
  if (type.toUpperCase() !== 'LORA') {
    throw fail('VC1303', { where: reader.place('peft_type'), found: show(type), expected: 'LORA' });
  }
  refuseUnknown(config, reader);
  refuseAlteredBase(reader);
  const layers = reader.value('layers_to_transform');
  const range = { min: 0, max: configLimits.layers };
  return {
    rank: reader.int('r', { min: 1, max: configLimits.width }),
    alpha: reader.number('lora_alpha', { default: 8 }),
    targets: readChoice(reader, 'target_modules'),
    excluded: readChoice(reader, 'exclude_modules'),
    layers: isEmpty(layers)
      ? undefined
      : Array.isArray(layers)
        ? reader.ints('layers_to_transform', range)
        : [reader.int('layers_to_transform', range)],
    layerPatterns: readTexts(reader, 'layers_pattern').map((text) =>
      pattern(`.*\\.(?:${text})`, reader.place('layers_pattern')),
    ),
    ranks: readByPattern(reader, 'rank_pattern', (values, key) =>
      values.int(key, { min: 1, max: configLimits.width }),
    ),
    alphas: readByPattern(reader, 'alpha_pattern', (values, key) => values.number(key)),
    fanInFanOut: reader.bool('fan_in_fan_out', { default: false }),
    bias: reader.oneOf('bias', ['none', 'all', 'lora_only'], { default: 'none' }),
    loraBias: reader.bool('lora_bias', { default: false }),
    rankStabilised: reader.bool('use_rslora', { default: false }),
    dora: reader.bool('use_dora', { default: false }),
    saved: readTexts(reader, 'modules_to_save'),
    tokens: readTokens(reader),
    baseModel: reader.has('base_model_name_or_path') ? reader.string('base_model_name_or_path') : undefined,
  };
}

function refuseUnknown(config: JsonObject, reader: ConfigReader): void {
  for (const [key, value] of Object.entries(config)) {
    if (known.has(key) || harmless.has(key) || isEmpty(value) || value === false) continue;
    throw fail('VC1303', {
      where: reader.place(key),
      found: show(value),
      expected: 'not set: it changes what the adapter computes, or is not known',
    });
  }
}

function refuseAlteredBase(reader: ConfigReader): void {
  const value = reader.value('init_lora_weights') ?? true;
  if (additive.includes(value)) return;
  const where = reader.place('init_lora_weights');
  if (typeof value === 'string' && altering.test(value)) throw fail('VC1304', { where, found: show(value) });
  throw fail('VC1303', { where, found: show(value), expected: `one of ${additive.map(show).join(', ')}` });
}

function readChoice(reader: ConfigReader, key: string): ModuleChoice | undefined {
  const value = reader.value(key);
  if (isEmpty(value)) return undefined;
  if (typeof value === 'string') return { kind: 'pattern', pattern: pattern(value, reader.place(key)) };
  return { kind: 'names', names: readTexts(reader, key) };
}

/** A string or a list of strings; empty where the key is absent. */
function readTexts(reader: ConfigReader, key: string): readonly string[] {
  const value = reader.value(key);
  if (isEmpty(value)) return [];
  if (typeof value === 'string') return [value];
  const texts = Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
  if (!Array.isArray(value) || texts.length !== value.length) {
    const expected = 'a string or a list of strings';
    throw fail('VC1202', { where: reader.place(key), found: show(value), expected });
  }
  return texts;
}

function readByPattern(
  reader: ConfigReader,
  key: string,
  read: (values: ConfigReader, key: string) => number,
): ByPattern {
  const values = reader.optionalObject(key);
  const raw = reader.value(key);
  if (values === undefined || !isJsonObject(raw)) return [];
  return Object.keys(raw).map((text) => ({
    pattern: pattern(`(?:.*\\.)?(?:${text})`, reader.place(key)),
    value: read(values, text),
  }));
}

function readTokens(reader: ConfigReader): AdapterConfig['tokens'] {
  const key = 'trainable_token_indices';
  const range = { min: 0, max: configLimits.vocab };
  const value = reader.value(key);
  if (isEmpty(value)) return undefined;
  if (!isJsonObject(value)) return reader.ints(key, range);
  const byName = reader.object(key);
  return new Map(Object.keys(value).map((name) => [name, byName.ints(name, range)]));
}

function pattern(source: string, where: string): NamePattern {
  try {
    return new NamePattern(source);
  } catch (cause) {
    if (!(cause instanceof PatternError)) throw cause;
    throw fail('VC1309', { where, found: `${show(source)}: ${cause.message}`, cause });
  }
}

function isEmpty(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null || value === '') return true;
  return Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
}
