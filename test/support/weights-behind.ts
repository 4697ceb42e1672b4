/** Which weights can move an output: the initializers that values of a graph are made of. */
import type { Component } from '../../src/architectures/architecture.ts';
import type { GenerationRecipe } from '../../src/architectures/recipe.ts';
import type { Value } from '../../src/graph/value.ts';
import type { Recorded } from './read-io.ts';

export type Counts = (component: string, output: string) => boolean;

/** Names of the initializers behind the outputs that count, of all components. */
export function weightsBehind(components: readonly Component[], counts: Counts): ReadonlySet<string> {
  const seen = new Set<Value>();
  const open = components.flatMap(({ id, model: { graph } }) =>
    graph.outputs.filter(({ name }) => counts(id, name)),
  );
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    for (const input of value.producer?.inputs ?? []) if (input !== null) open.push(input);
  }
  return new Set([...seen].filter((value) => value.initializer !== undefined).map(({ name }) => name));
}

/** The outputs that a case recorded: those of an answer, of a picture that was drawn, or both. */
export function recordedOutputs({ encoder, decoder, pictures }: GenerationRecipe, io: Recorded): Counts {
  const answered = io.has('out.logits');
  const drawn = io.has('out.gen_ids');
  const drawing = [pictures?.head.component, pictures?.embed.component, pictures?.generator.component];
  return (component, output) => {
    if (component === encoder?.component) return answered;
    if (component === decoder.component && output === 'logits') return answered;
    if (component === decoder.component && output === decoder.hidden) return drawn;
    return drawing.includes(component) ? drawn : true;
  };
}
