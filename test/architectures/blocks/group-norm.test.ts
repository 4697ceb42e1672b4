/** Group normalisation against its definition, with several channels to a group, and in float16 where squares overflow. */
import { expect, it } from 'vitest';
import { convolution2d } from '../../../src/architectures/blocks/convolution2d.ts';
import { groupNorm } from '../../../src/architectures/blocks/group-norm.ts';
import type { Model } from '../../../src/graph/model.ts';
import { tensorType } from '../../../src/graph/types.ts';
import { runPipeline } from '../../../src/pipeline/pass-manager.ts';
import { parsePipeline } from '../../../src/pipeline/pipeline-text.ts';
import { float32Value, toFloat32 } from '../../../src/runtime/values.ts';
import { deviation } from '../../support/deviation.ts';
import { buildModel, randomNumbers, randomWeight, runModel } from '../../support/run-model.ts';

const [batch, channels, groups, rows, columns] = [2, 12, 4, 5, 7];
const area = rows * columns;
const epsilon = 0.25;
const weight = { name: 'norm.weight', tensor: randomWeight('norm.weight', [channels], 3, 1) };
const bias = { name: 'norm.bias', tensor: randomWeight('norm.bias', [channels], 4, 1) };

/** As torch defines it, in float64. */
function expected(x: Float32Array): Float32Array {
  const scale = randomNumbers(channels, 3, 1);
  const shift = randomNumbers(channels, 4, 1);
  const size = (channels / groups) * area;
  return x.map((value, i) => {
    const group = Math.floor(i / size) * size;
    const all = Array.from(x.subarray(group, group + size), Number);
    const mean = all.reduce((sum, each) => sum + each, 0) / size;
    const variance = all.reduce((sum, each) => sum + (each - mean) ** 2, 0) / size;
    const channel = Math.floor(i / area) % channels;
    return ((value - mean) / Math.sqrt(variance + epsilon)) * (scale[channel] ?? 0) + (shift[channel] ?? 0);
  });
}

function model(): Model {
  return buildModel((b) => {
    const x = b.input('x', tensorType('float32', ['batch_size', channels, rows, columns]));
    // What float16 computes stands on both sides, as in a picture's decoder.
    const identity = Float32Array.from({ length: channels * channels }, (_, i) =>
      Number(i % (channels + 1) === 0),
    );
    const one = {
      weight: { name: 'one', tensor: b.float32(identity, [channels, channels, 1, 1]).initializer },
      bias: { name: 'zero', tensor: b.float32(new Float32Array(channels)).initializer },
    };
    const { weight: kernel, bias: nothing } = one;
    if (kernel.tensor === undefined || nothing.tensor === undefined) throw new Error('no constants');
    const same = convolution2d(b, x, {
      weight: { name: kernel.name, tensor: kernel.tensor },
      bias: { name: nothing.name, tensor: nothing.tensor },
    });
    b.output('y', groupNorm(b, same, { weight, bias, groups, epsilon }, { rows, columns }));
  });
}

const input = (scale: number) => {
  const data = randomNumbers(batch * channels * area, 5, scale).map((value) => value + 2 * scale);
  return float32Value([batch, channels, rows, columns], data);
};

it('is that of torch', async () => {
  for (const scale of [1, 0.1]) {
    const x = input(scale);
    const found = await runModel(model(), { x });
    const y = found.get('y');
    if (y === undefined) throw new Error('no y');
    expect(deviation(toFloat32(y), expected(toFloat32(x)))).toBeLessThan(1e-5);
  }
});

it('stays what it is in float16, where squares are beyond its range', async () => {
  const x = input(1000);
  const half = model();
  await runPipeline(half, parsePipeline('float16'), {});
  const dtypeOf = (op: string) => {
    const type = [...half.graph.nodes()].find((node) => node.op === op)?.output.type;
    return type?.kind === 'tensor' ? type.dtype : undefined;
  };
  expect(dtypeOf('Conv')).toBe('float16');
  // The CPU's kernel would compute in float32 in any case; a GPU's would not.
  expect(dtypeOf('InstanceNormalization')).toBe('float32');
  const y = (await runModel(half, { x })).get('y');
  if (y === undefined) throw new Error('no y');
  expect(deviation(toFloat32(y), expected(toFloat32(x)))).toBeLessThan(0.01);
});
