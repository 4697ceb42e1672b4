/**
 * Rotary position embedding as one operator, and the operator of ai.onnx 23 made right for batches: exporters give it
 * tables of one batch row, which runtimes refuse to broadcast. Where no operator may take its place the last node says
 * what it means.
 */
import { z } from 'zod';
import { inferNode } from '../../graph/infer/infer.ts';
import { importDomain, type Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { dimsOf } from '../../graph/value.ts';
import { ColumnIdentity } from '../../rewrite/column-identity.ts';
import { removeDeadCode } from '../../rewrite/dead-code.ts';
import { applyRules } from '../../rewrite/driver.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import { noKernel, type Target } from '../../targets/target.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { readAll, type Tensor } from '../../tensor/tensor.ts';
import { layoutFolds } from '../folds.ts';
import type { Pass, PassContext } from '../pass.ts';
import { targetOption, targetsFor } from '../target-option.ts';
import { lowerRotary, microsoftRotary, perBatchRow, planRotary, standardRotary } from './rotary-lower.ts';
import { joiningRoots, matchRotary, type Rotary, summingRoots } from './rotary-match.ts';
import { ColumnTables } from './rotary-tables.ts';

/** Tables of positions; a weight is larger, or is no table. */
const largestTable = 64 * 2 ** 20;

export const fuseRotary: Pass<{ readonly target?: string | undefined }> = {
  name: 'fuse-rotary',
  summary: 'turns queries and keys by their positions in one operator each',
  options: z.strictObject(targetOption),
  run: async (model, options, cx) => {
    const fusion = new RotaryFusion(model, targetsFor(options, cx));
    const fused = await fusion.run();
    const expanded = applyRules(model.graph, [expandTables], inferNode);
    const batches = expanded.applied.get(expandTables.name) ?? 0;
    if (fused > 0) {
      applyRules(model.graph, layoutFolds, inferNode);
      removeDeadCode(model.graph);
    }
    if (fusion.usesMicrosoft) {
      importDomain(model, 'com.microsoft');
    }
    const spelledOut = fusion.leave(cx);
    return { changed: fused + batches + spelledOut > 0, stats: { rotary: fused, batches, spelledOut } };
  },
};

/** A place that means rotary and has no operator. */
interface Left {
  readonly root: Node;
  readonly rotary: Rotary;
  readonly reason: string;
}

class RotaryFusion {
  usesMicrosoft = false;
  readonly #model: Model;
  readonly #targets: readonly Target[];
  readonly #left = new Map<Node, Left>();

  constructor(model: Model, targets: readonly Target[]) {
    this.#model = model;
    this.#targets = targets;
  }

  /** How many were fused. A round that lacked the bytes of a table is followed by one that has them. */
  async run(): Promise<number> {
    const constants = new Map<Tensor, Uint8Array>();
    let fused = 0;
    for (;;) {
      this.#left.clear();
      const identity = new ColumnIdentity(constants);
      // What joins channels first: it knows those that do not turn, too.
      for (const roots of [joiningRoots, summingRoots]) {
        const rule = this.#rule(roots, identity, new ColumnTables());
        fused += applyRules(this.#model.graph, [rule], inferNode).applied.get(rule.name) ?? 0;
      }
      const unproven = [...this.#left.values()].some(({ rotary }) => !rotary.paired);
      const wanted = [...identity.wanted].filter(
        (tensor) => isFloat(tensor.dtype) && tensor.byteLength <= largestTable,
      );
      if (!unproven || wanted.length === 0) return fused;
      for (const tensor of wanted) constants.set(tensor, await readAll(tensor));
    }
  }

  #rule(roots: readonly string[], identity: ColumnIdentity, tables: ColumnTables): Rule {
    return {
      name: 'rotary',
      roots,
      attempt: (root) => {
        const rotary = matchRotary(root, identity);
        if (rotary === undefined) return { reason: 'it turns no channels', depth: 1 };
        const nodes = [...new Set([root, ...rotary.nodes])];
        const plan = planRotary(rotary);
        const operator = this.#operator(rotary);
        if (typeof plan === 'string' || 'reason' in operator) {
          const reason = typeof plan === 'string' ? plan : 'reason' in operator ? operator.reason : '';
          this.#leave({ root, rotary, reason });
          return { reason, depth: nodes.length };
        }
        return {
          nodes,
          apply: (rewriter) => {
            this.usesMicrosoft ||= operator.name === microsoftRotary;
            rewriter.replace(root.output, lowerRotary(plan, operator.name, rewriter, tables));
          },
        };
      },
    };
  }

  /** The operator that every target has. */
  #operator({ x }: Rotary): { readonly name: string } | { readonly reason: string } {
    const question = {
      opset: this.#model.opsetImports.get('') ?? 1,
      dtype: x.type?.kind === 'tensor' ? x.type.dtype : '?',
    };
    const reason = noKernel(this.#targets, microsoftRotary, question);
    if (reason === undefined) return { name: microsoftRotary };
    return noKernel(this.#targets, standardRotary, question) === undefined
      ? { name: standardRotary }
      : { reason };
  }

  /** A sum or join of turned channels inside a larger one is the same rotary embedding. */
  #leave(left: Left): void {
    for (const { root } of this.#left.values()) {
      if (left.rotary.nodes.includes(root)) this.#left.delete(root);
    }
    const inside = [...this.#left.values()].some(({ rotary }) => rotary.nodes.includes(left.root));
    if (!inside) this.#left.set(left.root, left);
  }

  /** Marks and notes what stays spelled out; how many nodes that marked. */
  leave(cx: PassContext): number {
    const reasons = new Map<string, Node[]>();
    let marked = 0;
    for (const { root, rotary, reason } of this.#left.values()) {
      // What was left may have gone with a fusion around it, or inside.
      if (![root, ...rotary.nodes].every(isAlive)) continue;
      reasons.set(reason, [...(reasons.get(reason) ?? []), root]);
      if (root.metadata.get(metadataKeys.means) !== 'rotary') marked += 1;
      root.metadata.set(metadataKeys.means, 'rotary');
    }
    for (const [reason, nodes] of reasons) {
      cx.note(`rotary embedding at ${nodes.length} places, first ${nodes[0]?.name}, is not fused: ${reason}`);
    }
    return marked;
  }
}

function isAlive(node: Node): boolean {
  const output = node.outputs.find((value) => value !== null);
  return output != null && node.graph.value(output.name)?.producer === node;
}

/** RotaryEmbedding(x [B, …], cos [1, S, r/2], sin [1, S, r/2]) of ai.onnx 23: the tables once per batch row. */
const expandTables = nodeRule({
  name: 'expand-tables',
  roots: [standardRotary],
  inspect: (node) => {
    const [x, cos, sin, positions] = [0, 1, 2, 3].map((index) => node.input(index));
    if (x === undefined || cos === undefined || sin === undefined) return 'an input is left out';
    if (positions !== undefined) return 'the tables are looked up by position';
    const one = [cos, sin].every((table) => dimsOf(table)?.length === 3 && dimsOf(table)?.[0] === 1);
    if (!one || dimsOf(x)?.[0] === 1) return 'each batch row has its tables';
    return { node, x, cos, sin };
  },
  rewrite: ({ node, x, cos, sin }, rewriter) => {
    const tables = [cos, sin].map((table) => perBatchRow(table, x, rewriter));
    const attributes = Object.fromEntries(node.attributes);
    rewriter.replace(node.output, rewriter.op('RotaryEmbedding', [x, ...tables], { attributes }));
  },
});
