/**
 * Typed reading of config files. Every value is checked where it is read: type, range, and a cap, so that a
 * config can make us neither loop nor allocate by its say-so. `null` counts as absent, as in the libraries that
 * write these files.
 */
import { type Code, fail, type VlmError } from '../../report/diagnostics.ts';
import { didYouMean } from '../../report/nearest.ts';
import { list, show } from '../../report/show.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import { isJsonObject } from '../json.ts';
import type { JsonObject } from './checkpoint.ts';

/** Above any model there is, far below what hurts. Widths are in channels, sides in pixels, slots in tokens. */
export const configLimits = {
  layers: 4096,
  heads: 1 << 14,
  width: 1 << 20,
  vocab: 1 << 28,
  slots: 1 << 28,
  side: 1 << 15,
} as const;

interface Fallback<T> {
  /** Taken where the key is absent or null; without it such a key is an error. Not checked. */
  readonly default?: T;
}

interface Range {
  /** Inclusive. */
  readonly min?: number;
  /** Inclusive. */
  readonly max?: number;
}

/** Where an integer may lie when its reader says nothing: dims and counts fit in an int32. */
const defaultRange = { min: 0, max: 2 ** 31 - 1 } as const;

/** A JSON object with its place; all methods throw VlmError VC1201 (absent), VC1202 (type), VC1203 (range). */
export class ConfigReader {
  readonly #object: JsonObject;
  readonly #file: string;
  readonly #path: string;

  /** @param path of the object in its file, for messages: `visual` */
  constructor(object: JsonObject, file = 'config.json', path = '') {
    this.#object = object;
    this.#file = file;
    this.#path = path;
  }

