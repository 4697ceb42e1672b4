/** The file that a drawn picture goes into: never half-written, and no other file is lost by it. */
import { constants } from 'node:fs';
import { access, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import type { Picture } from '../parity/index.ts';
import { fail } from '../report/diagnostics.ts';
import { quote, systemReason } from '../report/show.ts';
import { existing, writeFileSynced } from './output-folder.ts';

/**
 * Drawing takes minutes: throws VC4002 where the name is not that of a PNG file, VC5122 where the file is there without
 * `force`, VC5105 where none can be made.
 */
export async function checkPictureFile(path: string, force: boolean): Promise<void> {
  if (extname(path).toLowerCase() !== '.png') {
    throw fail('VC4002', { where: '--generate', found: quote(basename(path)), expected: 'a name in .png' });
  }
  const standing = await stat(path).catch(() => undefined);
  if (standing !== undefined && (!force || !standing.isFile())) {
    throw fail('VC5122', {
      where: path,
      ...(standing.isFile() ? {} : { found: 'no file', expected: 'a name for a file' }),
    });
  }
  const folder = await existing(dirname(path));
  try {
    if (!(await stat(folder)).isDirectory()) throw new Error(`${folder} is no folder`);
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw fail('VC5105', { where: basename(path), found: systemReason(cause), cause });
  }
}

/** Writes it as PNG, 8 bits per channel. Throws as `checkPictureFile`. */
export async function writePicture(
  path: string,
  { width, height, rgb }: Picture,
  force: boolean,
): Promise<void> {
  const { default: sharp } = await import('sharp');
  const png = await sharp(rgb, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  const partial = `${path}.${process.pid}.partial`;
  try {
    await writeFileSynced(partial, png);
    await checkPictureFile(path, force);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
