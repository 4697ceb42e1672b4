/**
 * Canonical form: what can be known before the model runs is known, what changes nothing is gone, equal nodes are
 * one, and linear layers are MatMul and Add. Weights are not read: layout work on them becomes derived tensors; what
 * depends on small constants is computed.
 */
import { z } from 'zod';
import { IntEvaluator } from '../graph/infer/data.ts';
import { inferCorrectedModel, inferNode } from '../graph/infer/infer.ts';
import type { Value } from '../graph/value.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { applyRules } from '../rewrite/driver.ts';
import { eliminateCommon } from './eliminate-common.ts';
import { constantBranches } from './fold/branches.ts';
import { broadcastFolds } from './fold/broadcasts.ts';
import { constantNodes } from './fold/constant-nodes.ts';
import { einsumFolds } from './fold/einsum.ts';
import { evaluateClosed } from './fold/evaluate-closed.ts';
import { identities } from './fold/identities.ts';
import { knownPlaces } from './fold/known-places.ts';
import { knownShapes } from './fold/known-shapes.ts';
import { linearFolds } from './fold/linear.ts';
import { readParameters } from './fold/read-parameters.ts';
import { reductionFolds } from './fold/reductions.ts';
import { sequenceFolds } from './fold/sequences.ts';
import { weightFolds } from './fold/weights.ts';
import { layoutFolds } from './folds.ts';
import type { Pass } from './pass.ts';

/** What one round finds lets types be inferred further, which is for the next: chains of a few, never without end. */
const mostRounds = 12;

interface Options {
  /** Small constants that lie in files are read, too. */
  readonly weights: boolean;
}

export const fold: Pass<Options> = {
  name: 'fold',
  summary:
    'computes what is constant, removes what changes nothing, and spells shapes and linear layers one way',
  options: z.strictObject({ weights: z.boolean().default(true) }),
  run: async (model, { weights }, cx) => {
    const stats = new Map<string, number>();
    const count = (name: string, by: number) => {
      if (by > 0) stats.set(name, (stats.get(name) ?? 0) + by);
    };
    if (weights) await readParameters(model);
    const refused = new Set<Value>();
    for (let round = 0; round < mostRounds; round += 1) {
      inferCorrectedModel(model);
      const integers = new IntEvaluator({ typeOf: (value) => value.type });
      const rules = [
        constantNodes,
        ...identities,
        ...layoutFolds,
        ...weightFolds,
        ...knownShapes(integers),
        ...knownPlaces(integers),
        ...einsumFolds,
        ...linearFolds,
        ...broadcastFolds,
        ...reductionFolds,
        ...sequenceFolds,
        constantBranches,
      ];
      const { applied, changed } = applyRules(model.graph, rules, inferNode);
      for (const [name, times] of applied) count(name, times);
      const merged = eliminateCommon(model.graph, integers);
      count('equal', merged);
      if (changed || merged > 0) removeDeadCode(model.graph);
      const { constants } = await evaluateClosed(model, cx, refused, weights);
      count('computed', constants);
      if (constants > 0) removeDeadCode(model.graph);
      if (!changed && merged + constants === 0) break;
    }
    return { changed: stats.size > 0, stats: Object.fromEntries(stats) };
  },
};
