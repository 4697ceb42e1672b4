/**
 * Runs every form of an operator on the CPU, on WebGPU and in WebAssembly, and writes what it saw: docs/targets.json and
 * src/targets/probed-data.ts, from which the page is made (test/docs/targets.test.ts -u). A form `runs` on a provider
 * when its node ran there, as the runtime's own record says, and gave the numbers of the plain form; SwiftShader serves
 * as a GPU. Of WebAssembly there is no such record, nor another provider.
 */
import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { createModel } from '../../src/graph/model.ts';
import { opSchema } from '../../src/graph/op-schema.ts';
import { tensorType } from '../../src/graph/types.ts';
import { type Device, providerNames } from '../../src/runtime/devices.ts';
import { runProbe } from '../../src/runtime/probes.ts';
import { openSession, runtimeVersion } from '../../src/runtime/session.ts';
import type { RunData, RunTensor } from '../../src/runtime/values.ts';
import { definition } from '../../src/targets/target.ts';
import {
  type FormRecord,
  type Outcome,
  recordFile,
  recordText,
  tableFile,
  tableText,
} from '../../test/support/target-record.ts';
import { attentionForms } from './attention-forms.ts';
import { type Build, elementForms, type Form } from './forms.ts';

/** WGSL promises sines to 2^-11 only; what is wrong is wrong by far more. */
const tolerance = 5e-3;

interface Run {
  readonly outputs: readonly RunTensor[];
  /** Operators by the provider that ran them; undefined where there is no record. */
  readonly ranOn: ReadonlyMap<string, string> | undefined;
}

async function bytesOf({ inputs, opset = 20 }: Form, build: Build) {
  const b = new GraphBuilder('probe', inferNode);
  const values = Object.fromEntries(
    Object.entries(inputs).map(([name, { dtype, shape }]) => [name, b.input(name, tensorType(dtype, shape))]),
  );
  const made = build(b, values);
  for (const [index, value] of made.entries()) b.output(`y${index}`, value);
  const model = createModel(b.graph, opset);
  model.opsetImports.set('com.microsoft', 1);
  const layout = layoutModel(model, { fileName: 'probe', inlineLimit: Number.MAX_SAFE_INTEGER });
  return { bytes: await encodeModel(model, layout), names: made.map((_, index) => `y${index}`) };
}

async function run(form: Form, build: Build, device: Device): Promise<Run> {
  const { bytes, names } = await bytesOf(form, build);
  const session = await openSession({ bytes }, { device, recordPlacement: true, optimize: 'disabled' });
  try {
    const results = await session.run(new Map(Object.entries(form.inputs)));
    return {
      outputs: names.map((name) => results.get(name) as RunTensor),
      ranOn: new Map((session.placement ?? []).map(({ operator, provider }) => [operator, provider])),
    };
  } finally {
    await session.release();
  }
}

/** In the build of onnxruntime-web that transformers.js loads, which has no other provider than WebAssembly here. */
async function runInWasm({ inputs, ...form }: Form, build: Build): Promise<Run> {
  const { InferenceSession, Tensor } = await web;
  const { bytes, names } = await bytesOf({ inputs, ...form }, build);
  const session = await InferenceSession.create(bytes, {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 4,
  });
  try {
    const feeds = Object.entries(inputs).map(([name, { dtype, data, shape }]) => {
      // The constructor's overloads are per type.
      const make = Tensor as unknown as new (type: string, data: RunData, dims: readonly number[]) => never;
      return [name, new make(dtype, data, shape)];
    });
    const results = await session.run(Object.fromEntries(feeds));
    const outputs = names.map((name): RunTensor => {
      const { type, data, dims } = results[name] as { type: string; data: RunData; dims: readonly number[] };
      return { dtype: type as RunTensor['dtype'], shape: dims, data };
    });
    return { outputs, ranOn: undefined };
  } finally {
    await session.release();
  }
}

const web = import('onnxruntime-web/webgpu').then((runtime) => {
  runtime.env.wasm.numThreads = 1;
  return runtime;
});

function differ(found: readonly RunTensor[], wanted: readonly RunTensor[]): boolean {
  return wanted.some((value, index) => {
    const other = found[index];
    if (other === undefined || `${other.shape}` !== `${value.shape}`) return true;
    let [error, norm] = [0, 0];
    for (const [i, want] of value.data.entries()) {
      const [a, b] = [Number(want), Number(other.data[i])];
      if (Object.is(a, b)) continue;
      error += (a - b) ** 2;
      norm += a ** 2;
    }
    return error > 0 && !(Math.sqrt(error / norm) <= tolerance);
  });
}

async function outcome(form: Version, device: Device | 'wasm'): Promise<Outcome> {
  // Numbers do not depend on the version; not every one has a kernel on the CPU.
  const first = form.plain === undefined ? { ...form, opset: form.since } : form;
  const wanted = await run(first, form.plain ?? form.build, 'cpu');
  let found: Run;
  try {
    found = device === 'wasm' ? await runInWasm(form, form.build) : await run(form, form.build, device);
  } catch {
    return 'refused';
  }
  const [domain, name = domain] = form.operator.split('::');
  if (differ(found.outputs, wanted.outputs)) return 'wrong';
  if (device === 'wasm' || found.ranOn === undefined) return 'runs';
  const provider = found.ranOn.get(name ?? '');
  if (provider === undefined) return 'taken apart';
  return provider === providerNames[device] ? 'runs' : 'on the CPU';
}

interface Version extends Form {
  /** The first operator set that the form was written for. */
  readonly since: number;
}

/** The newest operator set that the runtime takes without a warning. */
const newest = 24;

/** An operator as such, in each version that its definition has had from the operator set of the form on. */
function everyVersion(form: Form): readonly Version[] {
  const first = form.opset ?? 20;
  if (form.form !== undefined) return [{ ...form, since: first }];
  const sinceOf = (opset: number): number | undefined => {
    const { domain, opType, version } = definition(form.operator, opset);
    return opSchema(domain, opType, version)?.since;
  };
  const opsets = Array.from({ length: newest - first + 1 }, (_, index) => first + index);
  const changed = opsets.filter((opset, index) => index === 0 || sinceOf(opset) !== sinceOf(opset - 1));
  return changed.map((opset) => ({ ...form, opset, since: first }));
}

it('runs every form', { timeout: 3_600_000 }, async () => {
  // Throws where there is no device: a table without it would say that nothing runs there.
  await runProbe('webgpu');
  const forms: FormRecord[] = [];
  for (const form of [...elementForms, ...attentionForms].flatMap(everyVersion)) {
    const { operator, form: special, opset = 20 } = form;
    const cpu = await outcome(form, 'cpu');
    const wasm = await outcome(form, 'wasm');
    forms.push({
      operator,
      ...(special === undefined ? {} : { form: special }),
      opset,
      cpu,
      webgpu: await outcome(form, 'webgpu'),
      // Its kernels are those of the CPU.
      wasm: wasm === 'runs' && cpu === 'taken apart' ? cpu : wasm,
    });
  }
  const { name, version } = await runtimeVersion();
  const { versions } = (await web).env;
  const record = { runtime: `${name} ${version}`, web: `onnxruntime-web ${versions.web}`, forms };
  writeFileSync(tableFile, tableText(record));
  writeFileSync(recordFile, recordText(record));
  expect(forms.length).toBeGreaterThan(100);
});
