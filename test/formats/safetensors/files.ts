/** Safetensors files made by hand, as text and bytes, so that nothing of src writes what src reads. */
import { type ByteSource, memorySource } from '../../../src/tensor/byte-source.ts';

export function fileBytes(header: string, data: Uint8Array | number = 0): Uint8Array {
  const json = new TextEncoder().encode(header);
  const body = typeof data === 'number' ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + json.byteLength + body.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.byteLength), true);
  bytes.set(json, 8);
  bytes.set(body, 8 + json.byteLength);
  return bytes;
}

export function fileOf(header: string, data: Uint8Array | number = 0): ByteSource {
  return memorySource('a.safetensors', fileBytes(header, data));
}
