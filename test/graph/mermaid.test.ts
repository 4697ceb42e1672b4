/** The neighbourhood of a node as a flowchart: who is in it, what the arrows say, and what a name may not do. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { findNode, mermaidAround } from '../../src/graph/mermaid.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';

function model(body: (b: GraphBuilder) => void): Model {
  const builder = new GraphBuilder('test', inferNode);
  body(builder);
  return createModel(builder.graph, 20);
}

const around = (made: Model, name: string, depth: number): string => {
  const node = findNode(made, name);
  if (node === undefined) throw new Error(`no ${name}`);
  return mermaidAround(node, depth);
};

/** x -> first -> middle (a weight, too) -> last -> y, and a side that reads middle. */
const chain = model((b) => {
  const x = b.input('x', tensorType('float32', ['n', 2]));
  const first = b.op('Neg', [x], { name: 'first' });
  const weight = b.weight('w', inlineTensor('float32', [2, 2], new Uint8Array(16)));
  const middle = b.op('MatMul', [first, weight], { name: 'middle' });
  const last = b.op('Exp', [middle], { name: 'last' });
  b.op('Abs', [b.op('Sqrt', [middle], { name: 'side' })], { name: 'end' });
  b.output('y', last);
});

describe('mermaidAround', () => {
  it('draws nodes as far as asked, constants, inputs and outputs, and what is beyond', () => {
    expect(around(chain, 'middle', 1)).toMatchInlineSnapshot(`
      "flowchart TD
        n0["MatMul<br/>middle"]
        n1["Neg<br/>first"]
        n2["Exp<br/>last"]
        n3["Sqrt<br/>side"]
        v0[("w<br/>float32[2,2]")]
        v1[/"x<br/>float32[n,2]"/]
        v2[\\"y<br/>float32[n,2]"\\]
        n1 -->|"float32[n,2]"| n0
        v0 --> n0
        v1 --> n1
        n0 -->|"float32[n,2]"| n2
        n2 --> v2
        n0 -->|"float32[n,2]"| n3
        n3 -.-> m6(["a reader"])
        style n0 stroke-width:4px
      "
    `);
  });

  it('goes on with the depth, and stops where the graph does', () => {
    const nodes = (depth: number): number =>
      around(chain, 'first', depth).match(/^ {2}n\d+\[/gm)?.length ?? 0;
    expect([1, 2, 3, 9].map(nodes)).toEqual([2, 4, 5, 5]);
  });

  it('finds a node by a value that it makes', () => {
    expect(findNode(chain, 'y')?.name).toBe('last');
    expect(findNode(chain, 'x')).toBeUndefined();
  });

  it('leaves no name a way out of its box', () => {
    const name = 'a"]; click n0 <b>`#x\n';
    const odd = model((b) => {
      const x = b.input(name, tensorType('float32', [1]));
      b.output('y', b.op('Neg', [x], { name }));
    });
    const text = around(odd, name, 1);
    // Quotes, angle brackets, number signs and line breaks of the name are written as numbers.
    expect(text).toContain('a#34;]; click n0 #60;b#62;#96;#35;x#10;');
    for (const line of text.split('\n'))
      expect(line).toMatch(/^(flowchart TD| {2}(n|v|m)\d+.*| {2}style .*|)$/);
  });

  it('bounds the picture', () => {
    const wide = model((b) => {
      const x = b.op('Neg', [b.input('x', tensorType('float32', [1]))], { name: 'center' });
      for (let i = 0; i < 400; i += 1) b.output(`y${i}`, b.op('Exp', [x]));
    });
    const text = around(wide, 'center', 3);
    expect(text.match(/^ {2}n\d+\[/gm)?.length).toBe(150);
    expect(text).toContain('%% 251 more nodes are as near');
  });
});
