/**
 * Names of an adapter's modules among those of a graph. An export wraps the model that the adapter was trained on, or
 * is a part of it: names then differ in what they begin with, for all modules of a part alike.
 */

export interface Alignment {
  /** Modules of the adapter, by their names there: the names in the graph. */
  readonly found: ReadonlyMap<string, string>;
  readonly missing: readonly string[];
  /** Beginnings that fit as well, where it cannot be told which is meant: in the graph's names. */
  readonly ambiguous: readonly string[];
  /** The adapter's name of a module of the graph. */
  rename(module: string): string;
}

/** What a name begins with in the adapter, and in the graph. */
interface Beginning {
  readonly own: string;
  readonly graph: string;
}

/** Parts of a model that are wrapped differently. */
const mostParts = 4;

export function alignNames(adapter: readonly string[], graph: ReadonlySet<string>): Alignment {
  const found = new Map<string, string>();
  const used: Beginning[] = [];
  let left = adapter;
  for (let part = 0; part < mostParts && left.length > 0; part += 1) {
    const taken = new Set(found.values());
    const free = new Set([...graph].filter((name) => !taken.has(name)));
    const best = bestBeginnings(left, free);
    const [first, ...others] = best;
    if (first === undefined) break;
    if (others.length > 0)
      return result(
        found,
        left,
        used,
        best.map((each) => each.graph),
      );
    used.push(first);
    for (const module of left) {
      const name = translated(module, first);
      if (name !== undefined && free.has(name)) found.set(module, name);
    }
    left = left.filter((module) => !found.has(module));
  }
  return result(found, left, used, []);
}

function result(
  found: ReadonlyMap<string, string>,
  missing: readonly string[],
  used: readonly Beginning[],
  ambiguous: readonly string[],
): Alignment {
  return {
    found,
    missing,
    ambiguous,
    rename: (module) => {
      for (const { own, graph } of used) {
        if (module.startsWith(graph)) return own + module.slice(graph.length);
      }
      return module;
    },
  };
}

/** Those that find most modules; names that are the same beat all others. */
function bestBeginnings(modules: readonly string[], graph: ReadonlySet<string>): Beginning[] {
  const candidates = new Map<string, Beginning>();
  const [sample] = modules;
  if (sample === undefined) return [];
  for (const name of graph) {
    const beginning = commonEnd(sample, name);
    if (beginning !== undefined) candidates.set(`${beginning.own}|${beginning.graph}`, beginning);
  }
  const scored = [...candidates.values()].map((beginning) => {
    const score = modules.filter((module) => graph.has(translated(module, beginning) ?? '')).length;
    return { beginning, score, same: beginning.own === beginning.graph };
  });
  const most = Math.max(0, ...scored.map(({ score }) => score));
  const best = scored.filter(({ score }) => score === most && score > 0);
  const same = best.find((each) => each.same);
  return (same === undefined ? best : [same]).map(({ beginning }) => beginning);
}

/** What is left in front of the parts that two names end in alike. */
function commonEnd(own: string, graph: string): Beginning | undefined {
  const [left, right] = [own.split('.'), graph.split('.')];
  let common = 0;
  while (common < Math.min(left.length, right.length) && left.at(-1 - common) === right.at(-1 - common))
    common += 1;
  if (common === 0) return undefined;
  const front = (parts: readonly string[]): string => {
    const rest = parts.slice(0, parts.length - common);
    return rest.length === 0 ? '' : `${rest.join('.')}.`;
  };
  return { own: front(left), graph: front(right) };
}

function translated(module: string, { own, graph }: Beginning): string | undefined {
  return module.startsWith(own) ? graph + module.slice(own.length) : undefined;
}
