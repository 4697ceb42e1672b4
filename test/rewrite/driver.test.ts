/** The driver: order, provenance, fixpoint, dead code. */
import { describe, expect, it } from 'vitest';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { tensorType } from '../../src/graph/types.ts';
import { verifyModel } from '../../src/graph/verify.ts';
import { removeDeadCode } from '../../src/rewrite/dead-code.ts';
import { applyRules } from '../../src/rewrite/driver.ts';
import { any, op } from '../../src/rewrite/pattern.ts';
import { nodeRule, rule } from '../../src/rewrite/rule.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { buildModel, randomInput, runModel } from '../support/run-model.ts';

/** -(-x) → x · 1, an operator that stays visible. */
const doubleNegation = rule({
  name: 'double-negation',
  pattern: op('Neg', [op('Neg', [any('x')])]),
  refine: (match) => ({ x: match.value('x'), output: match.root.output }),
  rewrite: ({ x, output }, rewriter) =>
    rewriter.replace(output, rewriter.op('Abs', [rewriter.op('Abs', [x])])),
});

function chain(length: number) {
  return buildModel((b) => {
    let x = b.input('x', tensorType('float32', [2]));
    b.scope('tower', () => {
      for (let index = 0; index < length; index += 1) x = b.op('Neg', [x]);
    });
    b.output('y', x);
  });
}

describe('applyRules', () => {
  it('rewrites until nothing matches, keeps names of outputs, scope and provenance', () => {
    const model = chain(5);
    const { applied, changed } = applyRules(model.graph, [doubleNegation], inferNode);
    expect(changed).toBe(true);
    expect(applied.get('double-negation')).toBe(2);
    expect([...model.graph.nodes()].map((node) => node.op)).toEqual(['Abs', 'Abs', 'Abs', 'Abs', 'Neg']);
    expect(model.graph.outputs[0]?.name).toBe('y');
    const [first] = model.graph.nodes();
    expect(first?.metadata.get('vlm-convert.scope')).toBe('tower');
    expect(first?.metadata.get('vlm-convert.from')).toBe('tower/Neg_1 tower/Neg');
    verifyModel(model);
  });

  it('carries provenance through rewrites of rewrites', () => {
    const model = chain(2);
    applyRules(model.graph, [doubleNegation], inferNode);
    const absPair = rule({
      name: 'abs-pair',
      pattern: op('Abs', [op('Abs', [any('x')])]),
      refine: (match) => ({ x: match.value('x'), output: match.root.output }),
      rewrite: ({ x, output }, rewriter) => rewriter.replace(output, rewriter.op('Relu', [x])),
    });
    applyRules(model.graph, [absPair], inferNode);
    const [only, ...others] = model.graph.nodes();
    expect(others).toEqual([]);
    expect(only?.op).toBe('Relu');
    expect(only?.metadata.get('vlm-convert.from')).toBe('tower/Neg_1 tower/Neg');
  });

  it('comes back to nodes whose inputs changed', () => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [2]));
      b.output('y', b.op('Exp', [b.op('Neg', [x])]));
    });
    const become = (from: string, to: string) =>
      rule({
        name: `${from}-to-${to}`,
        pattern: op(from, [any('x')]),
        refine: (match) => ({ x: match.value('x'), output: match.root.output }),
        rewrite: ({ x, output }, rewriter) => rewriter.replace(output, rewriter.op(to, [x])),
      });
    const late = rule({
      name: 'late',
      pattern: op('Exp', [op('Relu', [any('x')])]),
      refine: (match) => ({ x: match.value('x'), output: match.root.output }),
      rewrite: ({ x, output }, rewriter) => rewriter.replace(output, rewriter.op('Sqrt', [x])),
    });
    applyRules(model.graph, [become('Neg', 'Abs'), become('Abs', 'Relu'), late], inferNode);
    expect([...model.graph.nodes()].map((node) => node.op)).toEqual(['Sqrt']);
  });

  it('keeps an output that is an input by way of an Identity', async () => {
    const model = chain(2);
    const cancel = rule({
      name: 'cancel',
      pattern: op('Neg', [op('Neg', [any('x')])]),
      refine: (match) => ({ x: match.value('x'), output: match.root.output }),
      rewrite: ({ x, output }, rewriter) => rewriter.replace(output, x),
    });
    applyRules(model.graph, [cancel], inferNode);
    expect([...model.graph.nodes()].map((node) => node.op)).toEqual(['Identity']);
    verifyModel(model);
    const x = randomInput([2], 1);
    const result = (await runModel(model, { x })).get('y');
    if (result === undefined) throw new Error('no y');
    expect(toFloat32(result)).toEqual(x.data);
  });

  it('stops rules that undo each other', () => {
    const swap = (from: string, to: string) =>
      nodeRule({
        name: `${from}-to-${to}`,
        roots: [from],
        inspect: (node) => ({ input: node.inputs[0] ?? null, output: node.output }),
        rewrite: ({ input, output }, rewriter) => rewriter.replace(output, rewriter.op(to, [input])),
      });
    const rules = [swap('Neg', 'Abs'), swap('Abs', 'Neg')];
    expect(() => applyRules(chain(1).graph, rules, inferNode)).toThrow(/does not come to an end/);
  });

  it('reports near misses of nodes that are still there, the closest first', () => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [2]));
      b.output('y', b.op('Neg', [b.op('Abs', [x])]));
      b.output('z', b.op('Sqrt', [b.op('Neg', [b.op('Abs', [x])])]));
    });
    const pattern = rule({
      name: 'deep',
      pattern: op(['Sqrt', 'Neg'], [op(['Neg', 'Abs'], [op('Exp', [any()])])]),
      refine: () => ({}),
      rewrite: () => {},
    });
    const { misses, changed } = applyRules(model.graph, [pattern], inferNode);
    expect(changed).toBe(false);
    expect(misses.map(({ node, depth }) => [node, depth])).toEqual([
      ['Neg', 2],
      ['Neg_1', 2],
      ['Sqrt', 2],
    ]);
    expect(misses[0]?.reason).toMatch(/comes from no node, not from Exp/);
  });
});

describe('removeDeadCode', () => {
  it('removes chains, constants and nothing that is read', () => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [2]));
      b.op('Mul', [b.op('Neg', [x]), b.scalar(3)]);
      b.output('y', b.op('Mul', [x, b.scalar(2)]));
    });
    expect(removeDeadCode(model.graph)).toEqual({ nodes: 2, constants: 1 });
    expect([...model.graph.nodes()].map((node) => node.op)).toEqual(['Mul']);
    expect([...model.graph.initializers()]).toHaveLength(1);
    expect(removeDeadCode(model.graph)).toEqual({ nodes: 0, constants: 0 });
    verifyModel(model);
  });
});
