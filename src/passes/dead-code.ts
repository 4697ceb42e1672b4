/** Removes nodes and constants that no output needs. */
import { z } from 'zod';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import type { Pass } from './pass.ts';

export const deadCode: Pass<Record<string, never>> = {
  name: 'dead-code',
  summary: 'removes nodes and constants that no output needs',
  options: z.strictObject({}),
  run: (model) => {
    const { nodes, constants } = removeDeadCode(model.graph);
    return { changed: nodes + constants > 0, stats: { nodes, constants } };
  },
};
