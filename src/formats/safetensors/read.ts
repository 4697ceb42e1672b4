/**
 * Opens safetensors files: only the header is read, tensors are byte ranges of the source (row major, little
 * endian), read when somebody asks.
 */
import { stat } from 'node:fs/promises';
import { type DiagnosticDetail, fail } from '../../report/diagnostics.ts';
import { systemReason } from '../../report/show.ts';
import { type ByteSource, fileSource } from '../../tensor/byte-source.ts';
import { sourceTensor, type Tensor } from '../../tensor/tensor.ts';
import { maxHeaderBytes, parseHeader } from './header.ts';

export interface SafetensorsFile {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Bytes of the header length. */
const prefixBytes = 8;

/**
 * Opens a source; the caller keeps it open as long as it reads tensors, and closes it.
 *
 * @throws VlmError VC1002 to VC1014
 */
export async function openSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  const { name: where, size } = source;
  const start = await source.read(0, Math.min(size, sniffBytes));
  if (size < prefixBytes) {
    throw fail('VC1002', { where, found: `${size} bytes`, expected: `at least ${prefixBytes}` });
  }
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  const headerBytes = Number(length);
  if (headerBytes === 0 || headerBytes > maxHeaderBytes) {
    refuseOtherFormats(start, where);
    throw fail('VC1003', { where, found: `${length} bytes`, expected: `1 to ${maxHeaderBytes}` });
  }
  const dataStart = prefixBytes + headerBytes;
  if (dataStart > size) {
    refuseOtherFormats(start, where);
    throw fail('VC1002', {
      where,
      found: `${size} bytes in all`,
      expected: `a header of ${headerBytes} bytes, then the data`,
    });
  }
  const header = parseHeader(await source.read(prefixBytes, dataStart), size - dataStart, where);
  const tensors = new Map(
    header.entries.map(({ name, dtype, shape, begin }) => [
      name,
      sourceTensor({ dtype, shape }, source, dataStart + begin, name),
    ]),
  );
  return { metadata: header.metadata, tensors };
}

/**
 * A source over a file that is to be safetensors.
 *
 * @param name how messages, plans and digests call it
 * @throws VlmError VC1001 where it cannot be opened, VC1013 for a directory
 */
export async function safetensorsSource(path: string, name: string): Promise<ByteSource> {
  let kind: Awaited<ReturnType<typeof stat>>;
  try {
    kind = await stat(path);
  } catch (cause) {
    throw fail('VC1001', { where: name, found: systemReason(cause), cause });
  }
  if (kind.isDirectory()) throw fail('VC1013', { where: name });
  // Opening a pipe would wait for its writer.
  if (!kind.isFile()) throw fail('VC1001', { where: name, found: 'it is not a regular file' });
  try {
    return await fileSource(path, name);
  } catch (cause) {
    throw fail('VC1001', { where: name, found: systemReason(cause), cause });
  }
}

/** What to run to get safetensors from a pickle that is trusted; one under the wrong name is replaced. */
export function howToConvert(from: string): string {
  const target = from.replace(/\.[^.]*$/, '.safetensors');
  return [
    'if you trust where it is from, convert it once, in Python:',
    '    import torch; from safetensors.torch import save_file',
    `    w = torch.load(${JSON.stringify(from)}, map_location="cpu", weights_only=True)`,
    `    save_file({k: v.contiguous().clone() for k, v in w.items()}, ${JSON.stringify(target)})`,
  ].join('\n');
}

/** First bytes of what is found under the name of a safetensors file; consulted once its header length fails. */
const signatures: readonly {
  readonly start: string;
  readonly code: 'VC1011' | 'VC1012' | 'VC1014';
  readonly found?: string;
}[] = [
  { start: 'version https://git-lfs', code: 'VC1011' },
  { start: 'PK\x03\x04', code: 'VC1012', found: 'a zip archive, as torch.save writes it' },
  { start: '\x80\x02', code: 'VC1012', found: 'a pickle' },
  { start: '\x80\x03', code: 'VC1012', found: 'a pickle' },
  { start: '\x80\x04', code: 'VC1012', found: 'a pickle' },
  { start: '\x80\x05', code: 'VC1012', found: 'a pickle' },
  { start: 'GGUF', code: 'VC1014', found: 'a GGUF file' },
  { start: '\x89HDF', code: 'VC1014', found: 'an HDF5 file' },
  { start: '<!DOCTYPE', code: 'VC1014', found: 'a web page, perhaps the error page of a download' },
  { start: '<html', code: 'VC1014', found: 'a web page, perhaps the error page of a download' },
];
const sniffBytes = 64;

function refuseOtherFormats(start: Uint8Array, where: string): void {
  const text = Buffer.from(start).toString('latin1');
  for (const signature of signatures) {
    if (!text.startsWith(signature.start)) continue;
    const detail: DiagnosticDetail = {
      where,
      expected: 'a safetensors file',
      ...(signature.found === undefined ? {} : { found: signature.found }),
      ...(signature.code === 'VC1012' ? { hint: howToConvert(where) } : {}),
    };
    throw fail(signature.code, detail);
  }
}
