/**
 * Recorded ONNX files through the product's door: converted at every precision, and proven by their own check. What the
 * runtime does not take as it was recorded cannot be checked, and says so before anything is written.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ConvertGraphOptions, convertGraph, graphSummary, VlmError } from '../../src/index.ts';
import { onnxCases } from '../graph/onnx-cases.ts';

const precisions = ['fp32', 'fp16', 'int8', 'int4'] as const;

/** Why a case cannot be run: operators and versions that the runtime lacks, values that no session takes. */
const unrunnable: Readonly<Record<string, 'VC6003' | 'VC6004' | 'VC6108'>> = {
  'edge/attribute-kinds/model.onnx': 'VC6003',
  'edge/custom-domain-chain/model.onnx': 'VC6003',
  'edge/duplicate-node-names/model.onnx': 'VC6003',
  'edge/ir-versions/model.ir14.onnx': 'VC6003',
  'edge/constant-forms/model.onnx': 'VC6004',
  'edge/sequences/model.onnx': 'VC6004',
  'edge/string-tensors/model.onnx': 'VC6108',
};

/** The largest float32 is beyond float16 and becomes its largest. */
const beyond = 'edge/integer-storage/model.onnx fp16';

const files = onnxCases().flatMap(({ name, folder, models }) =>
  models.map((model) => ({ folder, model, label: `${name}/${model}` })),
);

async function convertTo(options: Omit<ConvertGraphOptions, 'output'>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'vlm-converted-'));
  const output = join(root, 'out');
  try {
    const { passed, parity } = await convertGraph({ ...options, output });
    if (parity === undefined) throw new Error('it was not checked');
    return passed ? 'passed' : graphSummary(parity).join('\n');
  } catch (error) {
    if (!(error instanceof VlmError)) throw error;
    expect(existsSync(output)).toBe(false);
    return error.code;
  } finally {
    await rm(root, { recursive: true });
  }
}

describe.each(files)('$label', ({ folder, model, label }) => {
  it.each(precisions)('%s', async (precision) => {
    const result = await convertTo({ model: join(folder, model), precision });
    if (`${label} ${precision}` === beyond) expect(result).toContain('FAILED: f32_o');
    else expect(result).toBe(unrunnable[label] ?? 'passed');
  });
});
