/**
 * Compiles src/kernels/simd to <output folder>/kernels/kernels.wasm. Part of the build:
 *
 *   node scripts/build-kernels.js [output folder, default dist]
 *
 * The module's memory is imported and all of it is the importer's: no data, no allocator, no start function.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import asc from 'assemblyscript/asc';

const folder = join(resolve(process.argv[2] ?? 'dist'), 'kernels');
const options = '-O3 --enable simd --importMemory --noExportMemory --runtime stub --noAssert';

/** @type {Uint8Array | undefined} */
let binary;
const { error, stderr } = await asc.main(
  [
    'index.ts',
    '-o',
    'kernels.wasm',
    '--baseDir',
    resolve(import.meta.dirname, '../src/kernels/simd'),
    ...options.split(' '),
  ],
  {
    writeFile: (_name, contents) => {
      if (typeof contents !== 'string') binary = contents;
    },
  },
);
if (error !== null || binary === undefined) {
  console.error(stderr.toString());
  throw new Error('the kernels do not compile', { cause: error });
}
await mkdir(folder, { recursive: true });
// Renamed into place: who loads kernels meanwhile sees the old ones or the new ones.
const temporary = join(folder, `kernels.${process.pid}.tmp`);
await writeFile(temporary, binary);
await rename(temporary, join(folder, 'kernels.wasm'));
