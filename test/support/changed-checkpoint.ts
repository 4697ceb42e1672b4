/** A checkpoint with some of its config or tensors changed, for tests of what is refused and what is honoured. */
import type { Checkpoint, CheckpointTensor, JsonObject } from '../../src/formats/checkpoint/checkpoint.ts';
import type { JsonValue } from '../../src/tensor/tensor.ts';

export interface Changes {
  /** Top-level keys; undefined removes one. */
  readonly config?: Readonly<Record<string, JsonValue | undefined>>;
  /** Keys of `visual`; undefined removes one. */
  readonly visual?: Readonly<Record<string, JsonValue | undefined>>;
  readonly tensors?: (tensors: Map<string, CheckpointTensor>) => void;
}

export function changed(checkpoint: Checkpoint, changes: Changes): Checkpoint {
  const visual = merged(checkpoint.config.visual as JsonObject, changes.visual ?? {});
  const config = merged({ ...checkpoint.config, visual }, changes.config ?? {});
  const tensors = new Map(checkpoint.tensors);
  changes.tensors?.(tensors);
  return { ...checkpoint, config, tensors, json: new Map([...checkpoint.json, ['config.json', config]]) };
}

function merged(object: JsonObject, changes: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  const entries = Object.entries({ ...object, ...changes });
  return Object.fromEntries(entries.filter((entry): entry is [string, JsonValue] => entry[1] !== undefined));
}
