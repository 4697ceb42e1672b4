/** JSON files, templates and tokenizers of a checkpoint folder: read whole under a size cap. */
import { type DiagnosticRecord, diagnostic, fail, VlmError } from '../../report/diagnostics.ts';
import { list, systemReason } from '../../report/show.ts';
import { fileSource } from '../../tensor/byte-source.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import { isJsonObject, JsonError, parseJson } from '../json.ts';
import { readSentencePiece, type SentencePieceModel } from '../sentencepiece/read.ts';
import { requireConvertible } from '../sentencepiece/tokenizer-json.ts';
import type { JsonObject } from './checkpoint.ts';
import { type Folder, fileIn } from './folder.ts';

/** Tokenizers reach 35 MB, the index of the largest models 15 MB; beyond this a file is no side file. */
const maxJsonBytes = 64 << 20;

/** Every warning about a file is passed to `warn`. */
export type Warn = (record: DiagnosticRecord) => void;

/**
 * config.json.
 *
 * @throws VlmError VC1110 to VC1113, VC1104, VC1105
 */
export async function readConfig(folder: Folder, warn: Warn): Promise<JsonObject> {
  const where = 'config.json';
  if (fileIn(folder, where) === undefined) {
    const hint = missingConfigHint(folder);
    throw fail('VC1110', { where: folder.path, ...(hint === undefined ? {} : { hint }) });
  }
  const bytes = await readFile(folder, where);
  if (bytes.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))) {
    throw fail('VC1111', { where, found: `${bytes.byteLength} bytes without content` });
  }
  const value = parseFile(bytes, where, warn, 'VC1112');
  if (!isJsonObject(value)) throw fail('VC1113', { where, found: shape(value), expected: 'an object' });
  return value;
}

/**
 * A weight index. Tensors listed twice are an error.
 *
 * @throws VlmError VC1120, VC1104, VC1105
 */
export async function readIndex(folder: Folder, where: string): Promise<JsonValue> {
  const bytes = await readFile(folder, where);
  try {
    return parseJson(bytes, { maxBytes: maxJsonBytes });
  } catch (cause) {
    if (cause instanceof JsonError) throw fail('VC1120', { where, found: cause.message, cause });
    throw cause;
  }
}

/** A side file; undefined, with a warning, where it is not usable. */
export async function readSideFile(
  folder: Folder,
  where: string,
  warn: Warn,
): Promise<JsonValue | undefined> {
  return orWarning(where, warn, async () => parseFile(await readFile(folder, where), where, warn, 'VC1104'));
}

/** A text file in UTF-8; undefined, with a warning, where it is not usable. */
export async function readText(folder: Folder, where: string, warn: Warn): Promise<string | undefined> {
  return orWarning(where, warn, async () => {
    const bytes = await readFile(folder, where);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch (cause) {
      throw fail('VC1104', { where, found: 'it is not UTF-8 text', cause });
    }
  });
}

/** A sentencepiece model; undefined, with a warning, where it is not usable. */
export async function readSentencePieceFile(
  folder: Folder,
  where: string,
  warn: Warn,
): Promise<SentencePieceModel | undefined> {
  return orWarning(where, warn, async () => {
    const model = await readSentencePiece(await readFile(folder, where), where);
    requireConvertible(model);
    return model;
  });
}

async function orWarning<T>(where: string, warn: Warn, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof VlmError)) throw cause;
    warn(diagnostic('VC1115', { where, found: cause.record.found ?? cause.record.message }));
    return undefined;
  }
}

function parseFile(bytes: Uint8Array, where: string, warn: Warn, code: 'VC1112' | 'VC1104'): JsonValue {
  const twice = new Set<string>();
  let value: JsonValue;
  try {
    value = parseJson(bytes, { maxBytes: maxJsonBytes, onDuplicateKey: (key) => twice.add(key) });
  } catch (cause) {
    if (cause instanceof JsonError) throw fail(code, { where, found: cause.message, cause });
    throw cause;
  }
  if (twice.size > 0) warn(diagnostic('VC1114', { where, found: list([...twice]) }));
  return value;
}

/** The bytes of a file that exists. */
async function readFile(folder: Folder, where: string): Promise<Uint8Array> {
  const file = fileIn(folder, where);
  if (file === undefined) throw new RangeError(`${where} is not in the folder`);
  try {
    const source = await fileSource(file, where);
    try {
      if (source.size > maxJsonBytes) {
        throw fail('VC1104', {
          where,
          found: `${source.size} bytes`,
          expected: `at most ${maxJsonBytes} bytes`,
        });
      }
      return await source.read(0, source.size);
    } finally {
      await source.close();
    }
  } catch (cause) {
    if (cause instanceof VlmError) throw cause;
    throw fail('VC1104', { where, found: systemReason(cause), cause });
  }
}

function missingConfigHint(folder: Folder): string | undefined {
  if (folder.entries.has('adapter_config.json')) {
    return 'this is an adapter: give the folder of the model that it was trained on';
  }
  if (folder.entries.get('snapshots')?.kind === 'directory') {
    return 'this is a Hugging Face cache folder: give snapshots/<revision> in it';
  }
  if ([...folder.entries.keys()].some((name) => /\.(ya?ml|pth)$/.test(name))) {
    return 'of MiniGPT-v2 it is the model section of the YAML, as JSON: docs/models.md has the commands for it and for .pth files';
  }
  return undefined;
}

function shape(value: JsonValue): string {
  if (Array.isArray(value)) return 'an array';
  return value === null ? 'null' : `a ${typeof value}`;
}
