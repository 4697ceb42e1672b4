/**
 * Which graphs the check of a component needs besides the written one. They stand in the scratch folder; the plan
 * counts their bytes and the check writes them.
 */
import type { Model } from '../graph/model.ts';
import type { CompiledComponent } from './compile.ts';

export interface CheckGraph {
  /** `rewritten` is the plain graph with the original weights. */
  readonly kind: 'reference' | 'plain' | 'rewritten';
  readonly model: Model;
}

/** All float32. A rewritten graph that is the plain one is not written twice. */
export function checkGraphs({ component, plain, rewritten }: CompiledComponent): readonly CheckGraph[] {
  return [
    { kind: 'reference', model: component.model },
    { kind: 'plain', model: plain },
    ...(rewritten === undefined || rewritten === plain
      ? []
      : [{ kind: 'rewritten' as const, model: rewritten }]),
  ];
}
