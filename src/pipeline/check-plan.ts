/**
 * How an output is checked: cut into parts that run one after the other, and whether the original picks the tokens
 * that follow the prompts, for which its decoder has to be loaded whole. The plan counts what that takes.
 */
import type { BuiltModel } from '../architectures/architecture.ts';
import { modelTensors } from '../formats/onnx/layout.ts';
import type { Model } from '../graph/model.ts';
import {
  type BuildName,
  type Builds,
  type CutOptions,
  cutBuilds,
  maxLogitElements,
  outputBuilds,
  withoutActivationQuantization,
} from '../parity/index.ts';
import { availableMemory } from './check-memory.ts';
import { columnPieces } from './column-pieces.ts';
import type { CompiledComponent } from './compile.ts';
import type { ParityMode } from './options.ts';

export interface CheckPlan {
  /** `whole`: the original's decoder is loaded whole, to pick tokens; everything else runs in parts all the same. */
  readonly mode: 'whole' | 'streamed';
  /** Most bytes of weights that stand in the scratch folder at a time. */
  readonly scratch: number;
  /** About the most memory that the check takes beyond the process itself. */
  readonly memory: number;
}

/** A block of the largest decoders is 0.8 GB in float32; one matrix may be more and stays whole. */
export const checkCut: CutOptions = { limitBytes: 2 ** 30, at: 'blocks' };

/** What computing the weights of one part takes while another runs. */
const writing = 2 ** 28;

/** The builds of a component, for the check. */
export function buildsOf({ component, rewritten, plain, ...compiled }: CompiledComponent): Builds {
  // A check feeds what every adapter has in common: the factors stand in the graph.
  const model = compiled.bound?.model ?? compiled.model;
  const exact = withoutActivationQuantization(model);
  return {
    reference: component.model,
    ...(rewritten === undefined ? {} : { rewritten }),
    plain,
    converted: model,
    ...(exact === undefined ? {} : { exact }),
  };
}

/** `auto` is whole where that fits the memory of the machine. */
export function planCheck(
  built: BuiltModel,
  components: readonly CompiledComponent[],
  mode: ParityMode,
  available: number = availableMemory(),
): CheckPlan {
  const perComponent = components.map((component) => partBytes(buildsOf(component)));
  const parts = perComponent.flat();
  const activations = activationBytes(built);
  const largest = Math.max(0, ...parts.map(({ largest: bytes }) => bytes));
  const streamed: CheckPlan = {
    mode: 'streamed',
    // A part is written while the one before it runs.
    scratch: Math.max(
      0,
      ...perComponent.flatMap((own) => own.map(({ written }, at) => written + (own[at + 1]?.written ?? 0))),
    ),
    // The runtime maps float weights where they stand.
    memory: largest + writing + activations,
  };
  const { embed, decoder } = built.recipe;
  const [table, weights] = [embed, decoder].map(({ component: id }) => {
    const model = components.find(({ component }) => component.id === id)?.component.model;
    return model === undefined ? 0 : distinctBytes([model]);
  });
  const picking = (table ?? 0) + (weights ?? 0);
  const whole: CheckPlan = {
    mode: 'whole',
    scratch: Math.max(streamed.scratch, picking),
    memory: Math.max(streamed.memory, picking + writing + activations),
  };
  if (mode === 'auto') return whole.memory <= available ? whole : streamed;
  return mode === 'whole' ? whole : streamed;
}

interface PartBytes {
  /** Of all builds whose weights are computed, shared ones once. */
  readonly written: number;
  /** Of what is opened at a time, the most. */
  readonly largest: number;
}

function partBytes(builds: Builds): readonly PartBytes[] {
  const cut = [...cutBuilds(builds, checkCut)];
  const count = cut[0]?.[1].length ?? 0;
  return Array.from({ length: count }, (_, index) => {
    const models = cut.flatMap(([build, parts]): [BuildName, Model][] => {
      const model = parts[index]?.model;
      return model === undefined ? [] : [[build, model]];
    });
    return {
      written: distinctBytes(models.filter(([build]) => !outputBuilds.has(build)).map(([, model]) => model)),
      // Computed products are opened in pieces.
      largest: Math.max(
        ...models.flatMap(([build, model]) =>
          (outputBuilds.has(build) ? [model] : columnPieces(model, checkCut.limitBytes)).map((piece) =>
            distinctBytes([piece]),
          ),
        ),
      ),
    };
  });
}

function distinctBytes(models: readonly Model[]): number {
  const tensors = new Set(models.flatMap((model) => [...modelTensors(model)].map(({ tensor }) => tensor)));
  return [...tensors].reduce((sum, tensor) => sum + tensor.byteLength, 0);
}

/** The logits that are kept of three prompts, by six lanes, and a generous share for what goes from part to part. */
function activationBytes({ recipe, image, audio }: BuiltModel): number {
  const tokens = ((image ?? audio)?.tokens ?? 0) + 64;
  const logits = Math.min(maxLogitElements, tokens * recipe.vocabSize);
  return 4 * (18 * logits + 64 * tokens * recipe.hiddenSize);
}
