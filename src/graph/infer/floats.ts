/** Small float32 constants that decide shapes (the scales of Resize, the ends of Range). */
import type { Value } from '../value.ts';

/** The elements of a float32 constant in memory, at most 64 of them. */
export function floatsOf(value: Value): readonly number[] | undefined {
  const attribute = value.producer?.op === 'Constant' ? value.producer.attributes.get('value') : undefined;
  const tensor =
    (value.isInput ? undefined : value.initializer) ??
    (attribute?.kind === 'tensor' ? attribute.value : undefined);
  if (tensor?.dtype !== 'float32' || tensor.origin.kind !== 'inline' || tensor.byteLength > 256)
    return undefined;
  const { bytes } = tensor.origin;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 4 }, (_, index) => view.getFloat32(4 * index, true));
}
