/**
 * Small graphs with results that are known, run to learn what a device is worth before a model is blamed for it.
 *
 * - a product of two matrices: the device works at all
 * - attention over more tokens than a block: MultiHeadAttention of onnxruntime 1.30 on WebGPU takes flash attention,
 *   which assumes subgroups of at least 8 and gives other numbers on a device with smaller ones (SwiftShader: 4)
 */
import { encodeModel } from '../formats/onnx/encode.ts';
import { layoutModel } from '../formats/onnx/layout.ts';
import { GraphBuilder } from '../graph/builder.ts';
import { inferNode } from '../graph/infer/infer.ts';
import { createModel } from '../graph/model.ts';
import { tensorType } from '../graph/types.ts';
import type { Value } from '../graph/value.ts';
import { fail } from '../report/diagnostics.ts';
import type { Device } from './devices.ts';
import { openSession, type Session } from './session.ts';
import { float32Value, type RunTensor, toFloat32 } from './values.ts';

interface Probe {
  /** Nothing of it may run on the CPU. */
  readonly alone: boolean;
  readonly inputs: ReadonlyMap<string, RunTensor>;
  readonly build: (b: GraphBuilder, inputs: readonly Value[]) => Value;
}

/** Numbers in [-1, 1) that repeat nowhere near. */
function ramp(count: number, step: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((i * step) % 1) * 2 - 1);
}

const product: Probe = {
  alone: true,
  inputs: new Map([
    ['a', float32Value([4, 8], ramp(32, 0.618))],
    ['b', float32Value([8, 4], ramp(32, 0.414))],
  ]),
  build: (b, inputs) => b.op('MatMul', inputs),
};

const tokens = 64;
const width = 32;
const attention: Probe = {
  alone: false,
  inputs: new Map(
    ['q', 'k', 'v'].map((name, index) => [
      name,
      float32Value([1, tokens, width], ramp(tokens * width, 0.618 - 0.1 * index)),
    ]),
  ),
  build: (b, inputs) =>
    b.op('MultiHeadAttention', inputs, { domain: 'com.microsoft', attributes: { num_heads: 2 } }),
};

/** Operators that are known to go wrong on some device, with the graph that shows it. */
const suspects: readonly { readonly operator: string; readonly probe: Probe }[] = [
  { operator: 'com.microsoft::MultiHeadAttention', probe: attention },
];

/** Float32 kernels differ by the order of their sums; what is wrong is wrong by far more. */
const tolerance = 1e-2;

export interface Defect {
  readonly operator: string;
  /** ‖device - CPU‖ / ‖CPU‖ of the probe's result. */
  readonly relative: number;
}

/** Throws VC6002 when the device cannot run a product of matrices, or gives another result than the CPU. */
export async function runProbe(device: Device): Promise<void> {
  const relative = await deviation(product, device);
  if (relative <= tolerance) return;
  throw fail('VC6002', {
    where: device,
    found: `a product of matrices is off by ${relative.toPrecision(3)} of its norm`,
    hint: 'update its driver',
  });
}

/** Operators that the device computes wrongly, of those that are known to go wrong somewhere. */
export async function findDefects(device: Device): Promise<readonly Defect[]> {
  const defects: Defect[] = [];
  for (const { operator, probe } of suspects) {
    const relative = await deviation(probe, device);
    if (!(relative <= tolerance)) defects.push({ operator, relative });
  }
  return defects;
}

/**
 * Keeps a device's own state until the function that it gives is called: what the device compiled for a session it
 * forgets with the last one, and the next would compile the same shaders again. Throws what `openSession` throws.
 */
export async function holdDevice(device: Device): Promise<() => Promise<void>> {
  if (device === 'cpu') return async () => {};
  const session = await open(product, device);
  return () => session.release();
}

async function deviation(probe: Probe, device: Device): Promise<number> {
  const wanted = await run(probe, 'cpu');
  const found = await run(probe, device);
  let error = 0;
  let norm = 0;
  for (const [index, value] of wanted.entries()) {
    error += (value - (found[index] ?? Number.NaN)) ** 2;
    norm += value ** 2;
  }
  return Math.sqrt(error / norm);
}

async function run(probe: Probe, device: Device): Promise<Float32Array> {
  const session = await open(probe, device);
  try {
    const y = (await session.run(probe.inputs)).get('y');
    if (y === undefined) throw new TypeError('the probe has an output y');
    return toFloat32(y);
  } finally {
    await session.release();
  }
}

async function open({ alone, inputs, build }: Probe, device: Device): Promise<Session> {
  const b = new GraphBuilder('probe', inferNode);
  const values = [...inputs].map(([name, { dtype, shape }]) => b.input(name, tensorType(dtype, shape)));
  b.output('y', build(b, values));
  const model = createModel(b.graph, 20);
  model.opsetImports.set('com.microsoft', 1);
  const bytes = await encodeModel(model, layoutModel(model, { fileName: 'probe' }));
  return openSession({ bytes }, { device, onlyOnDevice: alone && device !== 'cpu' });
}
