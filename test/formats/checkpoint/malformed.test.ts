import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import { malformedCases } from '../../golden-folders.ts';

/**
 * What this layer decides, with the codes that may meet it. The other cases are fine folders with wrong
 * contents: the architecture refuses those, so opening must succeed.
 */
const codes: Readonly<Record<string, readonly string[]>> = {
  'index-outside-folder': ['VC1122'],
  'index-absolute-path': ['VC1122'],
  // Where the link came as a text file of its target, the shard is no safetensors file.
  'index-symlink': ['VC1105', 'VC1003'],
  'index-tensor-not-in-shard': ['VC1124'],
  'index-tensor-in-both-shards': ['VC1125'],
  'index-missing-shard': ['VC1123'],
  'index-broken-json': ['VC1120'],
  'index-weight-map-missing': ['VC1121'],
  'index-value-not-string': ['VC1121'],
  'config-broken': ['VC1112'],
  'config-empty': ['VC1111'],
  'config-missing': ['VC1110'],
  'weights-missing': ['VC1130'],
};

describe('meets every malformed checkpoint as expected', () => {
  for (const { name, path, must, wrong } of malformedCases('checkpoint/')) {
    const expected = codes[name.replace('checkpoint/', '')];
    it(`${name}: ${wrong}: ${expected === undefined ? 'opens' : must}`, async () => {
      if (expected === undefined) {
        const checkpoint = await openCheckpoint(path);
        await checkpoint.close();
        // One layer of a tiny LLaVA.
        expect(checkpoint.tensors.size).toBeGreaterThan(30);
        expect(checkpoint.problems).toEqual([]);
        return;
      }
      expect(must).toBe('reject');
      const error = await openCheckpoint(path).catch((cause: unknown) => cause);
      if (!(error instanceof VlmError)) throw new Error(`no VlmError: ${String(error)}`);
      expect(expected).toContain(error.code);
      expect(error.exitCode).toBe(4);
      expect(error.record.where).toBeDefined();
    });
  }
});
