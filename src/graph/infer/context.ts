/**
 * What a type rule sees of a node: the types and small integer values of its inputs, and how it objects.
 * Rules are pure: they return the types of the outputs and change nothing.
 */
import { type Code, fail, type VlmError } from '../../report/diagnostics.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { Graph } from '../graph.ts';
import type { Node } from '../node.ts';
import { type Dim, formatType, type TensorType, tensorType, type ValueType } from '../types.ts';
import type { Value } from '../value.ts';

/** Small integers known at compile time, wholly or in part: the elements of a scalar or a vector. */
export interface IntData {
  readonly rank: 0 | 1;
  readonly values: readonly Dim[];
}

/** Types as they are known so far, and a way into the bodies of control flow. */
export interface TypeScope {
  typeOf(value: Value): ValueType | undefined;
  dataOf(value: Value): IntData | undefined;
  /** Infers the nodes of a body whose inputs get these types. */
  inferBody(graph: Graph, inputs: readonly (ValueType | undefined)[]): void;
}

/** A rule gives the types of all outputs, undefined where it cannot tell. */
export type Rule = (cx: RuleContext) => readonly (ValueType | undefined)[];

export class RuleContext {
  readonly node: Node;
  readonly scope: TypeScope;

  constructor(node: Node, scope: TypeScope) {
    this.node = node;
    this.scope = scope;
  }

  has(index: number): boolean {
    return this.node.input(index) !== undefined;
  }

  type(index: number): ValueType | undefined {
    const value = this.node.input(index);
    return value === undefined ? undefined : this.scope.typeOf(value);
  }

  dtype(index: number): DType | undefined {
    const type = this.type(index);
    return type?.kind === 'tensor' ? type.dtype : undefined;
  }

  shape(index: number): readonly Dim[] | undefined {
    const type = this.type(index);
    return type?.kind === 'tensor' ? type.shape : undefined;
  }

  /** Shapes of every input; undefined when one is not known. */
  shapes(): (readonly Dim[])[] | undefined {
    const shapes = this.node.inputs.map((_, index) => this.shape(index));
    return shapes.every((shape) => shape !== undefined) ? shapes : undefined;
  }

  /** The elements of an integer scalar or vector. */
  ints(index: number): readonly Dim[] | undefined {
    const value = this.node.input(index);
    return value === undefined ? undefined : this.scope.dataOf(value)?.values;
  }

  /** The elements when all of them are numbers. */
  numbers(index: number): readonly number[] | undefined {
    const values = this.ints(index);
    return values?.every((value) => typeof value === 'number') ? (values as readonly number[]) : undefined;
  }

  /** A list that older versions hold as attribute `name`, newer ones as input `index`. */
  list(name: string, index: number): readonly number[] | undefined {
    return this.node.ints(name) ?? this.numbers(index);
  }

  /** An axis made non-negative; throws when it is outside the rank. */
  axis(axis: number, rank: number): number {
    const normal = axis < 0 ? axis + rank : axis;
    if (normal < 0 || normal >= rank) {
      throw this.fail('VC3101', `axis ${axis} of rank ${rank}`, `an axis in [${-rank}, ${rank - 1}]`);
    }
    return normal;
  }

  /** Throws unless the input, where its rank is known, has this one. */
  checkRank(index: number, ...ranks: readonly number[]): void {
    const shape = this.shape(index);
    if (shape !== undefined && !ranks.includes(shape.length)) {
      throw this.fail('VC3101', this.describe(index), `rank ${ranks.join(' or ')}`);
    }
  }

  /** `input 1 \`w\`: float32[3,3]`. */
  describe(index: number): string {
    return `input ${index} ${this.node.input(index)?.name ?? '(left out)'}: ${formatType(this.type(index))}`;
  }

  /** All inputs, for a message about how they go together. */
  describeInputs(): string {
    return this.node.inputs
      .map((input) => (input === null ? '-' : formatType(this.scope.typeOf(input))))
      .join(', ');
  }

  fail(code: Code, found: string, expected: string): VlmError {
    return fail(code, { where: `node ${this.node.name} (${this.node.op})`, found, expected });
  }
}

/** The type of an output whose element type may not be known; then the output has no type. */
export function typed(dtype: DType | undefined, shape: readonly Dim[] | undefined): TensorType | undefined {
  return dtype === undefined ? undefined : tensorType(dtype, shape);
}