  /** The raw value; undefined where the key is absent or null. */
  value(key: string): JsonValue | undefined {
    return Object.hasOwn(this.#object, key) ? (this.#object[key] ?? undefined) : undefined;
  }

  has(key: string): boolean {
    return this.value(key) !== undefined;
  }

  /** An integer; from 0 to 2^31 - 1 where the range leaves a side open. */
  int(key: string, options: Range & Fallback<number> = {}): number {
    const value = this.value(key) ?? options.default;
    if (value === undefined) throw this.#absent(key, 'an integer');
    return value === options.default ? options.default : this.#int(key, value, options);
  }

  /** A list of integers, at least one. */
  ints(
    key: string,
    options: Range & Fallback<readonly number[]> & { readonly length?: number } = {},
  ): number[] {
    const { length } = options;
    const expected = `a list of ${length === undefined ? '' : `${length} `}integers`;
    const value = this.value(key) ?? options.default;
    if (value === undefined) throw this.#absent(key, expected);
    if (!Array.isArray(value)) throw this.#wrong('VC1202', key, value, expected);
    if (value.length === 0 || (length !== undefined && value.length !== length)) {
      throw this.#wrong('VC1203', key, value, expected);
    }
    return value.map((item: JsonValue, i) => this.#int(`${key}[${i}]`, item, options));
  }

  /** A list of so many finite numbers. `above` is an exclusive lower bound. */
  numbers(
    key: string,
    options: Fallback<readonly number[]> & { readonly length: number; readonly above?: number },
  ): readonly number[] {
    const { length, above = Number.NEGATIVE_INFINITY } = options;
    const expected = `a list of ${length} numbers${above > Number.NEGATIVE_INFINITY ? ` above ${above}` : ''}`;
    const value = this.value(key) ?? options.default;
    if (value === undefined) throw this.#absent(key, expected);
    const numbers = Array.isArray(value) ? value.filter((item) => typeof item === 'number') : [];
    if (!Array.isArray(value) || numbers.length !== value.length) {
      throw this.#wrong('VC1202', key, value, expected);
    }
    if (numbers.length !== length || numbers.some((item) => item <= above)) {
      throw this.#wrong('VC1203', key, value, expected);
    }
    return numbers;
  }

  /** A finite number; any where the range leaves a side open. `above` is an exclusive lower bound. */
  number(key: string, options: Range & Fallback<number> & { readonly above?: number } = {}): number {
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, above } = options;
    const value = this.value(key) ?? options.default;
    if (value === undefined) throw this.#absent(key, 'a number');
    if (value === options.default) return options.default;
    if (typeof value !== 'number') throw this.#wrong('VC1202', key, value, 'a number');
    if (value < min || value > max || (above !== undefined && value <= above)) {
      const bounds = [
        ...(above === undefined ? [] : [`above ${above}`]),
        ...(Number.isFinite(min) ? [`at least ${min}`] : []),
        ...(Number.isFinite(max) ? [`at most ${max}`] : []),
      ];
      throw this.#wrong('VC1203', key, value, `a number ${bounds.join(', ')}`);
    }
    return value;
  }

  bool(key: string, options: Fallback<boolean> = {}): boolean {
    const value = this.value(key) ?? options.default;
    if (value === undefined) throw this.#absent(key, 'true or false');
    if (typeof value !== 'boolean') throw this.#wrong('VC1202', key, value, 'true or false');
    return value;
  }

  string(key: string, options: Fallback<string> = {}): string {
    const value = this.value(key) ?? options.default;
    if (value === undefined) throw this.#absent(key, 'a string');
    if (typeof value !== 'string') throw this.#wrong('VC1202', key, value, 'a string');
    return value;
  }

  /** One of a few strings. */
  oneOf<T extends string>(key: string, values: readonly T[], options: Fallback<T> = {}): T {
    const value = this.string(key, options);
    const known = values.find((candidate) => candidate === value);
    if (known === undefined) {
      throw this.#wrong('VC1203', key, value, `one of ${list(values)}`, didYouMean(value, values));
    }
    return known;
  }

  /** A nested object. */
  object(key: string): ConfigReader {
    const value = this.value(key);
    if (value === undefined) throw this.#absent(key, 'an object');
    if (!isJsonObject(value)) throw this.#wrong('VC1202', key, value, 'an object');
    return new ConfigReader(value, this.#file, this.#at(key));
  }

  /** A nested object; undefined where the key is absent or null. */
  optionalObject(key: string): ConfigReader | undefined {
    return this.has(key) ? this.object(key) : undefined;
  }

  /** Where a key is, for messages of the reader's own: `config.json: visual.width`. */
  place(key: string): string {
    return `${this.#file}: ${this.#at(key)}`;
  }

  /** The error for values that are fine one by one and not together: `throw reader.conflict(['hidden_size', …])`. */
  conflict(keys: readonly string[], found: string, expected: string): VlmError {
    return fail('VC1204', {
      where: `${this.#file}: ${keys.map((key) => this.#at(key)).join(', ')}`,
      found,
      expected,
    });
  }

  #int(key: string, value: JsonValue, range: Range): number {
    const { min = defaultRange.min, max = defaultRange.max } = range;
    if (typeof value !== 'number') throw this.#wrong('VC1202', key, value, 'an integer');
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw this.#wrong('VC1203', key, value, `an integer from ${min} to ${max}`);
    }
    return value;
  }

  #at(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }

  #absent(key: string, expected: string): VlmError {
    const present = Object.hasOwn(this.#object, key) ? 'null' : 'no such key';
    const hint = present === 'null' ? undefined : didYouMean(key, Object.keys(this.#object));
    return this.#wrong('VC1201', key, undefined, expected, hint, present);
  }

  #wrong(
    code: Extract<Code, 'VC1201' | 'VC1202' | 'VC1203'>,
    key: string,
    value: JsonValue | undefined,
    expected: string,
    hint?: string,
    found = show(value),
  ): VlmError {
    return fail(code, { where: this.place(key), found, expected, ...(hint === undefined ? {} : { hint }) });
  }
}
