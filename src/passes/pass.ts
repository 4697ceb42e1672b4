/**
 * A pass: one rewrite of a model, with validated options, one structured record of what it did, and no I/O.
 * It replaces weights by derived tensors; only what folds small constants reads bytes, by `evaluate`.
 */
import type { z } from 'zod';
import type { Model } from '../graph/model.ts';
import type { DiagnosticRecord } from '../report/diagnostics.ts';
import type { Target } from '../targets/target.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What a pass did to one weight: a row of the coverage table. */
export interface WeightRecord {
  /** The initializer's name before the pass. */
  readonly weight: string;
  /** What it is for: the consuming operator, e.g. `MatMul`, `Gather`, `Conv`. */
  readonly use: string;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** `int4 block 32 asymmetric`, `float16`, `float32`. */
  readonly format: string;
  /** Why it stayed as it was. */
  readonly reason?: string;
}

export interface PassContext {
  /** What the result has to run on: a pass emits only what all of them support. */
  readonly targets: readonly Target[];
  warn(record: DiagnosticRecord): void;
  /** A line for the report: what a fusion missed and why, for instance. */
  note(text: string): void;
  coverage(record: WeightRecord): void;
  /**
   * Says which values the initializer `name` (as it stood before the pass, same shape) effectively has now:
   * its de-quantized or rounded form, float32. The implementation level of parity runs the plain graph with them.
   */
  substitute(name: string, tensor: Tensor): void;
  /** Runs a model without inputs and gives its outputs by name. Throws VC6xxx when the runtime refuses it. */
  evaluate(model: Model): Promise<ReadonlyMap<string, Tensor>>;
}

export interface PassResult {
  readonly changed: boolean;
  /** Counts, e.g. `{ attention: 48 }`. */
  readonly stats: Readonly<Record<string, number>>;
}

export interface Pass<O = unknown> {
  /** As in pipeline text: `fuse-attention`, `int4{block=32}`. */
  readonly name: string;
  readonly summary: string;
  readonly options: z.ZodType<O>;
  /** The option that pipeline text may give without its name: `retarget-resolution{1344x896}`. */
  readonly positional?: string;
  run(model: Model, options: O, cx: PassContext): PassResult | Promise<PassResult>;
}
