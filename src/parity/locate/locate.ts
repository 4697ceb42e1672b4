/**
 * From a report that failed to findings: the block that is blamed runs once more, both builds of it on the values that
 * the original has there, to name the first node that is off, what of its constants is wrong, and where.
 */
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import type { Device } from '../../runtime/session.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { cacheNames } from '../components.ts';
import { type Suspect, suspects } from '../report/blame.ts';
import type { Finding, FindingKind } from '../report/finding.ts';
import type { ParityReport } from '../report/report.ts';
import { formatNumber } from '../report/text.ts';
import { type BuildName, type Builds, cutBuilds } from '../stream/builds.ts';
import type { Call } from '../stream/lanes.ts';
import type { StreamRequest } from '../stream/request.ts';
import { confinedTo, exchangedViews, hasRows } from './confine.ts';
import { constantsOf } from './constants.ts';
import { exchangedInputs } from './exchanged-inputs.ts';
import { type DeviationRequest, firstDeviation } from './first-deviation.ts';
import { lostIn } from './lost.ts';
import { type DifferentRun, firstDifferent, openPart, type Place, replay, type Side } from './replay.ts';
import { rowNames } from './row-names.ts';
import { type TensorFault, tensorFaults } from './weights.ts';

export interface LocateRequest
  extends Pick<
    StreamRequest,
    'builds' | 'cut' | 'place' | 'recipe' | 'sample' | 'decodeSteps' | 'devices' | 'signal'
  > {
  readonly report: Pick<ParityReport, 'gates' | 'curves' | 'precision'>;
  /** Runs of each component, fed with what the original made. */
  readonly calls: ReadonlyMap<string, readonly Call[]>;
}

/** Nothing where all gates passed. Throws what runs throw. */
export async function locate(request: LocateRequest): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const suspect of suspects(request.report)) findings.push(await findingOf(suspect, request));
  return findings;
}

async function findingOf(suspect: Suspect, request: LocateRequest): Promise<Finding> {
  const { level, component, block, otherBlocks } = suspect;
  const base = {
    level,
    component,
    ...(block === undefined ? {} : { block }),
    otherBlocks,
    places: [],
    tensors: [],
  };
  const builds = request.builds.get(component);
  const calls = request.calls.get(component);
  const sides = builds && sidesOf(suspect, builds, request);
  if (level === 'device') return { ...base, kind: 'device' };
  const place: Place = (models) => request.place(component, models as ReadonlyMap<BuildName, Model>);
  const parts = builds && cutBuilds(builds, request.cut);
  /** Nothing is off by itself: what is not finite comes about on the output's own way only. */
  const alone = async (kind: FindingKind): Promise<Finding> => {
    const own = parts?.get('converted');
    const lost =
      suspect.gate.metric === 'finite' && own !== undefined
        ? await lostIn(component, own, place, request)
        : undefined;
    return { ...base, ...(lost ?? { kind }) };
  };
  if (sides === undefined || block === undefined || parts === undefined || calls === undefined) {
    // In chain a component is fed with what others lose, too.
    const rounds = Object.values(request.report.precision).some((precision) => precision !== 'fp32');
    return await alone(level === 'fidelity' && rounds ? 'rounding' : 'unknown');
  }
  // A part that only chooses gives no numbers, and the curve leaves it out.
  const end = request.report.curves?.find((one) => one.component === component)?.blocks[block.index]?.value;
  const references = parts.get('reference') ?? [];
  const at = references.findIndex(({ crossing, outputs }) =>
    (crossing.length > 0 ? crossing : outputs).some((name) => name === end),
  );
  const [before, after] = sides.map(({ build, device }): Side => {
    const model = parts.get(build)?.[at]?.model;
    if (model === undefined) throw new RangeError(`${component} has no part ${at} of ${build}`);
    return { build, device, model };
  });
  if (before === undefined || after === undefined) throw new RangeError('there are two sides');
  const runs = await replay({
    parts: references.slice(0, at + 1),
    calls,
    cache: new Map(
      component === request.recipe.decoder.component ? cacheNames(request.recipe.decoder.layers) : [],
    ),
    device: request.devices.reference,
    place,
    signal: request.signal,
  });
  const run = await firstDifferent(before, after, runs, place, suspect.limits);
  // What differs when it is fed with the output's own values only.
  if (run === undefined) return await alone('unknown');
  return { ...base, ...(await causeOf(suspect, { before, after, run, place, request })) };
}

