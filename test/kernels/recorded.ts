/** What onnxruntime's quantizers made of recorded weights: fixtures/quantize, described in its README. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixtures } from '../golden-folders.ts';

export interface Recorded {
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export function readRecorded(file: string): Map<string, Recorded> {
  const bytes = readFileSync(join(fixtures, 'quantize', file));
  const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, headerEnd)) as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          shape,
          data_offsets: [begin, end],
        },
      ]) => [name, { shape, bytes: new Uint8Array(bytes.subarray(headerEnd + begin, headerEnd + end)) }],
    ),
  );
}
