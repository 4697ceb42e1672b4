/**
 * Which lanes a check runs through a component, and what it compares. What a user gets, the original and the output on
 * their own caches and values, runs over the whole sample. What proves each block by itself runs over a part of it
 * (`probeOf`): blocks of the output, and of the plain graphs that they are held to, each fed with what the original
 * has there, so that an error is the block's own and a fault of one block reaches no other.
 *
 * What each build is: builds.ts.
 */
import type { Device } from '../../runtime/session.ts';
import type { Level } from '../gates.ts';
import type { Sample } from '../inputs/sample.ts';
import type { Feed } from '../outputs.ts';
import type { BuildName } from './builds.ts';
import type { Curve } from './curve.ts';
import type { Call, Lane } from './lanes.ts';

export interface LanePlanRequest {
  /** Those of the component. */
  readonly builds: ReadonlySet<BuildName>;
  readonly devices: { readonly reference: Device; readonly converted: Device };
  /** Runs of the component, with what the original made before. */
  readonly calls: readonly Call[];
  /** The same, with what the output made before; undefined: it is the same. */
  readonly chained: readonly Call[] | undefined;
  /** Indices of the calls that prove single blocks. */
  readonly probe: ReadonlySet<number>;
  /** Whether the component chooses (choices.ts). */
  readonly chooses: boolean;
}

/** Two lanes that are compared, of which the first counts as right. */
export interface LanePair {
  readonly reference: string;
  readonly other: string;
  /** Of the level, the component's own outputs are compared, and its choices. */
  readonly level?: { readonly name: Level; readonly feed: Feed };
  /** Of the level, only choices are compared. */
  readonly choices?: { readonly name: Level; readonly feed: Feed };
  /** What goes from block to block is compared. */
  readonly curve?: Curve;
}

export interface LanePlan {
  readonly lanes: readonly Lane[];
  readonly pairs: readonly LanePair[];
}

/** Lanes that run over the whole sample; they are of the same names in every plan. */
export const mainLanes = ['reference', 'converted'] as const;

export function planLanes({ builds, devices, calls, chained, probe, chooses }: LanePlanRequest): LanePlan {
  // What the device adds shows beside the original on the CPU, and so do passes, which have nothing to do with it.
  const onHost = devices.reference !== 'cpu';
  const host = onHost ? 'host' : 'reference';
  const exact = builds.has('exact');
  const probed = { calls, only: probe } as const;
  const fed = { ...probed, fedFrom: 'reference' } as const;
  const lanes: readonly Lane[] = [
    ...(onHost ? [{ id: host, build: 'reference', device: 'cpu', ...probed } as const] : []),
    {
      id: 'reference',
      build: 'reference',
      device: devices.reference,
      calls,
      ...(onHost ? { choicesFrom: host } : {}),
    },
    ...(builds.has('rewritten')
      ? [{ id: 'rewritten', build: 'rewritten', device: 'cpu', ...probed, fedFrom: host } as const]
      : []),
    { id: 'plain', build: 'plain', device: devices.reference, ...fed },
    {
      id: 'converted',
      build: 'converted',
      device: devices.converted,
      calls: chained ?? calls,
      choicesFrom: 'reference',
    },
    { id: 'local', build: 'converted', device: devices.converted, ...fed },
    ...(exact ? [{ id: 'exact', build: 'exact', device: devices.converted, ...fed } as const] : []),
    ...(chooses
      ? [
          { id: 'tied', build: 'reference', device: devices.reference, ...fed, ties: true } as const,
          { id: 'tied local', build: 'converted', device: devices.converted, ...fed, ties: true } as const,
        ]
      : []),
  ];
  const pairs: readonly LanePair[] = [
    ...(onHost
      ? [{ reference: host, other: 'reference', level: { name: 'device', feed: 'local' } } as const]
      : []),
    ...(builds.has('rewritten')
      ? [
          {
            reference: host,
            other: 'rewritten',
            level: { name: 'rewrite', feed: 'local' },
            curve: 'rewrite',
          } as const,
        ]
      : []),
    {
      reference: 'plain',
      other: exact ? 'exact' : 'local',
      level: { name: 'implementation', feed: 'local' },
      curve: 'implementation',
    },
    {
      reference: 'reference',
      other: 'converted',
      level: { name: 'fidelity', feed: chained === undefined ? 'local' : 'chain' },
      curve: 'accumulated',
    },
    { reference: 'reference', other: 'local', curve: 'local' },
    ...(chooses
      ? [
          {
            reference: 'tied',
            other: 'tied local',
            choices: { name: 'implementation', feed: 'local' },
          } as const,
        ]
      : []),
  ];
  return { lanes, pairs };
}

/** The shortest prompt that shows a picture, or the shortest of all: an index. */
export function probeOf({ prompts }: Sample): number {
  const shown = prompts.some(({ spans }) => spans.length > 0);
  let best = -1;
  for (const [index, { ids, spans }] of prompts.entries()) {
    if (shown && spans.length === 0) continue;
    if (best === -1 || ids.length < (prompts[best]?.ids.length ?? 0)) best = index;
  }
  return best;
}
