/**
 * What a checkpoint's layout is made of. Linear weights are [out, in], convolutions [out, in, kh, kw], all bf16.
 *
 * @typedef {{ name: string, shape: readonly number[], fill: 'normal' | 'ones', key: string }} Entry
 *   `key` seeds the values: equal keys hold equal values in every checkpoint
 * @typedef {{ tensors: readonly Entry[], config: Record<string, unknown>, sideFiles: readonly string[],
 *   shardBytes: number }} Layout
 *   tensors in the order of their modules; `sideFiles` are paths of what is copied beside them
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const fixtures = resolve(import.meta.dirname, '../../fixtures');

/** @param {string} name @param {readonly number[]} shape @returns {Entry} */
export const normal = (name, ...shape) => ({ name, shape, fill: 'normal', key: name });
/** @param {string} name @param {readonly number[]} shape @returns {Entry} */
export const ones = (name, ...shape) => ({ name, shape, fill: 'ones', key: name });
/** @param {string} name @param {number} width */
export const layerNorm = (name, width) => [ones(`${name}.weight`, width), normal(`${name}.bias`, width)];
/** @param {string} name @param {number} outputs @param {number} inputs */
export const biased = (name, outputs, inputs) => [
  normal(`${name}.weight`, outputs, inputs),
  normal(`${name}.bias`, outputs),
];
/** @template T @param {number} count @param {(index: number) => T[]} make */
export const repeat = (count, make) => Array.from({ length: count }, (_, index) => make(index)).flat();

/** The config of a fixture, for what does not depend on sizes. @param {string} folder */
export const fixtureConfig = (folder) =>
  JSON.parse(readFileSync(join(fixtures, folder, 'config.json'), 'utf8'));
/** @param {string} folder @param {readonly string[]} names */
export const fixtureFiles = (folder, names) => names.map((name) => join(fixtures, folder, name));

/** @param {readonly Entry[]} tensors */
export const parameters = (tensors) =>
  tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
