/** SparseTensorProto: values [nnz], indices int64 [nnz] (linear) or [nnz, rank], in ascending order, of a dense shape. */
import type { SparseTensor } from '../../graph/attribute.ts';
import { fail } from '../../report/diagnostics.ts';
import { elementCount } from '../../tensor/dtype.ts';
import { decodeShape, decodeTensor, type TensorSources } from './decode-tensor.ts';
import type { SparseTensorProto } from './proto.ts';

/** Indices are checked in blocks of about this many bytes. */
const blockBytes = 64 * 1024;

/** Throws VC2107 where values, indices and dims do not fit together. */
export function decodeSparse(proto: SparseTensorProto, sources: TensorSources, place: string): SparseTensor {
  const where = `${sources.model.name}, ${place}`;
  if (!proto.values || !proto.indices) throw fail('VC2107', { where, found: 'no values or no indices' });
  const values = decodeTensor(proto.values, sources, `values of ${place}`);
  const indices = decodeTensor(proto.indices, sources, `indices of ${place}`);
  const shape = decodeShape(proto.dims ?? [], where);
  const [count] = values.shape;
  if (values.shape.length !== 1 || count === undefined) {
    throw fail('VC2107', { where, found: `values of shape [${values.shape}]`, expected: 'one dimension' });
  }
  const linear = indices.shape.length === 1 && indices.shape[0] === count;
  const coordinates =
    indices.shape.length === 2 && indices.shape[0] === count && indices.shape[1] === shape.length;
  if (indices.dtype !== 'int64' || !(linear || coordinates)) {
    throw fail('VC2107', {
      where,
      found: `indices ${indices.dtype}[${indices.shape}] for ${count} values of [${shape}]`,
      expected: `int64[${count}] or int64[${count},${shape.length}]`,
    });
  }
  return { values, indices, shape };
}

/** Throws VC2107 where an index is outside the dense shape. */
export async function checkSparse(sparse: SparseTensor, where: string): Promise<void> {
  const limits = sparse.indices.shape.length === 1 ? [elementCount(sparse.shape)] : sparse.shape;
  if (limits.length === 0) return;
  for (let begin = 0; begin < sparse.indices.byteLength; begin += blockBytes) {
    const end = Math.min(begin + blockBytes, sparse.indices.byteLength);
    const bytes = await sparse.indices.read(begin, end);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < bytes.byteLength; at += 8) {
      const index = view.getBigInt64(at, true);
      const limit = limits[((begin + at) / 8) % limits.length] ?? 0;
      if (index < 0n || index >= BigInt(limit)) {
        throw fail('VC2107', { where, found: `index ${index}`, expected: `0..${limit - 1}` });
      }
    }
  }
}
