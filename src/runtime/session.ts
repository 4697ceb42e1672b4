/**
 * Sessions of onnxruntime-node behind a small typed surface: named inputs and outputs as `RunTensor`s, errors
 * as diagnostics. The package is imported at the first call, since its native library takes a while to load.
 *
 * A run happens on the calling thread: nothing else of the process moves while it lasts.
 */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { fail, type VlmError } from '../report/diagnostics.ts';
import type { DType } from '../tensor/dtype.ts';
import { cudaRefusal, type Device, deviceRefusal } from './devices.ts';
import { beginProfile, type PlacedNode, type Profile } from './profile.ts';
import { type RunData, type RunTensor, toFloat16, toFloat32 } from './values.ts';

export type { Device } from './devices.ts';

export interface SessionOptions {
  readonly device: Device;
  /** Refuses a graph of which a part would run on the CPU; default false. */
  readonly onlyOnDevice?: boolean;
  /** Records what each node runs on, at the first run; default false. */
  readonly recordPlacement?: boolean;
  /**
   * `use`: weights stay mapped from their files, where they are read by whatever product needs them; default `pack`:
   * they are read at load and put in the order of the kernels, once more beside the mapping while that goes on. For
   * 1 GiB of float32 that is 1.4 s and 2 GiB against 0.03 s and 1 GiB; a product of 512 rows then takes half as long
   * again, of one row as long. What is quantized is made for being packed.
   */
  readonly weights?: 'pack' | 'use';
  /**
   * False: what a run frees goes back to the system. By default the runtime keeps it for the next run, and plans that
   * one's memory anew beside it; and the whole of it lives on as long as any output that came from it.
   */
  readonly pooled?: boolean;
  /** What the runtime may rewrite at load; default all, as users run it. */
  readonly optimize?: 'disabled' | 'basic' | 'extended' | 'all';
}

export interface PortSpec {
  readonly name: string;
  readonly dtype: DType;
  /** Symbols are strings. */
  readonly shape: readonly (number | string)[];
}

export interface Session {
  /** The model's path, or `model in memory`; for messages. */
  readonly name: string;
  readonly inputs: readonly PortSpec[];
  readonly outputs: readonly PortSpec[];
  /**
   * Runs the model. Every input must be fed; float32 values are rounded where an input is float16. `wanted`
   * limits the outputs. Throws VC6004 when the runtime fails, VC6101 when a name is not the model's.
   */
  run(
    feeds: ReadonlyMap<string, RunTensor>,
    wanted?: readonly string[],
  ): Promise<ReadonlyMap<string, RunTensor>>;
  /**
   * The nodes that ran in the first run, and on what; undefined before it, where no record was asked for, and where
   * the runtime left none.
   */
  readonly placement: readonly PlacedNode[] | undefined;
  /** Frees the runtime's memory; the session cannot run afterwards. */
  release(): Promise<void>;
}

type Runtime = typeof import('onnxruntime-node');

/** Name and version of the runtime, for reports. Throws VC6001 when it cannot be loaded. */
export async function runtimeVersion(): Promise<{ readonly name: string; readonly version: string }> {
  const ort = await loadRuntime();
  return { name: 'onnxruntime-node', version: ort.env.versions.node ?? ort.env.versions.common };
}

/** A model in memory. Data files that it names lie in `folder`, an absolute path; without it there are none. */
export interface ModelInMemory {
  readonly bytes: Uint8Array;
  readonly folder?: string;
}

/**
 * Opens a model file, or a model in memory. Throws VC6001 when the runtime is missing, VC6002 when it lacks the
 * device, VC6003 when it refuses the model.
 */
export async function openSession(model: string | ModelInMemory, options: SessionOptions): Promise<Session> {
  const ort = await loadRuntime();
  const name = typeof model === 'string' ? model : 'model in memory';
  if (!ort.listSupportedBackends().some((backend) => backend.name === options.device)) {
    throw fail('VC6002', { where: options.device, expected: `one of ${backendNames(ort)}` });
  }
  const refusal = options.device === 'cuda' ? cudaRefusal() : undefined;
  if (refusal !== undefined) throw refusal;
  const profile = options.recordPlacement === true ? await beginProfile() : undefined;
  const folder = typeof model === 'string' ? undefined : model.folder;
  const entries = {
    // Threads that wait for the next operator by spinning take the cores from what compares and writes between runs.
    'intra_op.allow_spinning': '0',
    ...(options.onlyOnDevice === true ? { disable_cpu_ep_fallback: '1' } : {}),
    ...(options.weights === 'use' ? { disable_prepacking: '1' } : {}),
    ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
  };
  const settings: InferenceSession.SessionOptions = {
    executionProviders: [options.device],
    graphOptimizationLevel: options.optimize ?? 'all',
    logSeverityLevel: 4,
    enableCpuMemArena: options.pooled !== false,
    enableMemPattern: options.pooled !== false,
    ...profile?.settings,
    extra: { session: entries },
  };
  let session: InferenceSession;
  try {
    session =
      typeof model === 'string'
        ? await ort.InferenceSession.create(model, settings)
        : await ort.InferenceSession.create(model.bytes, settings);
  } catch (cause) {
    await profile?.remove();
    const found = messageOf(cause);
    throw deviceRefusal(options.device, found, cause) ?? fail('VC6003', { where: name, found, cause });
  }
  return new OrtSession(ort, name, session, profile);
}

