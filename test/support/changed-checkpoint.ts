/** A checkpoint with some of its config or tensors changed, for tests of what is refused and what is honoured. */
import type { Checkpoint, CheckpointTensor, JsonObject } from '../../src/formats/checkpoint/checkpoint.ts';
import type { JsonValue } from '../../src/tensor/tensor.ts';

export interface Changes {
  /** Top-level keys; undefined removes one. */
  readonly config?: Readonly<Record<string, JsonValue | undefined>>;
  /** Keys of `visual`; undefined removes one. */
  readonly visual?: Readonly<Record<string, JsonValue | undefined>>;
  /** Keys of `vision_config`; undefined removes one. */
  readonly vision?: Readonly<Record<string, JsonValue | undefined>>;
  /** Keys of `text_config`; undefined removes one. */
  readonly text?: Readonly<Record<string, JsonValue | undefined>>;
  /** Parsed side files; undefined removes one. */
  readonly json?: Readonly<Record<string, JsonValue | undefined>>;
  readonly tensors?: (tensors: Map<string, CheckpointTensor>) => void;
}

export function changed(checkpoint: Checkpoint, changes: Changes): Checkpoint {
  const sections = Object.fromEntries(
    Object.entries(sectionKeys).flatMap(([section, key]) => {
      const old = checkpoint.config[key] as JsonObject | undefined;
      return old === undefined ? [] : [[key, merged(old, changes[section as Section] ?? {})]];
    }),
  );
  const config = merged({ ...checkpoint.config, ...sections }, changes.config ?? {});
  const tensors = new Map(checkpoint.tensors);
  changes.tensors?.(tensors);
  const json = merged(Object.fromEntries(checkpoint.json), { ...changes.json, 'config.json': config });
  const files = checkpoint.files.filter((name) => !name.endsWith('.json') || json[name] !== undefined);
  return { ...checkpoint, config, tensors, files, json: new Map(Object.entries(json)) };
}

/** Nested objects of a config that are changed key by key. */
const sectionKeys = { visual: 'visual', vision: 'vision_config', text: 'text_config' } as const;
type Section = keyof typeof sectionKeys;

function merged(object: JsonObject, changes: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  const entries = Object.entries({ ...object, ...changes });
  return Object.fromEntries(entries.filter((entry): entry is [string, JsonValue] => entry[1] !== undefined));
}
