/** What the passes of norms have in common: rules for the spelled form, then for the scale and bias that follow it. */

import { z } from 'zod';
import { inferNode } from '../../graph/infer/infer.ts';
import { opsetOf } from '../../graph/model.ts';
import { removeDeadCode } from '../../rewrite/dead-code.ts';
import { applyRules } from '../../rewrite/driver.ts';
import type { Rule } from '../../rewrite/rule.ts';
import type { Pass } from '../pass.ts';
import { targetOption, targetsFor } from '../target-option.ts';
import { type Kept, noteKept } from './meaning.ts';
import type { Platform } from './norm.ts';
import { affineRules } from './norm-affine.ts';
import { fusionResult, noteMisses } from './notes.ts';

const options = z.strictObject(targetOption);

export interface NormPass {
  readonly name: string;
  readonly summary: string;
  /** For notes: `layer normalization`, `a layer normalization`. */
  readonly title: string;
  readonly one: string;
  /** Nodes that have to match before a place is worth a note. */
  readonly depth: number;
  /** Operators that it writes, whose scale and bias are taken inside. */
  readonly operators: readonly string[];
  readonly rules: (platform: Platform, kept: Kept) => readonly Rule[];
}

export function normPass(spec: NormPass): Pass<z.infer<typeof options>> {
  const { name, summary, title, one, depth, operators, rules } = spec;
  return {
    name,
    summary,
    options,
    run: (model, given, cx) => {
      const kept: Kept = new Map();
      const platform = { targets: targetsFor(given, cx), opset: opsetOf(model) };
      const all = [...rules(platform, kept), ...affineRules(operators, platform)];
      const report = applyRules(model.graph, all, inferNode);
      if (report.changed) removeDeadCode(model.graph);
      noteKept(kept, cx, title);
      noteMisses(report, cx, one, depth);
      return fusionResult(report);
    },
  };
}
