/** Digests that say which inputs an output was made from. */
import { createHash } from 'node:crypto';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import { describeTensors } from '../tensor/derived/registry.ts';
import type { Tensor } from '../tensor/tensor.ts';

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * sha256 over config.json and the place of every tensor (name, dtype, shape, file, offset), or the recipe of one that is
 * computed. It tells checkpoints
 * of different structure apart, not weights of different values: those are not read for it.
 */
export function structureSha256(checkpoint: Checkpoint): string {
  const tensors = [...checkpoint.tensors]
    .map(([name, { tensor, file }]) => {
      const { dtype, shape, origin } = tensor;
      const place = origin.kind === 'derived' ? describeTensors([tensor]) : offsetOf(tensor);
      return [name, dtype, shape, file, place] as const;
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(JSON.stringify([checkpoint.config, tensors]));
}

function offsetOf({ origin }: Tensor): number {
  return origin.kind === 'source' ? origin.offset : 0;
}
