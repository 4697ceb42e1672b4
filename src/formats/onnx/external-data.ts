/**
 * External data: files that hold tensors beside a model. A location comes from the file, so it is checked twice:
 * as text (relative, no way up, nothing that another platform reads as absolute) and, on disk, after links are
 * resolved. Nothing outside the model's folder is ever opened.
 */
import { realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { fail } from '../../report/diagnostics.ts';
import { type ByteSource, fileSource } from '../../tensor/byte-source.ts';
import type { TensorProto } from './proto.ts';

/** Opens the data files of a model. Locations have passed `checkLocation`. */
export interface ExternalFiles {
  /**
   * Throws VC2202 where the location leads out of the folder, VC2203 where there is no regular file.
   * `where` names the tensor that asks, for the message.
   */
  open(location: string, where: string): Promise<ByteSource>;
  close(): Promise<void>;
}

/** Where a tensor's data stands, as its external_data entries say. */
export interface ExternalRange {
  readonly location: string;
  readonly offset: number;
  /** Undefined: as much as the tensor needs. */
  readonly length: number | undefined;
}

/** The data files in a folder, each opened once. */
export function folderFiles(folder: string): ExternalFiles {
  const open = new Map<string, Promise<ByteSource>>();
  return {
    open: (location, where) => {
      const known = open.get(location) ?? openInside(folder, location, where);
      open.set(location, known);
      return known;
    },
    close: async () => {
      for (const result of await Promise.allSettled(open.values())) {
        if (result.status === 'fulfilled') await result.value.close();
      }
    },
  };
}

async function openInside(folder: string, location: string, where: string): Promise<ByteSource> {
  let target: string;
  try {
    target = await realpath(join(folder, location));
  } catch (cause) {
    throw fail('VC2203', { where, found: `no file ${JSON.stringify(location)}`, cause });
  }
  const way = relative(await realpath(folder), target);
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) {
    throw fail('VC2202', { where, found: `a link out of the folder: ${JSON.stringify(location)}` });
  }
  try {
    return await fileSource(target, location);
  } catch (cause) {
    throw fail('VC2203', { where, found: cause instanceof Error ? cause.message : String(cause), cause });
  }
}

/** Throws VC2202 unless a location is a plain relative path on every platform. */
export function checkLocation(location: string, where: string): void {
  const found = problem(location);
  if (found !== undefined) throw fail('VC2202', { where, found: `${found}: ${JSON.stringify(location)}` });
}

function problem(location: string): string | undefined {
  if (location.includes('\0')) return 'a NUL byte';
  if (location.includes('\\')) return 'a backslash';
  if (location.startsWith('/')) return 'an absolute path';
  if (/^[a-z]:/i.test(location)) return 'a drive letter';
  if (/^[a-z][a-z0-9+.-]*:\//i.test(location)) return 'a URL';
  if (location.split('/').includes('..')) return 'a way out of the folder';
  return undefined;
}

/** Reads a tensor's external_data. Throws VC2201 without location, VC2202 for a bad one, VC2204 for bad numbers. */
export function externalRange(proto: TensorProto, where: string): ExternalRange {
  const entries = new Map((proto.externalData ?? []).map((entry) => [entry.key ?? '', entry.value ?? '']));
  const location = entries.get('location') ?? '';
  if (location === '') throw fail('VC2201', { where });
  checkLocation(location, where);
  const number = (key: string): number | undefined => {
    const text = entries.get(key);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) {
      throw fail('VC2204', { where, found: `${key} ${JSON.stringify(text)}`, expected: 'decimal digits' });
    }
    return value;
  };
  return { location, offset: number('offset') ?? 0, length: number('length') };
}
