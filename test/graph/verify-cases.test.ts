import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cloneModel } from '../../src/graph/clone.ts';
import { inferModel } from '../../src/graph/infer/infer.ts';
import { printModel } from '../../src/graph/print.ts';
import { problemsOf, verifyModel } from '../../src/graph/verify.ts';
import { VlmError } from '../../src/report/diagnostics.ts';
import { malformedCases } from '../golden-folders.ts';
import { onnxCases, withModel } from './onnx-cases.ts';

describe('models of other tools', () => {
  for (const { name, folder, models } of onnxCases()) {
    for (const file of models) {
      test(`${name}/${file} is well formed, inferred, cloned and printed`, async () => {
        await withModel(join(folder, file), (model) => {
          expect(problemsOf(model).map((problem) => problem.message)).toEqual([]);
          inferModel(model);
          expect(problemsOf(model).map((problem) => problem.message)).toEqual([]);
          const text = printModel(model);
          const copy = cloneModel(model);
          expect(printModel(copy)).toBe(text);
          verifyModel(copy);
        });
      });
    }
  }
});

/** The codes of what the verifier decides; the other cases never become a graph. */
const codes: Readonly<Record<string, string>> = {
  'graph-no-opset': 'VC3007',
  'graph-opset-future': 'VC3013',
  'graph-domain-not-imported': 'VC3007',
  'graph-unknown-op': 'VC3005',
  'graph-op-newer-than-opset': 'VC3010',
  'graph-attr-wrong-type': 'VC3006',
  'graph-attr-missing': 'VC3006',
  'graph-attr-unknown': 'VC3006',
  'graph-too-few-inputs': 'VC3004',
  'graph-required-input-empty': 'VC3004',
  'graph-type-mismatch': 'VC3103',
  'graph-output-type-mismatch': 'VC3102',
  'graph-shape-mismatch': 'VC3101',
  'graph-if-without-branches': 'VC3006',
  'graph-loop-arity': 'VC3012',
  'function-recursion': 'VC3009',
  'function-twice': 'VC3009',
  'function-no-opset': 'VC3009',
};

describe('malformed graphs', () => {
  const cases = malformedCases('onnx/').filter(
    // What may be sorted is: see test/formats/onnx/decode.test.ts.
    ({ name, path, must }) => /\/(graph|function)-/.test(name) && must === 'reject' && existsSync(path),
  );
  for (const { name, path, wrong } of cases) {
    test(`${name} is refused: ${wrong}`, async () => {
      const refused = withModel(path, (model) => {
        verifyModel(model);
        throw new Error('accepted');
      });
      const error = await refused.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!(error instanceof VlmError)) throw error;
      expect(error.exitCode).toBe(4);
      expect(error.code).toMatch(codes[basename(name, '.onnx')] ?? /^VC2/);
    });
  }
});
