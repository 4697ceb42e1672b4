/**
 * Brings dist/ up to date before the tests: the SIMD kernels, and the compiled sources that worker threads run.
 * Types are `npm run typecheck`'s matter: sources that tsc finds fault with are compiled all the same.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const repository = resolve(import.meta.dirname, '../..');

const modified = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** When the newest file below a folder was written. */
function newest(folder: string): number {
  const files = readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' });
  return Math.max(...files.map((file) => modified(join(repository, folder, file))));
}

function node(...args: readonly string[]): void {
  execFileSync(process.execPath, args, { cwd: repository, stdio: 'inherit' });
}

export function setup(): void {
  if (newest('src/kernels/simd') > modified(join(repository, 'dist/kernels/kernels.wasm'))) {
    node('scripts/build-kernels.js');
  }
  // Written last by the build, from what was compiled before.
  if (newest('src') > modified(join(repository, 'dist/config.schema.json'))) {
    const tsc = join(repository, 'node_modules/.bin/tsc');
    spawnSync(tsc, ['-p', 'tsconfig.build.json'], { cwd: repository, stdio: 'inherit' });
    node('scripts/write-schemas.js');
  }
}
