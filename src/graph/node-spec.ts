/** What `Graph.addNode` takes: an operator call that is not yet part of a graph. */
import type { AttributeLike } from './attribute.ts';
import type { ValueType } from './types.ts';
import type { Value } from './value.ts';

export interface OutputSpec {
  readonly name?: string;
  readonly type?: ValueType | undefined;
}

export interface NodeSpec {
  readonly op: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly name?: string;
  readonly inputs: readonly (Value | null)[];
  /** A count, or one spec per output (null = left out). Default 1. */
  readonly outputs?: number | readonly (OutputSpec | null)[];
  readonly attributes?: Readonly<Record<string, AttributeLike>>;
  readonly metadata?: Iterable<readonly [string, string]>;
}
