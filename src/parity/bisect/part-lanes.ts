/**
 * What bisections share of running graphs part after part (../stream/lanes.ts): the place of each graph, the tokens
 * that a head is given, and what is to be thrown when the runtime refuses one of the graphs.
 */
import type { Model } from '../../graph/model.ts';
import { VlmError } from '../../report/diagnostics.ts';
import type { Session } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import type { PlacedPart } from '../stream/lanes.ts';
import type { ModelPart } from '../stream/parts.ts';
import { rowWiseInput, selectRows } from '../stream/row-wise.ts';
import type { ComponentRun } from './component-run.ts';

export type Parts = ReadonlyMap<string, readonly ModelPart[]>;
export type Place = (models: ReadonlyMap<string, Model>) => Promise<PlacedPart>;

/** The runtime refused a build, or failed while it ran it. */
export class BuildFailure extends Error {
  readonly build: string;
  readonly part: number;
  override readonly cause: VlmError;

  constructor(build: string, part: number, cause: VlmError) {
    super(cause.message, { cause });
    this.build = build;
    this.part = part;
    this.cause = cause;
  }
}

/** Places a part of every build; runs of a session that fail throw a BuildFailure. */
export async function placePart(parts: Parts, part: number, place: Place): Promise<PlacedPart> {
  const models = new Map(
    [...parts].flatMap(([build, all]) => {
      const model = all[part]?.model;
      return model === undefined ? [] : [[build, model] as const];
    }),
  );
  const placed = await place(models);
  return {
    key: (build) => placed.key(build),
    open: async (build, device, recordPlacement) => {
      const session = await naming(build, part, placed.open(build, device, recordPlacement));
      return named(session, (run) => naming(build, part, run));
    },
    release: () => placed.release(),
  };
}

/** True for what the runtime throws about a model, not about the machine. */
export function isRefusal(error: unknown): error is VlmError {
  return error instanceof VlmError && (error.code === 'VC6003' || error.code === 'VC6004');
}

async function naming<T>(build: string, part: number, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isRefusal(error) ? new BuildFailure(build, part, error) : error;
  }
}

type Run = ReturnType<Session['run']>;

function named(session: Session, wrap: (run: Run) => Run): Session {
  return {
    name: session.name,
    inputs: session.inputs,
    outputs: session.outputs,
    get placement() {
      return session.placement;
    },
    run: (...args) => wrap(session.run(...args)),
    release: () => session.release(),
  };
}

/** Gives a head that works token by token, in every build, no more than the tokens whose results are looked at. */
export function headRows(
  parts: Parts,
  rowsOf: ComponentRun['rows'],
): (part: number, call: number, name: string, value: RunTensor) => RunTensor {
  const heads = [...parts.values()].map((all) => all.at(-1));
  const inputs = new Set(heads.map((head) => head && rowWiseInput(head)));
  const [input] = inputs;
  const [first] = parts.values();
  const type = first?.at(-1)?.model.graph.outputs[0]?.type;
  const columns = type?.kind === 'tensor' ? type.shape?.at(-1) : undefined;
  if (input === undefined || inputs.size > 1 || typeof columns !== 'number')
    return (_p, _c, _n, value) => value;
  const last = (first?.length ?? 0) - 1;
  const made = new Map<RunTensor, RunTensor>();
  return (part, call, name, value) => {
    const rows = part === last && name === input ? rowsOf(call, columns) : undefined;
    if (rows === undefined || rows.length === value.shape[1]) return value;
    const known = made.get(value) ?? selectRows(value, rows);
    made.set(value, known);
    return known;
  };
}
