/**
 * What every dimension of a graph means for the picture that goes in: nodes in order, constants as unknowns, each use of
 * a constant on its own, since exporters give one constant to nodes that mean different things by it.
 */
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import type { Dim } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { fail } from '../../report/diagnostics.ts';
import { constantNumbers, constantTensor } from '../../rewrite/constants.ts';
import { allNodes } from '../../rewrite/driver.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Axis, CannotFollow, constantExtent, type Extent, number } from './extent.ts';
import type { Extents } from './extents.ts';
import { dataOf } from './flow-data.ts';
import { flowRules } from './flow-rules.ts';
import type { PictureInput } from './picture-input.ts';

/** Whole numbers of shape arithmetic. */
export interface Numbers {
  readonly rank: 0 | 1;
  readonly values: readonly Extent[];
}

/** A constant, at one place where it is read. */
export interface Leaf {
  readonly node: Node;
  readonly index: number;
  readonly value: Value;
  readonly tensor: Tensor;
  readonly shape: readonly Extent[];
  readonly numbers: Numbers | undefined;
}

/** A Resize that is given by scales: they follow from what its output turns out to be. */
export interface ScaledResize {
  readonly node: Node;
  readonly input: readonly Extent[];
  readonly output: readonly Extent[];
}

/** Numbers that positions are computed with: sides of the grid may be among them. */
export interface Factor {
  readonly node: Node;
  readonly index: number;
  readonly values: readonly number[];
}

/** What rules see of a node. */
export interface RuleView {
  readonly node: Node;
  readonly extents: Extents;
  /** Throws CannotFollow where nothing is known. */
  shape(index: number): readonly Extent[];
  has(index: number): boolean;
  /** Undefined where the numbers are not those of shape arithmetic. */
  numbers(index: number): Numbers | undefined;
  /** Numbers that do not depend on the picture: axes, steps, pads. */
  fixed(index: number): readonly number[] | undefined;
  /** True for 0, 1, 2, … */
  counts(index: number): boolean;
  declared(output: number): readonly Extent[];
  scaled(resize: ScaledResize): void;
  /** The extent is known to be what it is, whatever it is as large as. */
  tie(extent: Extent): void;
  /** Holds unless the condition is false when all is known. */
  check(holds: () => boolean, message: string): void;
}

export type FlowRule = (view: RuleView) => readonly (readonly Extent[])[];

export interface Flow {
  readonly leaves: readonly Leaf[];
  readonly resizes: readonly ScaledResize[];
  readonly factors: readonly Factor[];
  /** Extents that are known to be what they are: the dimensions of the graph's inputs among them. */
  readonly tied: readonly Extent[];
  shapes(): Iterable<readonly Extent[]>;
  shapeOf(value: Value): readonly Extent[] | undefined;
}

/** A pair of sizes at most, for each corner of a box. */
const mostFactors = 4;
/** Longer vectors are no shapes. */
const maxNumbers = 256;

/**
 * @throws VlmError VC3204 where the meaning of a constant cannot be proven, VC3205 for nodes that cannot be followed,
 *   VC3206 for sizes that are no multiple of the patch
 */
export function followPicture(
  graph: Graph,
  { value: picture, axes }: PictureInput,
  extents: Extents,
  counting: ReadonlySet<Tensor>,
): Flow {
  const flow = new Flowing(extents, counting);
  for (const input of graph.inputs) flow.content.add(input);
  for (const input of graph.inputs) {
    const shape = flow.fromType(input);
    if (shape === undefined) continue;
    const own = input === picture ? axisOf(axes) : undefined;
    flow.shapes.set(
      input,
      shape.map((extent, axis): Extent => {
        const side = own?.get(axis);
        return side === undefined ? extent : { kind: 'side', axis: side, by: 1 };
      }),
    );
  }
  for (const node of graph.nodes()) flow.follow(node);
  flow.settle();
  return {
    leaves: [...flow.leaves.values()],
    resizes: flow.resizes,
    factors: flow.factors,
    tied: [...flow.tied, ...graph.inputs.flatMap((input) => flow.shapes.get(input) ?? [])],
    shapes: () => flow.shapes.values(),
    shapeOf: (value) => flow.shapes.get(value),
  };
}

function axisOf({ height, width }: PictureInput['axes']): ReadonlyMap<number, Axis> {
  return new Map([
    [height, 'height'],
    [width, 'width'],
  ]);
}

