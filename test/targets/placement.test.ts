import { describe, expect, it } from 'vitest';
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import { runProbe } from '../../src/runtime/probes.ts';
import { openSession } from '../../src/runtime/session.ts';
import { float32Value } from '../../src/runtime/values.ts';
import { nodesLeft, placementWarnings } from '../../src/targets/placement.ts';
import { targetsOf } from '../../src/targets/registry.ts';
import type { Target } from '../../src/targets/target.ts';

const only = (id: string): Target => {
  const [target] = targetsOf([id]);
  if (target === undefined) throw new Error(`no target ${id}`);
  return target;
};

/** Norm, an operator that WebGPU has not, one that only the CPU has, arithmetic of shapes, and a product. */
function sample(): Model {
  const b = new GraphBuilder('sample', inferNode);
  const x = b.input('x', tensorType('float32', ['rows', 8]));
  const normed = b.op('LayerNormalization', [x, b.float32(new Float32Array(8).fill(1))], { name: 'norm' });
  const rounded = b.op('Round', [normed], { name: 'round' });
  const product = b.op('FusedMatMul', [rounded, b.float32(new Float32Array(64).fill(0.5), [8, 8])], {
    domain: 'com.microsoft',
    name: 'product',
  });
  const rows = b.op('Gather', [b.op('Shape', [x], { name: 'shape' }), b.int64([0])], { name: 'rows' });
  const target = b.op('Concat', [rows, b.int64([2, 4])], { name: 'sizes', attributes: { axis: 0 } });
  const count = b.op('Cast', [rows], { name: 'count', attributes: { to: 1 } });
  const halves = b.op('Reshape', [product, target], { name: 'halves' });
  b.output('y', b.op('Div', [b.op('Sign', [halves], { name: 'sign' }), count], { name: 'quotient' }));
  const model = createModel(b.graph, 20);
  model.opsetImports.set('com.microsoft', 1);
  return model;
}

const left = (id: string): readonly string[] => nodesLeft(sample(), only(id)).map(({ node }) => node.name);

describe('nodes that a target leaves', () => {
  it('are those without a kernel, shapes aside', () => {
    expect(left('cpu')).toEqual([]);
    expect(left('webgpu')).toEqual(['round', 'product', 'sign']);
    expect(left('generic')).toEqual(['product']);
    expect(left('tensorrt')).toEqual(['product']);
    expect(left('cuda')).toEqual([]);
  });

  it('are named, one warning for an operator', () => {
    const model = sample();
    const warnings = placementWarnings('decoder', model, [only('cpu'), only('webgpu')]);
    expect(warnings.map(({ code, where }) => [code, where])).toEqual(
      warnings.map(() => ['VC3303', 'decoder on webgpu']),
    );
    expect(warnings.map(({ found }) => found)).toContain('product, com.microsoft::FusedMatMul: no kernel');
    expect(warnings).toHaveLength(3);
  });
});

async function hasDevice(): Promise<boolean> {
  try {
    await runProbe('webgpu');
    return true;
  } catch (error) {
    console.log(`the placement on WebGPU is not compared: ${error instanceof Error ? error.message : error}`);
    return false;
  }
}

it.skipIf(!(await hasDevice()))('are those that the runtime leaves to the CPU', async () => {
  const model = sample();
  const layout = layoutModel(model, { fileName: 'sample', inlineLimit: Number.MAX_SAFE_INTEGER });
  const session = await openSession(
    { bytes: await encodeModel(model, layout) },
    { device: 'webgpu', recordPlacement: true, optimize: 'disabled' },
  );
  await session.run(
    new Map([
      [
        'x',
        float32Value(
          [3, 8],
          new Float32Array(24).map((_, i) => i % 5),
        ),
      ],
    ]),
  );
  const onCpu = (session.placement ?? [])
    .filter(({ provider }) => provider === 'CPUExecutionProvider')
    .map(({ node }) => node);
  await session.release();
  const integers = ['shape', 'rows', 'sizes', 'count'];
  expect(onCpu.filter((node) => !integers.includes(node)).sort()).toEqual([...left('webgpu')].sort());
});
