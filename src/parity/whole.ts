/** Every level of a check, level after level, on builds that stand in files and are loaded whole. */
import type { Device } from '../runtime/devices.ts';
import type { ComponentFiles } from './components.ts';
import { type Level, levels as levelOrder } from './gates.ts';
import type { OnPlacement } from './placement.ts';
import type { LevelReport } from './report/report.ts';
import { comparePair, type Feed, type PairRequest, pairSteps } from './runner.ts';

/** The builds as files. */
export interface WholeBuilds {
  /**
   * The plain graphs with the original weights, of the components that passes gave other sums; left out when there
   * is none. They are compared with `fidelity.reference`.
   */
  readonly rewrite?: ComponentFiles | undefined;
  readonly fidelity: {
    /** What the architecture built, float32. */
    readonly reference: ComponentFiles;
    /** What was written for the user. */
    readonly converted: ComponentFiles;
  };
  readonly implementation: {
    /** The plain graphs with the weights that passes reported through `substitute`. */
    readonly reference: ComponentFiles;
    /** The converted files, those that quantize activations as `withoutActivationQuantization` gives them. */
    readonly converted: ComponentFiles;
  };
}

/** What a check of whatever builds is given. */
export interface LevelRun
  extends Pick<PairRequest, 'recipe' | 'image' | 'sample' | 'decodeSteps' | 'signal'> {
  /** What runs the output, and the original beside it. */
  readonly devices: { readonly reference: Device; readonly converted: Device };
  readonly onPlacement: OnPlacement;
  /** Called before each step with what it is, how many were done, and how many there are. */
  readonly onStep: (step: string, done: number, total: number) => void;
}

/** Local feeding suffices to prove a rewrite or an implementation; what a user sees is the chain. */
const feedsOf: Readonly<Record<Level, readonly Feed[]>> = {
  device: ['local'],
  rewrite: ['local'],
  implementation: ['local'],
  fidelity: ['local', 'chain'],
};

type LevelPair = Pick<
  PairRequest,
  'reference' | 'converted' | 'referenceDevice' | 'device' | 'components' | 'feeds' | 'recipe'
>;

/** What a level compares; undefined when there is nothing for it. */
function pairOf(level: Level, builds: WholeBuilds, { recipe, devices }: LevelRun): LevelPair | undefined {
  const { reference } = builds.fidelity;
  const common = { recipe, feeds: feedsOf[level] };
  const cpu = { referenceDevice: 'cpu', device: 'cpu' } as const;
  switch (level) {
    case 'device':
      return devices.reference === 'cpu'
        ? undefined
        : { ...common, reference, converted: reference, ...cpu, device: devices.reference };
    case 'rewrite': {
      const rewritten = builds.rewrite ?? {};
      const components = Object.keys(rewritten);
      if (components.length === 0) return undefined;
      // Both are references: what they differ by must not depend on a driver.
      return { ...common, reference, converted: rewritten, components, ...cpu };
    }
    default:
      return { ...common, ...builds[level], referenceDevice: devices.reference, device: devices.converted };
  }
}

/** Throws as `comparePair`. */
export async function runWhole(builds: WholeBuilds, run: LevelRun): Promise<readonly LevelReport[]> {
  const pairs = levelOrder.flatMap((level) => {
    const pair = pairOf(level, builds, run);
    return pair === undefined ? [] : [{ level, pair }];
  });
  const total = pairs.reduce((sum, { pair }) => sum + pairSteps(pair, run.sample.prompts.length), 0);
  let done = 0;
  const results: LevelReport[] = [];
  for (const { level, pair } of pairs) {
    const result = await comparePair({
      ...run,
      ...pair,
      onPlacement: level === 'fidelity' ? run.onPlacement : undefined,
      onStep: (step) => {
        run.onStep(`${level}: ${step}`, done, total);
        done += 1;
      },
    });
    results.push({ level, ...result });
  }
  return results;
}