class OrtSession implements Session {
  readonly name: string;
  readonly inputs: readonly PortSpec[];
  readonly outputs: readonly PortSpec[];
  readonly #ort: Runtime;
  readonly #session: InferenceSession;
  readonly #profile: Profile | undefined;
  #placement: readonly PlacedNode[] | undefined;
  #ran = false;

  constructor(ort: Runtime, name: string, session: InferenceSession, profile: Profile | undefined) {
    this.name = name;
    this.#ort = ort;
    this.#session = session;
    this.#profile = profile;
    this.inputs = ports(session.inputMetadata);
    this.outputs = ports(session.outputMetadata);
  }

  async run(
    feeds: ReadonlyMap<string, RunTensor>,
    wanted: readonly string[] = this.outputs.map((output) => output.name),
  ): Promise<ReadonlyMap<string, RunTensor>> {
    const ortFeeds: Record<string, OrtTensor> = {};
    for (const [key, value] of feeds) {
      const spec = this.inputs.find((input) => input.name === key);
      if (spec === undefined) throw this.#noPort('input', key, this.inputs);
      ortFeeds[key] = toOrt(this.#ort, castFor(spec, value, this.name));
    }
    for (const input of this.inputs) {
      if (!feeds.has(input.name)) {
        throw fail('VC6101', {
          where: this.name,
          found: `the model has an input ${input.name}`,
          expected: `inputs ${[...feeds.keys()].join(', ')}`,
        });
      }
    }
    for (const key of wanted) {
      if (!this.outputs.some((output) => output.name === key))
        throw this.#noPort('output', key, this.outputs);
    }
    let results: InferenceSession.ReturnType;
    try {
      results = await this.#session.run(ortFeeds, wanted);
    } catch (cause) {
      throw fail('VC6004', { where: this.name, found: messageOf(cause), cause });
    }
    if (!this.#ran) await this.#endProfile();
    return new Map(wanted.map((key) => [key, fromOrt(results[key] as OrtTensor)]));
  }

  get placement(): readonly PlacedNode[] | undefined {
    return this.#placement;
  }

  async release(): Promise<void> {
    await this.#session.release();
    await this.#profile?.remove();
  }

  /** What runs on what is decided when a model is loaded, so that later runs would say the same, slower. */
  async #endProfile(): Promise<void> {
    this.#ran = true;
    if (this.#profile === undefined) return;
    this.#session.endProfiling();
    this.#placement = await this.#profile.read();
    await this.#profile.remove();
  }

  #noPort(kind: 'input' | 'output', name: string, specs: readonly PortSpec[]): VlmError {
    return fail('VC6101', {
      where: this.name,
      found: `${kind}s ${specs.map((spec) => spec.name).join(', ')}`,
      expected: `an ${kind} ${name}`,
    });
  }
}

let runtime: Promise<Runtime> | undefined;

function loadRuntime(): Promise<Runtime> {
  runtime ??= import('onnxruntime-node').catch((cause: unknown) => {
    runtime = undefined;
    throw fail('VC6001', { found: messageOf(cause), cause });
  });
  return runtime;
}

function backendNames(ort: Runtime): string {
  return ort
    .listSupportedBackends()
    .map((backend) => backend.name)
    .join(', ');
}

function ports(metadata: readonly InferenceSession.ValueMetadata[]): readonly PortSpec[] {
  return metadata.map((entry) =>
    entry.isTensor
      ? { name: entry.name, dtype: entry.type as DType, shape: entry.shape }
      : // Sequences and maps: no family of ours has them at its border, so feeding one fails by its dtype.
        { name: entry.name, dtype: 'string', shape: [] },
  );
}

function castFor(spec: PortSpec, value: RunTensor, model: string): RunTensor {
  if (spec.dtype === value.dtype) return value;
  if (spec.dtype === 'float16' && value.dtype === 'float32') return toFloat16(value);
  if (spec.dtype === 'float32' && value.dtype === 'float16') {
    return { dtype: 'float32', shape: value.shape, data: toFloat32(value) };
  }
  throw fail('VC6101', {
    where: `${model}, input ${spec.name}`,
    found: spec.dtype,
    expected: value.dtype,
  });
}

function toOrt(ort: Runtime, value: RunTensor): OrtTensor {
  // The constructor's overloads are per dtype; the pair is right by construction of RunTensor.
  const make = ort.Tensor as unknown as new (
    dtype: DType,
    data: RunData,
    dims: readonly number[],
  ) => OrtTensor;
  return new make(value.dtype, value.data, value.shape);
}

function fromOrt(tensor: OrtTensor): RunTensor {
  const dtype = tensor.type as DType;
  const data = tensor.data as RunData;
  if (dtype !== 'float16' || data instanceof Uint16Array) return { dtype, shape: tensor.dims, data };
  // Newer versions of Node have a Float16Array, which the runtime then returns.
  const view = data as { buffer: ArrayBuffer; byteOffset: number; length: number };
  return { dtype, shape: tensor.dims, data: new Uint16Array(view.buffer, view.byteOffset, view.length) };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