class Flowing {
  readonly extents: Extents;
  readonly shapes = new Map<Value, readonly Extent[]>();
  readonly leaves = new Map<string, Leaf>();
  readonly resizes: ScaledResize[] = [];
  readonly tied: Extent[] = [];
  readonly factors: Factor[] = [];
  readonly #numbers = new Map<Value, Numbers>();
  readonly #counting = new Set<Value>();
  /** What depends on the inputs, not on their shapes alone. */
  readonly content = new Set<Value>();
  /** Sums over the grid. */
  readonly #sums = new Set<Value>();
  readonly #checks: { readonly node: Node; readonly holds: () => boolean; readonly message: string }[] = [];
  /** Nodes that no rule follows: what they read must not depend on the picture. */
  readonly #opaque: { readonly node: Node; readonly reads: readonly Value[]; readonly reason: string }[] = [];

  /** Constants of 0, 1, 2, … */
  readonly #counts: ReadonlySet<Tensor>;

  constructor(extents: Extents, counts: ReadonlySet<Tensor>) {
    this.extents = extents;
    this.#counts = counts;
  }

  fromType(value: Value, unknown = value.name): readonly Extent[] | undefined {
    const { type } = value;
    return type?.kind === 'tensor'
      ? type.shape?.map((dim, axis) => dimExtent(dim, `${unknown}, axis ${axis}`))
      : undefined;
  }

  follow(node: Node): void {
    this.extents.where = `node ${node.name} (${node.op})`;
    const view = this.#view(node);
    const data = dataOf(view);
    const output = node.outputs[0];
    if (data !== undefined && output != null) this.#numbers.set(output, data);
    if (output != null && counts(view)) this.#counting.add(output);
    this.#noteContent(node, view);
    const rule = flowRules.get(node.op);
    const branch = this.#branch(view);
    if (branch !== undefined) {
      for (const inner of branch.nodes()) this.follow(inner);
      for (const [index, each] of node.outputs.entries()) {
        const from = branch.outputs[index];
        if (each === null || from === undefined) continue;
        const tensor = constantTensor(from);
        const shape = tensor?.shape.map(number) ?? this.shapes.get(from);
        const numbers = tensor === undefined ? this.#numbers.get(from) : leafNumbers(from, tensor, number);
        if (shape !== undefined) this.shapes.set(each, shape);
        if (numbers !== undefined) this.#numbers.set(each, numbers);
      }
      return;
    }
    try {
      if (rule === undefined) throw new CannotFollow('the operator has no rule');
      const shapes = rule(view);
      for (const [index, each] of node.outputs.entries()) {
        const shape = shapes[index];
        if (each === null || shape === undefined) continue;
        this.#checkType(each, shape);
        this.shapes.set(each, shape);
      }
    } catch (cause) {
      if (!(cause instanceof CannotFollow)) throw cause;
      this.#giveUp(node, cause.message);
    }
  }

  settle(): void {
    for (const { node, reads, reason } of this.#opaque) {
      for (const value of reads) {
        const shape = this.shapes.get(value);
        if (shape?.some((extent) => this.extents.moves(extent)) !== true) continue;
        throw fail('VC3205', {
          where: `node ${node.name} (${node.op})`,
          found: `${reason}; ${value.name} is [${shape.map((extent) => this.extents.describe(extent)).join(', ')}]`,
        });
      }
    }
    this.extents.settle();
    for (const { node, holds, message } of this.#checks) {
      this.extents.where = `node ${node.name} (${node.op})`;
      if (!holds()) throw fail('VC3204', { where: this.extents.where, found: message });
    }
  }

  /**
   * Positions are computed from the sizes of the grid, and a mean as a sum over it: a number beside them may be such a
   * size, which no shape tells.
   */
  #noteContent(node: Node, view: RuleView): void {
    const inputs = node.inputs.flatMap((input) => (input === null ? [] : [input]));
    const fromShape = node.op === 'Shape' || node.op === 'Size';
    if (!fromShape && inputs.some((input) => this.content.has(input))) {
      for (const output of node.outputs) if (output !== null) this.content.add(output);
    }
    if (node.op === 'ReduceSum') this.#sums.add(node.output);
    if (!['Add', 'Div', 'Mod', 'Mul', 'Pow', 'Sub'].includes(node.op)) return;
    for (const [index, input] of inputs.entries()) {
      const values = constantNumbers(input);
      const other = inputs[1 - index];
      if (values === undefined || values.length > mostFactors || other === undefined) continue;
      if (constantTensor(other) !== undefined || (this.content.has(other) && !this.#sums.has(other)))
        continue;
      // Shape arithmetic is followed by itself.
      if (view.numbers(1 - index) === undefined) this.factors.push({ node, index, values });
    }
  }

  /** The body that runs, whatever the picture's size is. */
  #branch(view: RuleView): Graph | undefined {
    const condition = view.node.op === 'If' ? view.numbers(0)?.values[0] : undefined;
    const chosen = condition && this.extents.old(condition);
    if (condition === undefined || chosen === undefined) return undefined;
    view.check(() => this.extents.new(condition) === chosen, 'another branch of it would run');
    const body = view.node.attributes.get(chosen !== 0 ? 'then_branch' : 'else_branch');
    return body?.kind === 'graph' ? body.value : undefined;
  }

