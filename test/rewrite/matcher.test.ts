/** Patterns against small graphs: what matches, what does not, and the reason that is given. */
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Node } from '../../src/graph/node.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { isFailure, matchPattern } from '../../src/rewrite/matcher.ts';
import {
  any,
  constant,
  either,
  numbers,
  type OpPattern,
  op,
  over,
  type ProductPattern,
  product,
  scalar,
} from '../../src/rewrite/pattern.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { buildModel } from '../support/run-model.ts';

type Make = (b: GraphBuilder, x: Value) => Value;

/** The node that makes the only output of a graph over x float32 [2, 3]. */
function rootOf(make: Make): Node {
  const { graph } = buildModel((b) => b.output('y', make(b, b.input('x', tensorType('float32', [2, 3])))));
  const root = graph.outputs[0]?.producer;
  if (root === undefined) throw new Error('no root');
  return root;
}

function reasonOf(pattern: OpPattern | ProductPattern, make: Make): string {
  const result = matchPattern(pattern, rootOf(make));
  return isFailure(result) ? result.reason : 'it matches';
}

const weight = (b: GraphBuilder): Value => b.float32([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3]);
const linear = op('Add', [op('MatMul', [any('x'), constant('w')], { as: 'product' }), constant('bias')]);
const makeLinear: Make = (b, x) => b.op('Add', [b.op('MatMul', [x, weight(b)]), b.float32([1, 2, 3])]);

describe('operators', () => {
  it('captures values and covers nodes, the root first', () => {
    const root = rootOf(makeLinear);
    const match = matchPattern(linear, root);
    if (isFailure(match)) throw new Error(match.reason);
    expect(match.value('x').name).toBe('x');
    expect(match.value('w').type).toEqual(tensorType('float32', [3, 3]));
    expect(match.node('product').op).toBe('MatMul');
    expect(match.nodes.map((node) => node.op)).toEqual(['Add', 'MatMul']);
  });

  it('lets commutative inputs change places, others not', () => {
    const swapped: Make = (b, x) => b.op('Add', [b.float32([1, 2, 3]), b.op('MatMul', [x, weight(b)])]);
    expect(reasonOf(linear, swapped)).toBe('it matches');
    const sub = op('Sub', [op('Neg', [any()]), constant()]);
    expect(reasonOf(sub, (b, x) => b.op('Sub', [b.float32([1, 2, 3]), b.op('Neg', [x])]))).toMatch(
      /not from Neg/,
    );
  });

  it('backtracks out of an order that fails further down', () => {
    // Mul(a, b) · Mul(a, c): both inner products are tried in both orders before `a` is the same twice.
    const shared = op('Mul', [op('Mul', [any('a'), any('b')]), op('Mul', [any('a'), any('c')])]);
    const make: Make = (b, x) =>
      b.op('Mul', [b.op('Mul', [b.op('Neg', [x]), x]), b.op('Mul', [b.op('Abs', [x]), x])]);
    const match = matchPattern(shared, rootOf(make));
    if (isFailure(match)) throw new Error(match.reason);
    expect(match.value('a').name).toBe('x');
  });

  it('wants a name that stands twice to be one value', () => {
    const square = op('Mul', [any('a'), any('a')]);
    expect(reasonOf(square, (b, x) => b.op('Mul', [x, x]))).toBe('it matches');
    expect(reasonOf(square, (b, x) => b.op('Mul', [x, b.op('Neg', [x])]))).toMatch(/^a is both/);
  });

  it('checks attributes and names the one that differs', () => {
    const turned = op('Transpose', [any()], { attributes: { perm: [1, 0] } });
    const make =
      (perm: number[]): Make =>
      (b, x) =>
        b.op('Transpose', [x], { attributes: { perm } });
    expect(reasonOf(turned, make([1, 0]))).toBe('it matches');
    expect(reasonOf(turned, make([0, 1]))).toMatch(/perm of Transpose is \[0,1\], not \[1,0\]/);
    expect(reasonOf(turned, (b, x) => b.op('Transpose', [x]))).toMatch(/perm of Transpose is absent/);
  });

  it('refuses inputs beyond the pattern, and takes them with `rest`', () => {
    const make: Make = (b, x) => b.op('Clip', [x, b.scalar(0), b.scalar(1)]);
    expect(reasonOf(op('Clip', [any(), any()]), make)).toMatch(/more inputs than the pattern/);
    expect(reasonOf(op('Clip', [any(), any()], { rest: true }), make)).toBe('it matches');
    expect(reasonOf(op('Clip', [any(), null, any()]), (b, x) => b.op('Clip', [x, null, b.scalar(1)]))).toBe(
      'it matches',
    );
    expect(reasonOf(op('Clip', [any(), null, any()]), make)).toMatch(/was not expected/);
  });
});

