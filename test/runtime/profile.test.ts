/** What a session says that its nodes ran on. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { createModel } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import { parseProfile } from '../../src/runtime/profile.ts';
import { openSession } from '../../src/runtime/session.ts';
import { float32Value } from '../../src/runtime/values.ts';
import { missingWebgpu } from '../support/webgpu.ts';

/** y = exp(x) x^T, and the rounded sum of x, which no GPU provider has an int64 kernel for. */
async function model(): Promise<Uint8Array> {
  const b = new GraphBuilder('placed', inferNode);
  const x = b.input('x', tensorType('float32', ['rows', 4]));
  const e = b.op('Exp', [x], { name: 'e' });
  b.output(
    'y',
    b.op('MatMul', [e, b.op('Transpose', [x], { name: 't', attributes: { perm: [1, 0] } })], { name: 'm' }),
  );
  const n = b.op('Cast', [b.op('ReduceSum', [x], { name: 's', attributes: { keepdims: 0 } })], {
    name: 'c',
    attributes: { to: 7 },
  });
  b.output(
    'n',
    b.op(
      'BitShift',
      [
        b.op('Cast', [n], { name: 'u', attributes: { to: 13 } }),
        b.op('Cast', [n], { name: 'v', attributes: { to: 13 } }),
      ],
      { name: 'shift', attributes: { direction: 'LEFT' } },
    ),
  );
  const made = createModel(b.graph, 20);
  return encodeModel(made, layoutModel(made, { fileName: 'placed' }));
}

const x = float32Value([2, 4], Float32Array.of(1, 0.5, 0.25, 0.5, -1, 0, 0.5, 0.25));
const profiles = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('vlm-profile-'));

/** A folder for temporary files that no other test writes to. */
let temporary = '';
beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'vlm-placed-'));
  process.env.TMPDIR = temporary;
});
afterAll(() => rm(temporary, { recursive: true }));

async function placed(device: 'cpu' | 'webgpu') {
  const session = await openSession({ bytes: await model() }, { device, recordPlacement: true });
  expect(session.placement).toBeUndefined();
  await session.run(new Map([['x', x]]));
  const found = session.placement;
  const again = await session.run(new Map([['x', x]]));
  expect(again.get('y')?.shape).toEqual([2, 2]);
  expect(session.placement).toBe(found);
  await session.release();
  expect(await profiles()).toEqual([]);
  return found;
}

it('is undefined where it was not asked for', async () => {
  const session = await openSession({ bytes: await model() }, { device: 'cpu' });
  await session.run(new Map([['x', x]]));
  expect(session.placement).toBeUndefined();
  await session.release();
});

it('names every node and the CPU on the CPU', async () => {
  const nodes = await placed('cpu');
  expect(new Set(nodes?.map(({ provider }) => provider))).toEqual(new Set(['CPUExecutionProvider']));
  expect(nodes?.map(({ operator }) => operator)).toEqual(
    expect.arrayContaining(['Exp', 'ReduceSum', 'BitShift']),
  );
  // The runtime fuses the transpose into the product, under a name of its own.
  expect(nodes?.find(({ node }) => node === 'shift')?.operator).toBe('BitShift');
});

it('leaves no folder behind when the session never ran', async () => {
  const session = await openSession({ bytes: await model() }, { device: 'cpu', recordPlacement: true });
  await session.release();
  await expect(
    openSession({ bytes: Uint8Array.of(1) }, { device: 'cpu', recordPlacement: true }),
  ).rejects.toMatchObject({ code: 'VC6003' });
  expect(await profiles()).toEqual([]);
});

it('tells the nodes of the GPU from those that fell back', async (context) => {
  const reason = await missingWebgpu();
  context.skip(reason !== undefined, `no WebGPU: ${reason}`);
  const nodes = await placed('webgpu');
  const on = new Map(nodes?.map(({ node, provider }) => [node, provider]));
  expect(on.get('e')).toBe('WebGpuExecutionProvider');
  expect(on.get('shift')).toBe('CPUExecutionProvider');
});

describe('parseProfile', () => {
  const event = (name: string, provider: string) => ({
    cat: 'Node',
    name: `${name}_kernel_time`,
    args: { op_name: 'Add', provider },
  });

  it('takes each node once and other events not at all', () => {
    const text = JSON.stringify([
      { cat: 'Session', name: 'model_run', args: {} },
      event('a', 'P'),
      { ...event('a', 'P'), name: 'a_fence_before' },
      event('b', 'Q'),
      event('a', 'P'),
      null,
      { cat: 'Node', name: 'c_kernel_time', args: { op_name: 'Add' } },
    ]);
    expect(parseProfile(text)).toEqual([
      { node: 'a', operator: 'Add', provider: 'P' },
      { node: 'b', operator: 'Add', provider: 'Q' },
    ]);
  });

  it('knows nothing from a record that is cut off, empty or of another kind', () => {
    const whole = JSON.stringify([event('a', 'P')]);
    for (const text of [whole.slice(0, -1), '', '[]', '{}', '[1]']) {
      expect(parseProfile(text)).toBeUndefined();
    }
  });
});
