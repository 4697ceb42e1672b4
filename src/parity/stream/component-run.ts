/**
 * One component through a check: its lanes (lane-plan.ts) go through its parts, and what they give is compared, the
 * component's own outputs by level and what goes from block to block by curve.
 */
import type { Model } from '../../graph/model.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { ChoiceComparison } from '../choice-metrics.ts';
import type { Level } from '../gates.ts';
import type { Place } from '../metrics.ts';
import type { Feed, OutputResult } from '../outputs.ts';
import type { ErrorCurve } from '../report/report.ts';
import type { BuildName } from './builds.ts';
import { choicesOf } from './choices.ts';
import { blockName, CurveErrors } from './curve.ts';
import { mainLanes, planLanes } from './lane-plan.ts';
import { type Call, type LaneRequest, type Pair, type PartOutputs, runLanes } from './lanes.ts';
import type { ModelPart } from './parts.ts';
import type { StreamRequest } from './request.ts';
import { rowWiseInput, selectRows } from './row-wise.ts';
import type { Sink } from './sinks.ts';

/** Parts of each build of a component, as many of one as of another. */
export type ComponentParts = ReadonlyMap<BuildName, readonly ModelPart[]>;

export interface ComponentRun {
  readonly component: string;
  /** Runs of the component, with what the original made before. */
  readonly calls: readonly Call[];
  /** The same, with what the output made before; undefined: it is the same. */
  readonly chained?: readonly Call[];
  /** Indices of the calls that prove single blocks. */
  readonly probe: ReadonlySet<number>;
  /** Compares the component's outputs over the calls of these indices. */
  readonly sink: (feed: Feed, calls: readonly number[]) => Sink;
  readonly cache: ReadonlyMap<string, string>;
  readonly trim: (call: number, name: string, value: RunTensor) => RunTensor | undefined;
  /** The tokens whose results are looked at, of so many columns each; undefined: all. */
  readonly rows?: (call: number, columns: number) => readonly number[] | undefined;
  readonly place: (call: number, name: string, value: RunTensor) => Place;
  /** Gets what the original and the output give, each by itself. */
  readonly onOutputs?: (call: number, reference: PartOutputs, converted: PartOutputs) => void;
}

export interface ComponentContext
  extends Pick<StreamRequest, 'devices' | 'place' | 'onPlacement' | 'signal'> {
  /** Called before each part. */
  readonly onBlock: (name: string) => void;
}

export interface ComponentResult {
  readonly outputs: ReadonlyMap<Level, readonly OutputResult[]>;
  readonly curve: ErrorCurve;
}

/** Throws as `runStreamed`. */
export async function runComponent(
  run: ComponentRun,
  parts: ComponentParts,
  { devices, place, onPlacement, onBlock, signal }: ComponentContext,
): Promise<ComponentResult> {
  const { component, calls, chained, probe } = run;
  const own = parts.get('reference') ?? [];
  const chosen = new Set(own.flatMap(choicesOf));
  const plan = planLanes({
    builds: new Set(parts.keys()),
    devices,
    calls,
    chained,
    probe,
    chooses: chosen.size > 0,
  });
  const curve = new CurveErrors(own, run);
  const sinks: { readonly level: Level; readonly sink: Sink }[] = [];
  const choices = new Map<Level, Sink>();
  const all = [...calls.keys()];
  const choicesAt = ({ name, feed }: { readonly name: Level; readonly feed: Feed }): Sink => {
    const known = choices.get(name) ?? choiceSink(component, chosen, feed);
    choices.set(name, known);
    return known;
  };
  const pairs = plan.pairs.map(
    ({ reference, other, level, curve: which, choices: ofChoices = level }): Pair => {
      const compared = [reference, other].some((id) =>
        plan.lanes.some((lane) => lane.id === id && lane.only !== undefined),
      )
        ? all.filter((call) => probe.has(call))
        : all;
      const sink = level && run.sink(level.feed, compared);
      if (level !== undefined && sink !== undefined) sinks.push({ level: level.name, sink });
      const picked = ofChoices && chosen.size > 0 ? choicesAt(ofChoices) : undefined;
      const isMain = reference === mainLanes[0] && other === mainLanes[1];
      return {
        reference,
        other,
        compare: (part, call, wanted, found) => {
          sink?.add(call, wanted, found);
          picked?.add(call, wanted, found);
          if (which !== undefined) curve.add(which, part, call, wanted, found);
          if (isMain) run.onOutputs?.(call, wanted, found);
        },
      };
    },
  );
  await runLanes({
    parts,
    give: selection(parts, run.rows),
    lanes: plan.lanes,
    pairs,
    cache: run.cache,
    trim: run.trim,
    place: (part) => place(component, modelsOf(parts, part)),
    recorded: mainLanes,
    onRecord: (ran, session) => {
      for (const build of mainLanes)
        if (ran.includes(build)) onPlacement(component, build, session.placement);
    },
    onPart: (part) => onBlock(blockName(own, part)),
    signal,
  });
  const outputs = new Map<Level, readonly OutputResult[]>();
  for (const { level, sink } of sinks) outputs.set(level, sink.finish());
  for (const [level, sink] of choices) outputs.set(level, [...(outputs.get(level) ?? []), ...sink.finish()]);
  return { outputs, curve: { component, blocks: curve.finish() } };
}

/** What was chosen on the way, over all calls; nothing where no part of the lanes chooses. */
function choiceSink(component: string, names: ReadonlySet<string>, feed: Feed): Sink {
  const comparisons = new Map([...names].map((name) => [name, new ChoiceComparison()]));
  return {
    add: (call, reference, other) => {
      for (const [name, comparison] of comparisons) {
        const [wanted, found] = [reference.get(name), other.get(name)];
        if (wanted === undefined || found === undefined) continue;
        comparison.add(name, wanted, found, (row) => `picture ${call}, choice of row ${row}`);
      }
    },
    finish: () =>
      [...comparisons].flatMap(([name, comparison]) =>
        comparison.isEmpty ? [] : [comparison.finish(name, component, feed)],
      ),
  };
}

function modelsOf(parts: ComponentParts, part: number): ReadonlyMap<BuildName, Model> {
  return new Map(
    [...parts].flatMap(([build, all]) => {
      const model = all[part]?.model;
      return model === undefined ? [] : [[build, model] as const];
    }),
  );
}

/** Gives parts that work token by token, in every build, no more than the tokens whose results are looked at. */
function selection(parts: ComponentParts, rowsOf: ComponentRun['rows']): LaneRequest['give'] {
  const made = new Map<RunTensor, RunTensor>();
  const last = [...parts.values()].map((all) => all.at(-1));
  const inputs = new Set(last.map((part) => part && rowWiseInput(part)));
  const [input] = inputs;
  const index = (parts.get('reference')?.length ?? 0) - 1;
  const type = parts.get('reference')?.at(-1)?.model.graph.outputs[0]?.type;
  const columns = type?.kind === 'tensor' ? type.shape?.at(-1) : undefined;
  if (rowsOf === undefined || input === undefined || inputs.size > 1 || typeof columns !== 'number') {
    return (_part, _call, _name, value) => value;
  }
  return (part, call, name, value) => {
    const rows = part === index && name === input ? rowsOf(call, columns) : undefined;
    if (rows === undefined || rows.length === value.shape[1]) return value;
    const known = made.get(value) ?? selectRows(value, rows);
    made.set(value, known);
    return known;
  };
}
