/**
 * What the nodes of the checked graphs ran on: the runtime's records, summed into the report's table. "On the GPU" is
 * said only of nodes that a record names; where there is none, nothing is known.
 */
import { type Device, providerNames } from '../runtime/devices.ts';
import type { PlacedNode } from '../runtime/profile.ts';
import type { Placement } from './report/report.ts';

export type Build = Placement['build'];

/** Called with what the runtime recorded of a component, undefined where it left no record. */
export type OnPlacement = (component: string, build: Build, nodes: readonly PlacedNode[] | undefined) => void;

/** The runtime adds these to move values between devices: a price, but no node of the model. */
const copies: readonly string[] = ['MemcpyFromHost', 'MemcpyToHost'];

interface Part {
  readonly component: string;
  readonly build: Build;
  /** By all that is known of a node. */
  readonly nodes: Map<string, PlacedNode>;
  proven: boolean;
}

/**
 * Collects records; a component may come in several parts, run one after the other. A node that several parts compute
 * anew (masks, positions) is one node of the model, which has no name twice.
 */
export class PlacementLog {
  readonly #parts = new Map<string, Part>();

  readonly record: OnPlacement = (component, build, nodes) => {
    const key = keyOf(component, build);
    const part: Part = this.#parts.get(key) ?? { component, build, nodes: new Map(), proven: true };
    // A part without a record leaves the whole unproven.
    if (nodes === undefined) part.proven = false;
    for (const found of nodes ?? []) {
      part.nodes.set(JSON.stringify([found.node, found.operator, found.provider]), found);
    }
    this.#parts.set(key, part);
  };

  /** Forgets all: what was recorded is run again. */
  clear(): void {
    this.#parts.clear();
  }

  /** The table: references first, components in the order given. */
  finish(components: readonly string[], deviceOf: (build: Build) => Device): readonly Placement[] {
    return (['reference', 'converted'] as const)
      .flatMap((build) => components.map((component) => this.#parts.get(keyOf(component, build))))
      .filter((part) => part !== undefined)
      .map(({ component, build, nodes: found, proven }) => {
        const device = deviceOf(build);
        const nodes = [...found.values()];
        return {
          component,
          build,
          device,
          proven,
          providers: byProvider(nodes),
          fellBack: nodes
            .filter(({ provider }) => provider !== providerNames[device])
            .map(({ node, operator }) => ({ node, operator })),
        };
      });
  }
}

function keyOf(component: string, build: Build): string {
  return JSON.stringify([component, build]);
}

function byProvider(nodes: readonly PlacedNode[]): Placement['providers'] {
  const providers = new Map<string, Map<string, number>>();
  for (const { operator, provider } of nodes) {
    const operators = providers.get(provider) ?? new Map<string, number>();
    operators.set(operator, (operators.get(operator) ?? 0) + 1);
    providers.set(provider, operators);
  }
  return [...providers]
    .map(([provider, operators]) => ({
      provider,
      nodes: [...operators].reduce((sum, [name, count]) => sum + (copies.includes(name) ? 0 : count), 0),
      operators: Object.fromEntries([...operators].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))),
    }))
    .sort((a, b) => b.nodes - a.nodes || (a.provider < b.provider ? -1 : 1));
}

/** One line: `vision, converted: 93 of 94 nodes ran on WebGpuExecutionProvider; on the CPU: Concat`. */
export function placementLine({ component, build, device, proven, providers, fellBack }: Placement): string {
  const head = `${component}, ${build}`;
  if (!proven) return `${head}: not known, onnxruntime left no record`;
  const total = providers.reduce((sum, { nodes }) => sum + nodes, 0);
  const wanted = providerNames[device];
  const own = providers.find(({ provider }) => provider === wanted)?.nodes ?? 0;
  const elsewhere = [...new Set(fellBack.map(({ operator }) => operator))].sort();
  return `${head}: ${own} of ${total} nodes ran on ${wanted}${elsewhere.length === 0 ? '' : `; not: ${elsewhere.join(', ')}`}`;
}
