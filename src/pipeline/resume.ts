/**
 * What an earlier run left and whether it fits: the same plan (checkpoint, options, every byte's place) by the same
 * version over the same inputs.
 */
import { readFile } from 'node:fs/promises';
import { fail } from '../report/diagnostics.ts';
import { list } from '../report/show.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import { sha256 } from './digest.ts';
import {
  type JournalContents,
  type JournalHeader,
  type JournalInput,
  readJournal,
} from './engine/journal.ts';
import type { WritePlan } from './engine/write-plan.ts';
import { checkOptionKeys } from './options.ts';
import type { Plan } from './plan.ts';

/** plan.json: what is written, with what it was made from. */
export interface PlanFile extends WritePlan {
  /** Of this file's form. */
  readonly schema: 1;
  readonly tool: 'vlm-convert';
  readonly version: string;
  readonly checkpoint: { readonly name: string; readonly structureSha256: string };
  /** Those that bear on weights. */
  readonly options: { readonly [key: string]: JsonValue };
}

/** Options that say what is checked, not what is written: a resumed run may have others. */
const checkOptions: ReadonlySet<string> = new Set(['strict', ...checkOptionKeys]);

export function planFile({ version, checkpoint, options }: Plan, writes: WritePlan): PlanFile {
  const kept = Object.entries(options as PlanFile['options']).filter(([key]) => !checkOptions.has(key));
  return {
    schema: 1,
    tool: 'vlm-convert',
    version,
    checkpoint: { name: checkpoint.name, structureSha256: checkpoint.structureSha256 },
    options: Object.fromEntries(kept),
    ...writes,
  };
}

/** The header of the journal of a plan, given as the text of its file. */
export function journalHeader(
  version: string,
  planText: string,
  inputs: readonly JournalInput[],
): JournalHeader {
  return { journal: 1, version, plan: sha256(planText), inputs };
}

/**
 * The journal that an earlier run left for this plan; undefined where none did. Throws VC5108, saying what differs.
 */
export async function findJournal(
  paths: { readonly journal: string; readonly plan: string },
  plan: PlanFile,
  header: JournalHeader,
): Promise<JournalContents | undefined> {
  const found = readJournal(paths.journal);
  if (found === undefined) return undefined;
  const differences = [
    ...(found.header.plan === header.plan ? [] : await planDifferences(paths.plan, plan, found.header)),
    ...inputDifferences(found.header.inputs, header.inputs),
  ];
  if (differences.length > 0) throw fail('VC5108', { where: paths.journal, found: differences.join('; ') });
  return found;
}

async function planDifferences(path: string, plan: PlanFile, header: JournalHeader): Promise<string[]> {
  if (header.version !== plan.version) {
    return [`it was begun by version ${header.version}, this is ${plan.version}`];
  }
  const earlier = await readPlan(path);
  if (earlier === undefined) return ['its plan.json is missing or damaged'];
  if (earlier.checkpoint?.structureSha256 !== plan.checkpoint.structureSha256) {
    return ['another checkpoint, or its config or headers changed'];
  }
  const keys = new Set([...Object.keys(earlier.options ?? {}), ...Object.keys(plan.options)]);
  const options = [...keys].filter(
    (key) => JSON.stringify(earlier.options?.[key]) !== JSON.stringify(plan.options[key]),
  );
  return [options.length === 0 ? 'another plan' : `other options: ${list(options)}`];
}

async function readPlan(path: string): Promise<Partial<PlanFile> | undefined> {
  try {
    return Object(JSON.parse(await readFile(path, 'utf8'))) as Partial<PlanFile>;
  } catch {
    return undefined;
  }
}

/** By digest where both have one, else by size and time. */
function inputDifferences(earlier: readonly JournalInput[], now: readonly JournalInput[]): string[] {
  const known = new Map(earlier.map((input) => [input.name, input]));
  const changed = now.filter((input) => {
    const before = known.get(input.name);
    if (before === undefined || before.size !== input.size) return true;
    if (before.sha256 !== undefined && input.sha256 !== undefined) return before.sha256 !== input.sha256;
    return before.mtimeNs !== input.mtimeNs;
  });
  return changed.length === 0 ? [] : [`changed since: ${list(changed.map(({ name }) => name))}`];
}
