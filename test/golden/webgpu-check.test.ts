/**
 * The check on WebGPU (SwiftShader in CI, see .ci/run): the original and the output of Monkey tiny on the same device,
 * with the runtime's own record of what ran there. Where there is no driver the tests skip, saying so.
 */
import { describe, expect, it } from 'vitest';
import type { ParityReport } from '../../src/index.ts';
import { softwareDriver } from '../../src/runtime/devices.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { missingWebgpu } from '../support/webgpu.ts';
import { failedGates, withConverted } from './convert-case.ts';

const missing = await missingWebgpu();
if (missing !== undefined) console.log(`tests of the check on WebGPU are skipped: ${missing}`);

/** One tile and the global view: what a software device runs in seconds. */
const resolution = { width: 448, height: 448 };

/** Without fuse-attention, which SwiftShader computes wrongly (VC6006; docs/parity.md, "On a GPU"). */
function passes(last: string) {
  const plain = `fold,dead-code${last}`;
  return { vision: `retarget-resolution{448x448},merge-lora,${plain}`, embed: plain, decoder: plain };
}

function placementOf({ placement = [] }: ParityReport, component: string, build: string) {
  const found = placement.find((one) => one.component === component && one.build === build);
  if (found === undefined) throw new Error(`nothing on where ${component}, ${build} ran`);
  const onGpu = found.providers.find(({ provider }) => provider === 'WebGpuExecutionProvider');
  return { ...found, operators: onGpu?.operators ?? {} };
}

describe.skipIf(missing !== undefined)('the check on WebGPU', () => {
  it.each([
    ['fp32', passes(''), 'MatMul'],
    ['int4', passes(',int4{block=32},dead-code'), 'MatMulNBits'],
  ] as const)(
    'passes at %s, and proves what ran there',
    async (_, text, product) => {
      const golden = goldenCase('monkey/tiny-896');
      await withConverted(golden, { resolution, passes: text, device: 'webgpu' }, async ({ result }) => {
        expect(failedGates(result)).toEqual([]);
        const report = result.parity;
        if (report === undefined) throw new Error('not checked');
        expect(report.runtime).toMatchObject({ device: 'webgpu', requested: 'webgpu' });
        expect(report.levels.map(({ level }) => level)).toEqual([
          'device',
          'rewrite',
          'implementation',
          'fidelity',
        ]);
        // Another machine than the CPU: its sums are not the CPU's to the last bit.
        const [device] = report.levels;
        for (const kind of ['features', 'logits', 'cache']) {
          const found = device?.outputs.find(({ output }) => output === kind);
          expect(found?.metrics.maxAbs.value).toBeGreaterThan(0);
        }
        for (const build of ['reference', 'converted']) {
          for (const component of ['vision', 'embed', 'decoder']) {
            expect(placementOf(report, component, build).proven).toBe(true);
          }
          // What computes is on the GPU; what is left to the CPU are shapes, masks and positions.
          const own = build === 'reference' ? 'MatMul' : product;
          expect(placementOf(report, 'vision', build).operators[own]).toBeGreaterThan(20);
          expect(placementOf(report, 'decoder', build).operators[own]).toBeGreaterThan(9);
          expect(placementOf(report, 'embed', build).fellBack).toEqual([]);
          for (const component of ['vision', 'decoder']) {
            const left = new Set(
              placementOf(report, component, build).fellBack.map(({ operator }) => operator),
            );
            for (const heavy of ['MatMul', 'MatMulNBits', 'Softmax', 'LayerNormalization', 'Conv', 'Gemm']) {
              expect(left).not.toContain(heavy);
            }
          }
          const mask = placementOf(report, 'decoder', build).fellBack.map(({ operator }) => operator);
          expect(mask).toContain('LessOrEqual');
        }
        const says = report.runtime.notes.some((note) => note.includes('MultiHeadAttention wrongly'));
        expect(says).toBe(softwareDriver() === 'swiftshader');
      });
    },
    600_000,
  );
});