  #giveUp(node: Node, reason: string): void {
    const inner = [...node.subgraphs()].flatMap(([, graph]) =>
      [...allNodes(graph)].flatMap((each) => each.inputs.flatMap((input) => (input === null ? [] : [input]))),
    );
    const own = node.inputs.flatMap((input) => (input === null ? [] : [input]));
    this.#opaque.push({ node, reads: [...own, ...inner], reason });
    for (const output of node.outputs) {
      const shape = output === null ? undefined : this.fromType(output, `${reason}: ${node.name}`);
      if (output !== null && shape !== undefined) this.shapes.set(output, shape);
    }
  }

  /** What was inferred for the old size is what a rule has to say for it. */
  #checkType(value: Value, shape: readonly Extent[]): void {
    const declared = value.type?.kind === 'tensor' ? value.type.shape : undefined;
    const wrong =
      declared !== undefined &&
      (declared.length !== shape.length ||
        declared.some((dim, axis) => {
          const found = this.extents.old(shape[axis] ?? number(1));
          return typeof dim === 'number' && found !== undefined && found !== dim;
        }));
    if (wrong) throw new CannotFollow(`${value.name} has another shape than expected`);
  }

  #leaf(node: Node, index: number): Leaf | undefined {
    const key = `${index} ${node.name}`;
    const known = this.leaves.get(key);
    const value = node.input(index);
    const tensor = constantTensor(value);
    if (known !== undefined || value === undefined || tensor === undefined) return known;
    const leaf: Leaf = {
      node,
      index,
      value,
      tensor,
      shape: tensor.shape.map(constantExtent),
      numbers: leafNumbers(value, tensor),
    };
    this.leaves.set(key, leaf);
    return leaf;
  }

  #view(node: Node): RuleView {
    const numbersOf = (index: number): Numbers | undefined => {
      const leaf = this.#leaf(node, index);
      if (leaf !== undefined) return leaf.numbers;
      const value = node.input(index);
      return value === undefined ? undefined : this.#numbers.get(value);
    };
    return {
      node,
      extents: this.extents,
      has: (index) => node.input(index) !== undefined,
      shape: (index) => {
        const value = node.input(index);
        const shape = this.#leaf(node, index)?.shape ?? (value && this.shapes.get(value));
        if (shape === undefined) throw new CannotFollow(`the shape of input ${index} is not known`);
        return shape;
      },
      numbers: numbersOf,
      fixed: (index) => {
        const values = numbersOf(index)?.values.map((value) => this.extents.old(value));
        return values?.every((value) => value !== undefined) ? values : undefined;
      },
      counts: (index) => {
        const value = node.input(index);
        const tensor = constantTensor(value);
        if (tensor !== undefined) return this.#counts.has(tensor);
        return value !== undefined && this.#counting.has(value);
      },
      declared: (output) => {
        const value = node.outputs[output];
        const shape = value == null ? undefined : this.fromType(value);
        if (shape === undefined) throw new CannotFollow('the shape of the output is not known');
        return shape;
      },
      scaled: (resize) => this.resizes.push(resize),
      tie: (extent) => this.tied.push(extent),
      check: (holds, message) => this.#checks.push({ node, holds, message }),
    };
  }
}

/** True where a node makes 0, 1, 2, … or leaves them as they are. */
function counts(view: RuleView): boolean {
  if (['Cast', 'Identity', 'Unsqueeze', 'Squeeze', 'Reshape'].includes(view.node.op)) return view.counts(0);
  return view.node.op === 'Range' && view.fixed(0)?.[0] === 0 && view.fixed(2)?.[0] === 1;
}

function dimExtent(dim: Dim, name: string): Extent {
  if (typeof dim === 'number') return constantExtent(dim);
  return { kind: 'symbol', name: dim ?? `? of ${name}` };
}

/** Integers are what the picture may have a part in; floats (the side of a table as a root) are as they are. */
function leafNumbers(
  value: Value,
  tensor: Tensor,
  integer: (value: number) => Extent = constantExtent,
): Numbers | undefined {
  const float = tensor.dtype === 'float32' || tensor.dtype === 'float64';
  if (!(float || ['int64', 'int32', 'bool'].includes(tensor.dtype)) || tensor.shape.length > 1)
    return undefined;
  if ((tensor.shape[0] ?? 1) > maxNumbers) return undefined;
  const values = constantNumbers(value);
  const rank = tensor.shape.length === 0 ? 0 : 1;
  return values && { rank, values: values.map(float ? number : integer) };
}