type Found = Pick<Finding, 'kind' | 'places' | 'node' | 'tensors' | 'detail'>;

interface PartCase {
  readonly before: Side;
  readonly after: Side;
  readonly run: DifferentRun;
  readonly place: Place;
  readonly request: LocateRequest;
}

async function causeOf(suspect: Suspect, { before, after, run, place, request }: PartCase): Promise<Found> {
  const names = rowNames(suspect.component, run.call, request);
  const sides = { before, after };
  const asked: DeviationRequest = {
    before: before.model,
    after: after.model,
    feeds: run.feeds,
    open: (side, model) => openPart(place, sides[side], model),
    limits: suspect.limits,
    signal: request.signal,
  };
  const deviation = await firstDeviation(asked);
  // A row may be off by more than all of them together.
  const ofRow = 4 * suspect.limits.relative;
  const inBlock = confinedTo(run.error, names, ofRow);
  if (deviation === undefined) return { kind: 'operator', places: inBlock, tensors: [] };
  const { value, error, nodes, wanted } = deviation;
  const places = hasRows(error.shape, names) ? confinedTo(error, names, ofRow) : inBlock;
  const last = nodes.after.at(-1);
  if (last === undefined) throw new RangeError(`nothing makes ${value.after}`);
  const found = (kind: FindingKind, node: Node = last): Found => ({
    kind,
    places,
    node: { name: node.name, operator: node.op, value: value.after },
    tensors: [],
  });
  const [wantedConstants, ownConstants] = [
    await constantsOf(before.model, nodes.before, (model) => openPart(place, before, model)),
    await constantsOf(after.model, nodes.after, (model) => openPart(place, after, model)),
  ];
  const faults = tensorFaults(wantedConstants, ownConstants);
  const [fault] = faults;
  if (fault !== undefined) {
    const reader = nodes.after.find((node) => reads(node, fault));
    return { ...found(fault.kind, reader), tensors: faults.map(({ name, what }) => ({ name, what })) };
  }
  if (error.nonFinite > 0 && nodes.after.some(givesFloat16)) {
    const largest = largestOf(wanted);
    const detail = `up to ${formatNumber(largest)} in the original, float16 ends at ${largestHalf}`;
    return { ...found('overflow'), ...(largest > largestHalf ? { detail } : {}) };
  }
  const views = exchangedViews(wanted, deviation.found, names, ofRow);
  if (views !== undefined) return { ...found('exchanged views'), places: views };
  const inputs = await exchangedInputs(asked, deviation);
  if (inputs !== undefined) return { ...found('exchanged inputs', inputs.node), detail: inputs.inputs };
  return found('operator');
}

/** The builds that a level compares, the first one right. At fidelity rounded weights differ, all of them. */
function sidesOf(
  { level, component }: Suspect,
  builds: Builds,
  { devices, report }: LocateRequest,
): readonly { readonly build: BuildName; readonly device: Device }[] | undefined {
  const { reference, converted } = devices;
  const output: BuildName = builds.exact === undefined ? 'converted' : 'exact';
  switch (level) {
    case 'rewrite':
      return [
        { build: 'reference', device: 'cpu' },
        { build: 'rewritten', device: 'cpu' },
      ];
    case 'implementation':
      return [
        { build: 'plain', device: reference },
        { build: output, device: converted },
      ];
    case 'fidelity':
      return report.precision[component] === 'fp32'
        ? [
            { build: 'reference', device: reference },
            { build: 'converted', device: converted },
          ]
        : undefined;
    default:
      return undefined;
  }
}

/** Whether it reads the initializer, or a part of the quantized weight of that name. */
function reads(node: Node, { name }: TensorFault): boolean {
  return node.inputs.some(
    (input) => input !== null && (input.name === name || input.name === `${name}.values`),
  );
}

function givesFloat16(node: Node): boolean {
  return node.outputs.some((value) => value?.type?.kind === 'tensor' && value.type.dtype === 'float16');
}

const largestHalf = 65504;

function largestOf(value: RunTensor): number {
  let largest = 0;
  if (isFloat(value.dtype)) for (const each of toFloat32(value)) largest = Math.max(largest, Math.abs(each));
  return largest;
}
