/** The option `target` of passes that choose operators: what the result has to run on, instead of what was asked for. */
import { z } from 'zod';
import { allTargets, findTarget } from '../targets/registry.ts';
import type { Target } from '../targets/target.ts';
import type { PassContext } from './pass.ts';

const ids = allTargets.map(({ id }) => id);

/** For `z.strictObject({ ...targetOption })`; pipeline text `fuse-attention{target=webgpu}`. */
export const targetOption = {
  target: z.enum(ids, { error: `one of ${ids.join(', ')}` }).optional(),
};

export function targetsFor(
  { target }: { readonly target?: string | undefined },
  cx: PassContext,
): readonly Target[] {
  const found = target === undefined ? undefined : findTarget(target);
  return found === undefined ? cx.targets : [found];
}
