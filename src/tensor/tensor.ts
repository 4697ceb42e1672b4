/**
 * Lazy tensors. A tensor knows dtype, shape and byte length without reading anything; its bytes come from a
 * file range, from memory, or from a derivation that computes them from other tensors, window by window.
 *
 * Layout of all bytes: row major, little endian, sub-byte types packed low bits first.
 */
import type { ByteSource } from './byte-source.ts';
import { byteLengthOf, type DType } from './dtype.ts';
import { readDerived } from './read-derived.ts';
import type { Region, Window } from './window.ts';
import type { Workspace } from './workspace.ts';

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Where the bytes of a tensor come from. Plain data but for the objects that hold bytes or sources. */
export type Origin =
  | { readonly kind: 'source'; readonly source: ByteSource; readonly offset: number; readonly name: string }
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'derived'; readonly derivation: Derivation; readonly output: number };

export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly origin: Origin;
  /** Bytes [begin, end) of the tensor's data. */
  read(begin: number, end: number): Promise<Uint8Array>;
}

export interface TensorSpec {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A window of one of a derivation's inputs. */
export interface Need {
  /** Index among the inputs. */
  readonly input: number;
  readonly window: Window;
}

/** What computations work with. */
export interface ComputeContext {
  readonly workspace: Workspace;
  readonly nonFinite: NonFinite;
}

/**
 * What becomes of weights that are NaN or infinite: `refuse` throws VC3901 wherever one is read, `unquantized`
 * only where one would be quantized (imported graphs hold masks of -inf), `keep` never.
 */
export type NonFinite = 'refuse' | 'unquantized' | 'keep';

/**
 * A computation of one or more tensors from others, in independent windows. One computation of a window serves
 * every output (a quantizer makes values, scales and zero points at once).
 *
 * Each output's bytes split into `rows` equal parts, the rows of a matrix; any split into windows gives the same
 * bytes. `op` and `params` are plain data: together with the inputs they say what the bytes are, for the plan, for
 * digests and for a worker that has to rebuild the derivation.
 */
export interface Derivation {
  readonly op: string;
  readonly params: { readonly [key: string]: JsonValue };
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly TensorSpec[];
  readonly rows: number;
  /** True: only windows of whole rows can be computed; so it is where there are several outputs. */
  readonly wholeRows?: boolean;
  /** What of the inputs a window of the output is computed from. Must not grow when the window shrinks. */
  needs(window: Window): readonly Need[];
  /**
   * Computes a window. `inputs` are the regions of `needs(window)`, in that order; `outputs` one region per output,
   * which nothing else overlaps.
   */
  compute(
    window: Window,
    inputs: readonly Region[],
    outputs: readonly Region[],
    context: ComputeContext,
  ): void;
}

/** A tensor over `byteLength` bytes of a source at `offset`; the caller has checked that they exist. */
export function sourceTensor(spec: TensorSpec, source: ByteSource, offset: number, name: string): Tensor {
  const byteLength = byteLengthOf(spec.dtype, spec.shape);
  return {
    ...spec,
    byteLength,
    origin: { kind: 'source', source, offset, name },
    read: (begin, end) => {
      checkWithin(begin, end, byteLength);
      return source.read(offset + begin, offset + end);
    },
  };
}

/** A tensor whose bytes are in memory: constants and tests. */
export function inlineTensor(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const byteLength = byteLengthOf(dtype, shape);
  if (bytes.byteLength !== byteLength) {
    throw new RangeError(`${dtype}[${shape}] takes ${byteLength} bytes, ${bytes.byteLength} given`);
  }
  return {
    dtype,
    shape,
    byteLength,
    origin: { kind: 'inline', bytes },
    read: async (begin, end) => {
      checkWithin(begin, end, byteLength);
      return bytes.subarray(begin, end);
    },
  };
}

/** The tensors that a derivation computes, in the order of its outputs. */
export function derivedTensors(derivation: Derivation): readonly Tensor[] {
  return derivation.outputs.map((spec, output) => {
    const byteLength = byteLengthOf(spec.dtype, spec.shape);
    if (derivation.rows > 0 && byteLength % derivation.rows !== 0) {
      throw new RangeError(`${derivation.op}: ${byteLength} bytes do not split into ${derivation.rows} rows`);
    }
    return {
      ...spec,
      byteLength,
      origin: { kind: 'derived', derivation, output },
      read: async (begin: number, end: number) => {
        checkWithin(begin, end, byteLength);
        return readDerived(derivation, output, begin, end, 'unquantized');
      },
    };
  });
}

/** The single tensor of a derivation with one output. */
export function derivedTensor(derivation: Derivation): Tensor {
  const [tensor, ...rest] = derivedTensors(derivation);
  if (tensor === undefined || rest.length > 0) throw new RangeError(`${derivation.op} has not one output`);
  return tensor;
}

/** All bytes of a tensor: only for tensors known to be small. Throws VC3901, see `NonFinite`. */
export function readAll(
  tensor: Tensor,
  nonFinite: Exclude<NonFinite, 'refuse'> = 'unquantized',
): Promise<Uint8Array> {
  const { origin, byteLength } = tensor;
  if (origin.kind !== 'derived') return tensor.read(0, byteLength);
  return readDerived(origin.derivation, origin.output, 0, byteLength, nonFinite);
}

function checkWithin(begin: number, end: number, byteLength: number): void {
  if (!(0 <= begin && begin <= end && end <= byteLength)) {
    throw new RangeError(`bytes ${begin}..${end} are outside a tensor of ${byteLength} bytes`);
  }
}
