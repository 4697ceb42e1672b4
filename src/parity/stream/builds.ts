/** The builds of a component that a check runs, cut alike. */
import type { Model } from '../../graph/model.ts';
import { type Cut, type CutOptions, findCuts } from './cuts.ts';
import { commonCuts, cutModel, type ModelPart } from './parts.ts';

/**
 * `reference`: what the architecture built. `rewritten`: the plain graph with the original weights, where passes gave
 * it other sums. `plain`: the plain graph with the values that the output's weights have. `converted`: the output.
 * `exact`: the output without quantization of activations, where it has some.
 */
export type BuildName = 'reference' | 'rewritten' | 'plain' | 'converted' | 'exact';

export type Builds = Readonly<Partial<Record<BuildName, Model>>> &
  Readonly<Record<'reference' | 'plain' | 'converted', Model>>;

/** Builds whose weights lie in the output; the check computes those of the others. */
export const outputBuilds: ReadonlySet<string> = new Set(['converted', 'exact']);

/** In the order in which they run. */
export function buildNames(builds: Builds): readonly BuildName[] {
  const order: readonly BuildName[] = ['reference', 'rewritten', 'plain', 'converted', 'exact'];
  return order.filter((name) => builds[name] !== undefined);
}

/** The parts of each build, as many of one as of another. */
export function cutBuilds(builds: Builds, options: CutOptions): ReadonlyMap<BuildName, readonly ModelPart[]> {
  const models = buildNames(builds).flatMap((name) => {
    const model = builds[name];
    return model === undefined ? [] : [[name, model] as const];
  });
  const cuts: readonly Cut[] = commonCuts(
    findCuts(builds.reference.graph, options),
    models.map(([, model]) => model.graph),
  );
  return new Map(models.map(([name, model]) => [name, cutModel(model, cuts)]));
}
