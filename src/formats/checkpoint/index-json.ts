/**
 * The weight index of a sharded checkpoint, `model.safetensors.index.json`:
 * `{"metadata": …, "weight_map": {tensor name: file name}}`.
 */
import { win32 } from 'node:path';
import { fail } from '../../report/diagnostics.ts';
import { quote, show } from '../../report/show.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import { isJsonObject } from '../json.ts';

/** Tensor name → name of the file that holds it, a plain name within the folder. */
export type WeightMap = ReadonlyMap<string, string>;

/**
 * @param where the index file, for messages
 * @throws VlmError VC1121, VC1122
 */
export function parseWeightMap(index: JsonValue, where: string): WeightMap {
  const weightMap = isJsonObject(index) ? index.weight_map : undefined;
  if (!isJsonObject(weightMap)) {
    throw fail('VC1121', {
      where,
      found: isJsonObject(index) ? `weight_map: ${show(weightMap)}` : show(index),
      expected: '{"weight_map": {tensor name: file name}}',
    });
  }
  const files = new Map<string, string>();
  for (const [tensor, file] of Object.entries(weightMap)) {
    if (typeof file !== 'string') {
      throw fail('VC1121', {
        where: `${where}: weight_map: ${quote(tensor)}`,
        found: show(file),
        expected: 'a file name',
      });
    }
    if (!isPlainName(file)) {
      throw fail('VC1122', {
        where: `${where}: weight_map: ${quote(tensor)}`,
        found: quote(file),
        expected: 'the name of a file in the folder, without a path',
      });
    }
    files.set(tensor, file);
  }
  if (files.size === 0) throw fail('VC1121', { where, found: 'an empty weight_map' });
  return files;
}

/** One component, on every system (Windows takes both separators, and drives): no NUL, not `.` or `..`. */
function isPlainName(name: string): boolean {
  return (
    name !== '' && name !== '.' && name !== '..' && !name.includes('\0') && win32.basename(name) === name
  );
}
