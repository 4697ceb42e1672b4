/** Ranges of activations at several picture sizes, as data: how far each is from what float16 holds. */
import type { Size } from '../../architectures/media.ts';

/** The range of one value inside a graph. */
export interface ValueRange {
  readonly value: string;
  /** The node that makes it, and its operator. */
  readonly node: string;
  readonly operator: string;
  readonly block: string;
  /** Largest |x| over all runs. */
  readonly max: number;
  /** How many times larger it could be: 65504 / max. Below 1 float16 does not hold it. */
  readonly headroom: number;
  /** Place of the largest. */
  readonly where: string;
}

/** Where a graph first gives what is not finite. */
export interface NonFinitePlace {
  readonly value: string;
  readonly node: string;
  readonly operator: string;
  readonly block: string;
  /** So many elements of so many. */
  readonly count: number;
  readonly elements: number;
  /** Place of the first of them. */
  readonly where: string;
}

export interface ComponentRanges {
  readonly component: string;
  /** Whether the output computes in float16; else the ranges are of values that a conversion to fp16 would hold so. */
  readonly float16: boolean;
  /** Values that were measured. */
  readonly values: number;
  /** Those with the least headroom, least first. */
  readonly nearest: readonly ValueRange[];
  /** The same of values inside of fused attention, which a runtime may hold in float16, too. */
  readonly inside: readonly ValueRange[];
  /** The least headroom of each block, in order; left out of it are blocks without a value. */
  readonly blocks: readonly { readonly name: string; readonly max: number; readonly headroom: number }[];
  /** In the output. */
  readonly nonFinite?: NonFinitePlace;
}

export interface RangesAtSize {
  /** As asked for: `896x896`. */
  readonly size: string;
  /** What the graphs take. */
  readonly input: Size;
  readonly summary: string;
  readonly views: number;
  /** Features of a picture. */
  readonly tokens: number;
  /** Length of the prompt that the decoder ran over. */
  readonly promptTokens: number;
  readonly components: readonly ComponentRanges[];
}

export interface RangeReport {
  /** The largest finite float16. */
  readonly limit: number;
  /** In the order asked for. */
  readonly sizes: readonly RangesAtSize[];
}
