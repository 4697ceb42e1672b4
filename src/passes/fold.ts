/**
 * Folds what can be folded without computing on weights: nodes that change nothing, and casts, transposes and
 * reshapes of constants, which become derived tensors under the constant's name.
 */
import { z } from 'zod';
import { inferNode } from '../graph/infer/infer.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { applyRules } from '../rewrite/driver.ts';
import { allFolds } from './folds.ts';
import type { Pass } from './pass.ts';

export const fold: Pass<Record<string, never>> = {
  name: 'fold',
  summary: 'removes nodes that change nothing and turns shape work on constants into constants',
  options: z.strictObject({}),
  run: (model) => {
    const { applied, changed } = applyRules(model.graph, allFolds, inferNode);
    if (changed) removeDeadCode(model.graph);
    return { changed, stats: Object.fromEntries([...applied].filter(([, count]) => count > 0)) };
  },
};
