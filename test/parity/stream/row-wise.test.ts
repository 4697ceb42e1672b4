/** Parts that work token by token: which they are, and that fewer tokens give the same for those that are left. */
import { expect, it } from 'vitest';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { encodeModel } from '../../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../../src/formats/onnx/layout.ts';
import { Random } from '../../../src/parity/inputs/random.ts';
import { cutBuilds } from '../../../src/parity/stream/builds.ts';
import { rowWiseInput, selectRows } from '../../../src/parity/stream/row-wise.ts';
import { buildsOf } from '../../../src/pipeline/check-plan.ts';
import { compile } from '../../../src/pipeline/compile.ts';
import { resolveOptions } from '../../../src/pipeline/options.ts';
import { build } from '../../../src/pipeline/plan.ts';
import { openSession } from '../../../src/runtime/session.ts';
import { float32Value, toFloat32 } from '../../../src/runtime/values.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { blocks } from '../../support/streamed-check.ts';

it.each([
  ['monkey/tiny-896', 'int4'],
  ['qwen-vl/tiny-long', 'fp16'],
  ['llava/hf-tiny', 'int8'],
  ['llava/hf-tiny', 'fp32'],
] as const)('the head of %s in %s is one, and no block is', async (name, precision) => {
  const options = resolveOptions({ checkpoint: goldenCase(name).checkpoint, precision });
  const checkpoint = await openCheckpoint(options.checkpoint);
  try {
    const components = await compile(build(checkpoint, options), options);
    for (const one of components) {
      for (const parts of cutBuilds(buildsOf(one), blocks).values()) {
        const isDecoder = one.component.id === 'decoder';
        const found = parts.map(rowWiseInput);
        expect(found.slice(0, -1).every((input) => input === undefined)).toBe(true);
        expect(found.at(-1) !== undefined).toBe(isDecoder);
        const head = parts.at(-1);
        const input = found.at(-1);
        if (head === undefined || input === undefined) continue;
        const layout = layoutModel(head.model, { fileName: 'head', inlineLimit: 2 ** 30 });
        const session = await openSession(
          { bytes: await encodeModel(head.model, layout) },
          { device: 'cpu' },
        );
        const type = head.model.graph.inputs[0]?.type;
        const hidden = type?.kind === 'tensor' ? Number(type.shape?.[2]) : 0;
        const random = new Random(7);
        const all = float32Value(
          [1, 9, hidden],
          Float32Array.from({ length: 9 * hidden }, () => random.unit() - 0.5),
        );
        const logits = async (value: typeof all) =>
          (await session.run(new Map([[input, value]]))).get('logits') ?? all;
        const wanted = toFloat32(selectRows(await logits(all), [0, 4, 8]));
        const some = toFloat32(await logits(selectRows(all, [0, 4, 8])));
        await session.release();
        expect(some.length).toBe(wanted.length);
        // One product of another number of rows may sum in another order.
        for (const [at, value] of wanted.entries())
          expect(Math.abs((some[at] ?? 0) - value)).toBeLessThan(2e-3);
      }
    }
  } finally {
    await checkpoint.close();
  }
});
