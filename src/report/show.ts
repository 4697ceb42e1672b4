/**
 * Short, safe text for values that come from files: quoted, cut, without control characters, so that a name in
 * a checkpoint can neither fill a terminal nor steer it.
 */

const shownLength = 100;
const shownItems = 8;

/** What terminals may act on and JSON leaves as it is: DEL, C1 controls, line separators, text direction. */
const unsafe = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A name in quotes: `"model.layers.0.weight"`. */
export function quote(text: string): string {
  const cut = text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
  return JSON.stringify(cut).replace(
    unsafe,
    (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}

/** A JSON value in a few words: `"a"`, `3`, `[1, 2]`, `an object of 3 keys`. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) {
    const items = value.slice(0, shownItems).map((item) => (Array.isArray(item) ? '[…]' : show(item)));
    const more = value.length > shownItems ? `, … ${value.length} in all` : '';
    return `[${items.join(', ')}${more}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const { length } = Object.keys(value);
    return `an object of ${length} ${length === 1 ? 'key' : 'keys'}`;
  }
  return String(value);
}

/** Names in quotes, the first few: `"a", "b" and 3 more`. */
export function list(names: readonly string[]): string {
  const shown = names.slice(0, shownItems).map(quote).join(', ');
  return names.length > shownItems ? `${shown} and ${names.length - shownItems} more` : shown;
}

/** What a system call failed with: `no permission (EACCES)`. */
export function systemReason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
  if (code !== undefined && code in systemCodes) {
    return `${systemCodes[code as keyof typeof systemCodes]} (${code})`;
  }
  return cause instanceof Error ? cause.message : String(cause);
}

const systemCodes = {
  ENOENT: 'it does not exist',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  ELOOP: 'its symbolic links go in a circle',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many open files',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
  EIO: 'the disk failed',
} as const;
