/** Inferred types of the recorded models, as exporters wrote them, against what onnxruntime computes. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readIo } from '../../support/read-io.ts';
import { onnxCases, withModel } from '../onnx-cases.ts';
import { feedsOf, fullyInferred, knownShapes } from './shape-oracle.ts';

describe('inferred shapes are those that onnxruntime computes', () => {
  for (const { name, folder } of onnxCases()) {
    const [path, io] = [join(folder, 'model.onnx'), join(folder, 'io.safetensors')];
    if (name.startsWith('edge/') || !existsSync(path) || !existsSync(io)) continue;
    test(name, async () => {
      await withModel(path, async (model) => {
        const recorded = await readIo(io);
        const { alt_refused_by_onnxruntime: refused } = JSON.parse(
          readFileSync(join(folder, 'case.json'), 'utf8'),
        ) as { alt_refused_by_onnxruntime?: string };
        for (const prefix of refused === undefined ? ['in.', 'alt.in.'] : ['in.']) {
          const feeds = feedsOf(model, recorded, prefix);
          if (feeds === undefined) continue;
          const fraction = await knownShapes(path, model, feeds);
          expect(fraction).toBeGreaterThanOrEqual(fullyInferred.has(name) ? 1 : 0);
        }
      });
    });
  }
});
