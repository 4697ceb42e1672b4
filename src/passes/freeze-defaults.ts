/**
 * Makes constants of weights that are inputs of the graph too: some exporters list every weight there, as its default.
 * Callers cannot replace them any more, and other passes may work on them. Only asked for by name.
 */
import { z } from 'zod';
import type { Pass } from './pass.ts';

export const freezeDefaults: Pass<Record<string, never>> = {
  name: 'freeze-defaults',
  summary: 'makes constants of weights that are inputs of the graph too',
  options: z.strictObject({}),
  run: ({ graph }) => {
    let inputs = 0;
    for (const value of [...graph.initializers()]) {
      const { name, initializer } = value;
      // An input that is an output as well has to stay what it is.
      if (!value.isInput || value.isOutput) continue;
      const constant = graph.addInitializer(graph.freshName(name), initializer);
      graph.replaceAllUses(value, constant);
      graph.removeInitializer(value);
      graph.removeInput(value);
      graph.renameValue(constant, name);
      inputs += 1;
    }
    return { changed: inputs > 0, stats: { inputs } };
  },
};
