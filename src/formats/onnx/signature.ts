/** Tells files that are plainly something else from broken ONNX files, so that the message can say what to do. */
import { fail } from '../../report/diagnostics.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';

interface Signature {
  readonly what: string;
  readonly start: string | readonly number[];
  readonly hint?: string;
}

/** None of these can begin a ModelProto that a tool would write. */
const signatures: readonly Signature[] = [
  {
    what: 'a Git LFS pointer',
    start: 'version https://git-lfs',
    hint: 'fetch the file itself: git lfs pull',
  },
  { what: 'a zip archive', start: 'PK\u0003\u0004', hint: 'unpack it, or export the PyTorch file to ONNX' },
  { what: 'a Python pickle', start: [0x80, 2] },
  { what: 'a Python pickle', start: [0x80, 3] },
  { what: 'a Python pickle', start: [0x80, 4] },
  { what: 'a Python pickle', start: [0x80, 5] },
  { what: 'JSON', start: '{' },
];

/** Throws VC2002 for an empty file and for one that starts like another format. */
export async function checkSignature(source: ByteSource): Promise<void> {
  const head = await source.read(0, Math.min(source.size, 64));
  if (head.byteLength === 0) throw fail('VC2002', { where: source.name, found: 'an empty file' });
  for (const { what, start, hint } of signatures) {
    const bytes = typeof start === 'string' ? [...start].map((letter) => letter.charCodeAt(0)) : start;
    if (bytes.every((byte, index) => head[index] === byte)) {
      throw fail('VC2002', { where: source.name, found: what, ...(hint === undefined ? {} : { hint }) });
    }
  }
}
