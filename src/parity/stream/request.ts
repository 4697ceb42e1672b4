/** What a check in parts is asked for, and what it gives. */
import type { GenerationRecipe } from '../../architectures/recipe.ts';
import type { Model } from '../../graph/model.ts';
import type { Device } from '../../runtime/session.ts';
import type { Sample } from '../inputs/sample.ts';
import type { OnPlacement } from '../placement.ts';
import type { ErrorCurve, LevelReport } from '../report/report.ts';
import type { BuildName, Builds } from './builds.ts';
import type { CutOptions } from './cuts.ts';
import type { Call, PlacedPart } from './lanes.ts';

/** The builds as models, and how their parts are loaded. */
export interface StreamedBuilds {
  /**
   * Who chooses the ids after each prompt: the original, loaded whole, picks them greedily, or they are `drawn` like
   * the prompt, since what it would pick is known only when all its parts have run.
   */
  readonly continuation: 'picked' | 'drawn';
  /** By component id. */
  readonly builds: ReadonlyMap<string, Builds>;
  readonly cut: CutOptions;
  /** Puts the weights of one part's builds where the runtime can read them. */
  readonly place: (component: string, models: ReadonlyMap<BuildName, Model>) => Promise<PlacedPart>;
}

export interface StreamRequest extends StreamedBuilds {
  readonly recipe: GenerationRecipe;
  readonly sample: Sample;
  readonly decodeSteps: number;
  readonly signal: AbortSignal | undefined;
  /** What runs the output, and the original beside it. */
  readonly devices: { readonly reference: Device; readonly converted: Device };
  readonly onPlacement: OnPlacement;
  /** Called before each step with what it is, how many were done, and how many there are. */
  readonly onStep: (step: string, done: number, total: number) => void;
  /** Called with the runs of a component, fed with what the original made before. */
  readonly onCalls?: (component: string, calls: readonly Call[]) => void;
}

export interface StreamResult {
  readonly levels: readonly LevelReport[];
  readonly curves: readonly ErrorCurve[];
}
