/**
 * Bytes of derived tensors in this thread: for the small tensors of a model file, for comparisons and for tests.
 * Whole outputs are written by the workers (pipeline/), which load without waiting.
 */
import { columnsOf } from './derived/derive.ts';
import type { Derivation, NonFinite, Tensor } from './tensor.ts';
import { computeTiles, leavesOf } from './tiles.ts';
import { elementBytes } from './window.ts';
import { Workspace } from './workspace.ts';

const capacityBytes = 64 << 20;

let shared: Workspace | undefined;

/** Bytes [begin, end) of an output. Throws VC3901, see `NonFinite`. */
export async function readDerived(
  derivation: Derivation,
  output: number,
  begin: number,
  end: number,
  nonFinite: NonFinite,
): Promise<Uint8Array> {
  if (begin === end) return new Uint8Array(0);
  const spec = derivation.outputs[output];
  if (spec === undefined) throw new RangeError(`${derivation.op} has no output ${output}`);
  const rowBytes = columnsOf(derivation, output) * elementBytes(spec.dtype);
  const first = Math.floor(begin / rowBytes);
  const last = Math.ceil(end / rowBytes);
  const loaded = await loadRanges(derivation, first, last);
  const result = new Uint8Array((last - first) * rowBytes);
  shared ??= new Workspace();
  // Nothing waits from here on: the workspace is this call's alone.
  computeTiles(
    derivation,
    first,
    last,
    shared,
    { capacityBytes, nonFinite },
    (source, at, target) => {
      const range = loaded.find(
        (one) => one.source === source && one.begin <= at && at + target.byteLength <= one.end,
      );
      if (range === undefined) throw new RangeError(`${source.name} was not read at ${at}`);
      target.set(range.bytes.subarray(at - range.begin, at - range.begin + target.byteLength));
    },
    (index, offset, bytes) => {
      if (index === output) result.set(bytes, offset - first * rowBytes);
    },
  );
  return result.subarray(begin - first * rowBytes, end - first * rowBytes);
}

async function loadRanges(derivation: Derivation, first: number, last: number) {
  return Promise.all(
    leavesOf(derivation, first, last).map(async (leaf) => {
      const { source, offset } = sourceOf(leaf.tensor);
      const [begin, end] = [offset + leaf.begin, offset + leaf.end];
      return { source, begin, end, bytes: await source.read(begin, end) };
    }),
  );
}

function sourceOf(tensor: Tensor) {
  if (tensor.origin.kind !== 'source') throw new TypeError('a leaf is a source tensor');
  return tensor.origin;
}
