/** What the benchmarks do to files between runs: sizes, state of the page cache, digests. */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** @param {string} path a file or a folder @returns {string[]} all files there */
export function filesBelow(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** @param {string} path a file or a folder */
export const bytesBelow = (path) => filesBelow(path).reduce((sum, file) => sum + statSync(file).size, 0);

/** The weights of a checkpoint. @param {string} folder */
export const weightFiles = (folder) => filesBelow(folder).filter((file) => file.endsWith('.safetensors'));

/** Waits until no dirty page is left, so that nobody pays for what was written before. */
export const settle = () => execFileSync('sync');

/** Waits until these files are on the disk. @param {readonly string[]} files */
export const syncFiles = (files) => execFileSync('sync', files);

/** Drops clean pages of these files from the page cache, and no others (posix_fadvise). @param {readonly string[]} files */
export function evict(files) {
  settle();
  for (const file of files)
    execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
}

/** Brings files into the page cache. @param {readonly string[]} files */
export function warm(files) {
  const block = Buffer.alloc(8 * 2 ** 20);
  for (const file of files) {
    const descriptor = openSync(file, 'r');
    while (readSync(descriptor, block) > 0);
    closeSync(descriptor);
  }
  settle();
}

/** Path and digest of every file that a conversion wrote. @param {string} folder @returns {string} */
export function digests(folder) {
  /** @type {{ files: { path: string, sha256: string }[] }} */
  const { files } = JSON.parse(readFileSync(join(folder, 'vlm-convert.json'), 'utf8'));
  return files.map(({ path, sha256 }) => `${sha256} ${path}`).join('\n');
}

/** @param {string} path */
export function requireBuild(path) {
  if (!existsSync(path)) throw new Error(`${path} is not there: run npm run build first`);
}
