/** Digests that say which inputs an output was made from. */
import { createHash } from 'node:crypto';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * sha256 over config.json and the place of every tensor (name, dtype, shape, file, offset). It tells checkpoints
 * of different structure apart, not weights of different values: those are not read for it.
 */
export function structureSha256(checkpoint: Checkpoint): string {
  const tensors = [...checkpoint.tensors]
    .map(([name, { tensor, file }]) => {
      const offset = tensor.origin.kind === 'source' ? tensor.origin.offset : 0;
      return [name, tensor.dtype, tensor.shape, file, offset] as const;
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(JSON.stringify([checkpoint.config, tensors]));
}