describe('products', () => {
  // x · exp(x) / (2 · abs(x))
  const pattern = product([any('x'), op('Exp', [any('x')]), over(op('Abs', [any('x')]))], 0.5);
  const mul = (b: GraphBuilder, left: Value, right: Value): Value => b.op('Mul', [left, right]);
  const div = (b: GraphBuilder, left: Value, right: Value): Value => b.op('Div', [left, right]);

  it.each<[string, Make]>([
    ['scale first', (b, x) => div(b, mul(b, b.scalar(0.5), mul(b, x, b.op('Exp', [x]))), b.op('Abs', [x]))],
    ['divisor first', (b, x) => mul(b, div(b, b.op('Exp', [x]), mul(b, b.op('Abs', [x]), b.scalar(2))), x)],
    [
      'reciprocal',
      (b, x) =>
        mul(b, b.op('Reciprocal', [b.op('Abs', [x])]), mul(b, div(b, x, b.scalar(2)), b.op('Exp', [x]))),
    ],
    [
      'one over',
      (b, x) =>
        mul(b, mul(b, x, div(b, b.scalar(1), b.op('Abs', [x]))), mul(b, b.op('Exp', [x]), b.scalar(0.5))),
    ],
    [
      'divided by a quotient',
      (b, x) => div(b, x, div(b, mul(b, b.scalar(2), b.op('Abs', [x])), b.op('Exp', [x]))),
    ],
    [
      'two signs',
      (b, x) => div(b, mul(b, x, b.op('Exp', [x])), b.op('Neg', [mul(b, b.scalar(-2), b.op('Abs', [x]))])),
    ],
  ])('are found however they are spelled: %s', (_, make) => {
    const match = matchPattern(pattern, rootOf(make));
    if (isFailure(match)) throw new Error(match.reason);
    expect(match.value('x').name).toBe('x');
    expect(match.nodes[0]).toBe(match.root);
  });

  it('have no other scale, no other factor and none upside down', () => {
    const scaled =
      (scale: number): Make =>
      (b, x) =>
        mul(b, mul(b, x, b.scalar(scale)), div(b, b.op('Exp', [x]), b.op('Abs', [x])));
    expect(reasonOf(pattern, scaled(0.5000001))).toBe('it matches');
    expect(reasonOf(pattern, scaled(0.75))).toMatch(/multiplied by 0\.75, not by 0\.5$/);
    expect(reasonOf(pattern, (b, x) => mul(b, x, b.op('Exp', [x])))).toBe('a factor is missing');
    expect(
      reasonOf(pattern, (b, x) => div(b, mul(b, x, b.op('Abs', [x])), mul(b, b.scalar(2), b.op('Exp', [x])))),
    ).not.toBe('it matches');
    expect(reasonOf(pattern, (b, x) => mul(b, scaled(0.5)(b, x), x))).not.toBe('it matches');
  });

  it('take a product for one factor where that makes them match', () => {
    // The factor is itself a product of two values that are not constant.
    const make: Make = (b, x) => {
      const inner = mul(b, x, b.op('Neg', [x]));
      return mul(b, mul(b, b.scalar(0.5), inner), div(b, b.op('Exp', [inner]), b.op('Abs', [inner])));
    };
    const match = matchPattern(pattern, rootOf(make));
    if (isFailure(match)) throw new Error(match.reason);
    expect(match.node('x').op).toBe('Mul');
  });

  it('take cubes for three equal factors', () => {
    const cube = product([any('x'), any('x'), any('x')]);
    expect(reasonOf(cube, (b, x) => mul(b, x, mul(b, x, x)))).toBe('it matches');
    expect(reasonOf(cube, (b, x) => mul(b, x, mul(b, b.op('Exp', [x]), x)))).not.toBe('it matches');
  });

  it('come to an end in chains of any length', () => {
    const chain =
      (length: number): Make =>
      (b, x) => {
        let value = x;
        for (let index = 0; index < length; index += 1)
          value = mul(b, value, b.scalar(index % 2 === 0 ? 2 : 0.5));
        return mul(b, value, b.op('Exp', [x]));
      };
    const pair = product([any('x'), op('Exp', [any('x')])]);
    expect(reasonOf(pair, chain(8))).toBe('it matches');
    expect(reasonOf(pair, chain(20_000))).not.toBe('it matches');
    const casts: Make = (b, x) => {
      let value = x;
      for (let index = 0; index < 20_000; index += 1) {
        value = b.op('Cast', [value], { attributes: { to: index % 2 === 0 ? 11 : 1 } });
      }
      return b.op('Exp', [value]);
    };
    for (const between of ['casts', 'rounding'] as const) {
      const match = matchPattern(op('Exp', [any('x')]), rootOf(casts), between);
      expect(isFailure(match) ? match.reason : match.node('x').op).toBe('Cast');
    }
  });

  it('leave alone what others read of them', () => {
    const read: Make = (b, x) => {
      const half = mul(b, x, b.scalar(0.5));
      b.output('half', half);
      return mul(b, half, div(b, b.op('Exp', [x]), b.op('Abs', [x])));
    };
    const { graph } = buildModel((b) => b.output('y', read(b, b.input('x', tensorType('float32', [2, 3])))));
    const root = graph.outputs.at(-1)?.producer;
    const failure = root === undefined ? undefined : matchPattern(pattern, root);
    expect(failure !== undefined && isFailure(failure) && failure.reason).toBe(
      'half is also an output of the graph',
    );
  });
});

