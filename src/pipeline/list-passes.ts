/** Passes as people choose them: what each does, and its options with their defaults. */
import { z } from 'zod';
import type { Pass } from '../passes/pass.ts';
import { passes } from '../passes/registry.ts';
import type { JsonValue } from '../tensor/tensor.ts';

export interface ListedOption {
  readonly name: string;
  /** What may be given: values, or a type. */
  readonly takes: string;
  /** Left out where there is none. */
  readonly default?: JsonValue;
  /** True of the one that may be given without its name. */
  readonly positional: boolean;
}

export interface ListedPass {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly ListedOption[];
}

/** In the order of the registry. */
export function listPasses(): readonly ListedPass[] {
  return passes.map((pass) => ({ name: pass.name, summary: pass.summary, options: optionsOf(pass) }));
}

/** The parts of JSON Schema that options of passes come to. */
interface Schema {
  readonly type?: string;
  readonly const?: JsonValue;
  readonly enum?: readonly JsonValue[];
  readonly anyOf?: readonly Schema[];
  readonly default?: JsonValue;
  readonly properties?: Readonly<Record<string, Schema>>;
}

function optionsOf({ options, positional }: Pass): readonly ListedOption[] {
  const schema = z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' }) as Schema;
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    takes: takes(property),
    ...(property.default === undefined ? {} : { default: property.default }),
    positional: name === positional,
  }));
}

function takes({ type, const: one, enum: values, anyOf }: Schema): string {
  if (one !== undefined) return String(one);
  if (values !== undefined) return values.map(String).join(' | ');
  if (anyOf !== undefined) return anyOf.map(takes).join(' | ');
  return type === 'boolean' ? 'true | false' : (type ?? 'text').replace('string', 'text');
}
