/**
 * What each node of a session ran on, as onnxruntime itself recorded it. A provider that is asked for does not have
 * to take a node: what it has no kernel for runs on the CPU without a word, and only the profile tells.
 *
 * The profile is a JSON list of events; those of category `Node` whose names end in `_kernel_time` are one per node
 * and run, with `args.op_name` and `args.provider`. Names are those of the graph as the runtime optimized it.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';

/** A node of the graph that the runtime made of the model, and the execution provider that ran it. */
export interface PlacedNode {
  readonly node: string;
  readonly operator: string;
  /** `CPUExecutionProvider`, `WebGpuExecutionProvider`, `CUDAExecutionProvider`. */
  readonly provider: string;
}

export interface Profile {
  /** Session options that make the runtime write it. */
  readonly settings: Pick<InferenceSession.SessionOptions, 'enableProfiling' | 'profileFilePrefix'>;
  /** The nodes that ran so far, in the order of their first run; undefined where there is no usable record. */
  read(): Promise<readonly PlacedNode[] | undefined>;
  /** Removes its folder. */
  remove(): Promise<void>;
}

/** A profile in a folder of its own below the system's one for temporary files; undefined where none can be made. */
export async function beginProfile(): Promise<Profile | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'vlm-profile-')).catch(() => undefined);
  if (folder === undefined) return undefined;
  return {
    settings: { enableProfiling: true, profileFilePrefix: join(folder, 'nodes') },
    read: async () => {
      const [name] = await readdir(folder).catch(() => []);
      if (name === undefined) return undefined;
      const text = await readFile(join(folder, name), 'utf8').catch(() => '');
      return parseProfile(text);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

const kernel = /_kernel_time$/;

/** The nodes of a profile's text, each once; undefined when it is not whole or names none. */
export function parseProfile(text: string): readonly PlacedNode[] | undefined {
  let events: unknown;
  try {
    events = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(events)) return undefined;
  const nodes = new Map<string, PlacedNode>();
  for (const event of events as readonly unknown[]) {
    const found = placedNode(event);
    if (found === undefined) continue;
    const key = JSON.stringify([found.node, found.operator, found.provider]);
    if (!nodes.has(key)) nodes.set(key, found);
  }
  return nodes.size === 0 ? undefined : [...nodes.values()];
}

function placedNode(event: unknown): PlacedNode | undefined {
  if (typeof event !== 'object' || event === null) return undefined;
  const { cat, name, args } = event as { cat?: unknown; name?: unknown; args?: unknown };
  if (cat !== 'Node' || typeof name !== 'string' || !kernel.test(name)) return undefined;
  const { op_name: operator, provider } = (args ?? {}) as { op_name?: unknown; provider?: unknown };
  if (typeof operator !== 'string' || typeof provider !== 'string' || provider === '') return undefined;
  return { node: name.replace(kernel, ''), operator, provider };
}