describe('matches with something between the nodes', () => {
  const pattern = op('Exp', [op('Mul', [op('Neg', [any('x')]), scalar('factor', 2)])]);
  const step = (b: GraphBuilder): Value[] => [
    b.scalar(0.25),
    b.graph.addInitializer(b.graph.freshName('zero'), inlineTensor('uint8', [], Uint8Array.of(128))),
  ];
  const rounded = (b: GraphBuilder, x: Value): Value =>
    b.op('DequantizeLinear', [b.op('QuantizeLinear', [x, ...step(b)]), ...step(b)]);
  const stored = (b: GraphBuilder): Value =>
    b.op('DequantizeLinear', [
      b.graph.addInitializer(b.graph.freshName('eight'), inlineTensor('uint8', [], Uint8Array.of(136))),
      ...step(b),
    ]);

  it('look through rounding and take what others read', () => {
    const make: Make = (b, x) => {
      const negated = rounded(b, b.op('Neg', [rounded(b, x)]));
      b.output('also', b.op('Abs', [negated]));
      return b.op('Exp', [rounded(b, b.op('Mul', [negated, stored(b)]))]);
    };
    const { graph } = buildModel((b) => b.output('y', make(b, b.input('x', tensorType('float32', [2, 3])))));
    const root = [...graph.nodes()].at(-1);
    if (root === undefined) throw new Error('no root');
    expect(isFailure(matchPattern(pattern, root))).toBe(true);
    const match = matchPattern(pattern, root, 'rounding');
    if (isFailure(match)) throw new Error(match.reason);
    expect(match.value('x').name).toBe('x');
    expect(isFailure(matchPattern(op('Exp', [op('Abs', [any()])]), root, 'rounding'))).toBe(true);
  });

  it('look through casts, which count as inside', () => {
    const wide = (b: GraphBuilder, x: Value): Value => b.op('Cast', [x], { attributes: { to: 11 } });
    const back = (b: GraphBuilder, x: Value): Value => b.op('Cast', [x], { attributes: { to: 1 } });
    const rootWith = (change: (b: GraphBuilder, narrow: Value, cast: Value) => void): Node => {
      const { graph } = buildModel((b) => {
        const narrow = b.op('Neg', [b.input('x', tensorType('float32', [2, 3]))]);
        const cast = wide(b, narrow);
        change(b, narrow, cast);
        b.output('y', b.op('Exp', [b.op('Mul', [back(b, cast), b.scalar(2)])]));
      });
      const root = graph.outputs.at(-1)?.producer;
      if (root === undefined) throw new Error('no root');
      return root;
    };
    const alone = rootWith(() => {});
    expect(isFailure(matchPattern(pattern, alone))).toBe(true);
    expect(isFailure(matchPattern(pattern, alone, 'casts'))).toBe(false);
    const read = [
      rootWith((b, narrow) => b.output('also', b.op('Abs', [narrow]))),
      rootWith((b, _, cast) => b.output('also', b.op('Abs', [cast]))),
    ].map((root) => matchPattern(pattern, root, 'casts'));
    expect(read.map((result) => isFailure(result) && result.reason)).toEqual([
      'Neg_out is also read by Abs',
      'Cast_out is also read by Abs',
    ]);
    const counted = matchPattern(
      op('Neg', [any('x')]),
      rootOf((b, x) => b.op('Neg', [back(b, b.op('Shape', [x]))])),
      'casts',
    );
    expect(isFailure(counted) ? counted.reason : counted.value('x').name).toBe('Cast_out');
    const integer = rootOf((b, x) =>
      b.op('Exp', [
        b.op('Mul', [back(b, b.op('Cast', [b.op('Neg', [x])], { attributes: { to: 7 } })), b.scalar(2)]),
      ]),
    );
    expect(isFailure(matchPattern(pattern, integer, 'casts'))).toBe(true);
  });

  it('need nothing for a constant that is stored quantized', () => {
    const make: Make = (b, x) => b.op('Exp', [b.op('Mul', [b.op('Neg', [x]), stored(b)])]);
    expect(reasonOf(pattern, make)).toBe('it matches');
  });
});

