/**
 * Raises ai.onnx to operator set 20, so that patterns meet one spelling of every operator. One set after the other: all
 * nodes of the model (bodies and functions too) go along, or the model stays at the set before.
 *
 * A node needs nothing where the newer signature takes what it says: the same inputs and outputs in the same places,
 * its attributes, its types. What changed beyond that stands in opset/rules.ts.
 */
import { z } from 'zod';
import type { Graph } from '../graph/graph.ts';
import { inferNode } from '../graph/infer/infer.ts';
import type { Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import { type OpSchema, opSchema, type Parameter, typeTag } from '../graph/op-schema.ts';
import type { Value } from '../graph/value.ts';
import { functionKey, functionsByKey } from '../graph/verify-functions.ts';
import { allNodes } from '../rewrite/driver.ts';
import { Rewriter } from '../rewrite/rewriter.ts';
import type { UpgradeRule } from './opset/rule.ts';
import { upgradeRules } from './opset/rules.ts';
import type { Pass } from './pass.ts';

/** What patterns are written for: the newest set of which every runtime of ours has the kernels. */
const wanted = 20;

/** Older operators are not in the table of signatures. */
const oldest = 7;

/** A graph with the operator sets that hold in it. */
interface Scope {
  readonly graph: Graph;
  readonly imports: Map<string, number>;
}

type Step = (rewriter: Rewriter) => void;

export const upgradeOpset: Pass<Record<string, never>> = {
  name: 'upgrade-opset',
  summary: `raises the operator set to ${wanted}, the form of operators that other passes look for`,
  options: z.strictObject({}),
  run: (model, _options, cx) => {
    const stats = { sets: 0, nodes: 0 };
    const stays = (set: number, reason: string): void =>
      cx.note(`the model stays at operator set ${set}: ${reason}`);
    const before = model.opsetImports.get('');
    if (before === undefined || before >= wanted) return { changed: false, stats };
    if (before < oldest) {
      stays(before, `sets below ${oldest} are not known here`);
      return { changed: false, stats };
    }
    const calls = new Set(functionsByKey(model).keys());
    const scopes = scopesOf(model).filter(({ imports }) => (imports.get('') ?? wanted) < wanted);
    const first = Math.min(...scopes.map(({ imports }) => imports.get('') ?? wanted));
    for (let version = first + 1; version <= wanted; version += 1) {
      const behind = scopes.filter(({ imports }) => (imports.get('') ?? 0) < version);
      const steps: [Node, Step][] = [];
      for (const node of behind.flatMap(({ graph }) => [...allNodes(graph)])) {
        if (node.domain !== '' || calls.has(functionKey('', node.opType, node.overload))) continue;
        const step = raise(node, version);
        if (typeof step === 'string') {
          stays(
            model.opsetImports.get('') ?? 0,
            `${node.op} ${node.name} has no form in ${version}: ${step}`,
          );
          return { changed: stats.sets > 0, stats };
        }
        if (step !== undefined) steps.push([node, step]);
      }
      for (const [node, step] of steps) step(new Rewriter(node, [node], inferNode));
      for (const { imports } of behind) imports.set('', version);
      for (const { body } of model.functions) constantsAsNodes(body);
      stats.nodes += steps.length;
      stats.sets += behind.some(({ imports }) => imports === model.opsetImports) ? 1 : 0;
    }
    return { changed: true, stats };
  },
};

function scopesOf(model: Model): Scope[] {
  return [
    { graph: model.graph, imports: model.opsetImports },
    ...model.functions.map(({ body, opsetImports }) => ({ graph: body, imports: opsetImports })),
  ];
}

/** Functions have no place for constants of their own. */
function constantsAsNodes(body: Graph): void {
  for (const value of [...body.initializers()]) {
    const [first] = body.nodes();
    const node = body.addNode(
      {
        op: 'Constant',
        inputs: [],
        name: value.name,
        attributes: { value: { kind: 'tensor', value: value.initializer } },
      },
      first,
    );
    body.replaceAllUses(value, node.output);
    body.removeInitializer(value);
  }
}

/** What raises a node to a version from the one before: undefined where nothing has to be done, or why it cannot. */
function raise(node: Node, version: number): Step | string | undefined {
  const next = opSchema('', node.opType, version);
  const old = opSchema('', node.opType, version - 1);
  if (next === undefined || old === undefined) return 'the operator is not known';
  if (next === old) return undefined;
  const rule: UpgradeRule | undefined = upgradeRules.get(`${node.opType}@${version}`);
  if (rule === undefined) return refusal(node, old, next);
  const reference = [...node.attributes].find(([, { kind }]) => kind === 'ref');
  if (reference !== undefined) return `attribute ${reference[0]} is one of the function around it`;
  return rule(node);
}

/** Why a node means nothing, or something else, under a newer signature. */
function refusal(node: Node, old: OpSchema, next: OpSchema): string | undefined {
  for (const [name, { kind }] of node.attributes) {
    const known = next.attributes.get(name);
    if (known === undefined) return `it has no attribute ${name}`;
    if (kind !== 'ref' && known.kind !== kind) return `attribute ${name} is of kind ${known.kind}`;
  }
  return (
    misplaced('input', node.inputs, old.inputs, next.inputs) ??
    misplaced('output', node.outputs, old.outputs, next.outputs)
  );
}

function misplaced(
  what: string,
  values: readonly (Value | null)[],
  old: readonly Parameter[],
  next: readonly Parameter[],
): string | undefined {
  for (const [index, value] of values.entries()) {
    const [was, is] = [old, next].map((list) => list[Math.min(index, list.length - 1)]);
    if (was?.name !== is?.name || (was?.mark !== is?.mark && is?.mark !== 'optional')) {
      return `${what} ${index} is another`;
    }
    if (value === null || was === undefined || is === undefined) continue;
    const fits =
      value.type === undefined ? [...was.types].every(hasType(is)) : hasType(is)(typeTag(value.type));
    if (!fits)
      return `${what} ${value.name} may not be ${value.type ? typeTag(value.type) : 'of every type'}`;
  }
  const needed = next.findLastIndex(({ mark }) => mark === 'single');
  return needed >= values.length ? `${what} ${needed} is missing` : undefined;
}

const hasType =
  ({ types }: Parameter) =>
  (tag: string): boolean =>
    types.has(tag);