describe('constants', () => {
  it('tells constants from values, and numbers from each other', () => {
    const times =
      (factor: number): Make =>
      (b, x) =>
        b.op('Mul', [x, b.scalar(factor)]);
    expect(reasonOf(op('Mul', [any(), scalar('s', 0.1)]), times(0.1))).toBe('it matches');
    const wrong = reasonOf(op('Sub', [any(), scalar('s', 0.1)]), (b, x) => b.op('Sub', [x, b.scalar(0.2)]));
    expect(wrong).toMatch(/is 0\.2\d*, not 0\.1/);
    expect(
      reasonOf(op('MatMul', [any(), constant()]), (b, x) => b.op('MatMul', [x, b.op('Transpose', [x])])),
    ).toMatch(/is not a constant/);
    const reshape = op('Reshape', [any(), numbers([3, 2])]);
    expect(reasonOf(reshape, (b, x) => b.op('Reshape', [x, b.int64([3, 2])]))).toBe('it matches');
    expect(reasonOf(reshape, (b, x) => b.op('Reshape', [x, b.int64([6, 1])]))).toMatch(
      /\[6,1\], not \[3,2\]/,
    );
  });

  it('does not take an input with a default for a constant', () => {
    const two = inlineTensor('float32', [], new Uint8Array(new Float32Array([2]).buffer));
    const root = rootOf((b, x) => {
      const factor = b.input('factor', tensorType('float32', []));
      b.graph.setInitializer(factor, two);
      return b.op('Mul', [x, factor]);
    });
    const failure = matchPattern(op('Mul', [any(), scalar()]), root);
    expect(isFailure(failure) && failure.reason).toMatch(/is not a constant/);
  });
});

describe('what is not the match alone', () => {
  const doubled = op('Mul', [op('Neg', [any('x')], { as: 'inner' }), scalar()]);
  const makeShared: Make = (b, x) => {
    const inner = b.op('Neg', [x]);
    b.output('also', b.op('Abs', [inner]));
    return b.op('Mul', [inner, b.scalar(2)]);
  };
  const root = (make: Make): Node => {
    const { graph } = buildModel((b) => b.output('y', make(b, b.input('x', tensorType('float32', [2, 3])))));
    const node = [...graph.nodes()].find((each) => each.op === 'Mul');
    if (node === undefined) throw new Error('no Mul');
    return node;
  };

  it('refuses inner nodes that others read, unless the pattern shares them', () => {
    const failure = matchPattern(doubled, root(makeShared));
    expect(isFailure(failure) && failure.reason).toMatch(/is also read by Abs/);
    const shared = op('Mul', [op('Neg', [any('x')], { shared: true }), scalar()]);
    expect(isFailure(matchPattern(shared, root(makeShared)))).toBe(false);
  });

  it('refuses inner nodes that are outputs of the graph', () => {
    const failure = matchPattern(
      doubled,
      root((b, x) => {
        const inner = b.op('Neg', [x]);
        b.output('inner', inner);
        return b.op('Mul', [inner, b.scalar(2)]);
      }),
    );
    expect(isFailure(failure) && failure.reason).toBe('inner is also an output of the graph');
  });

  it('takes the alternative that lets the whole pattern match, and reports the closest miss', () => {
    const pattern = op('Sqrt', [either(op('Abs', [op('Neg', [any('a')])]), op('Abs', [any('b')]))]);
    const match = matchPattern(
      pattern,
      rootOf((b, x) => b.op('Sqrt', [b.op('Abs', [x])])),
    );
    if (isFailure(match)) throw new Error(match.reason);
    expect(match.find('a')).toBeUndefined();
    expect(match.value('b').name).toBe('x');
    const miss = matchPattern(
      op('Sqrt', [op('Abs', [op('Neg', [any()])])]),
      rootOf((b, x) => b.op('Sqrt', [b.op('Abs', [b.op('Exp', [x])])])),
    );
    expect(miss).toEqual({ reason: 'Exp_out comes from Exp, not from Neg', depth: 2 });
  });
});
