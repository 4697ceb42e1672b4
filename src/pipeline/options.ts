/** What a conversion is asked to do, as the library takes it. Everything but the checkpoint has a default. */
import type { LoraTiles, Tiling } from '../architectures/architecture.ts';
import type { Size } from '../architectures/media.ts';
import type { FormatId } from '../packages/registry.ts';
import type { Precision } from '../parity/index.ts';
import type { DeviceChoice } from '../runtime/devices.ts';

export type { Precision } from '../parity/index.ts';

/**
 * `whole`: the original picks the tokens that follow the prompts, for which its decoder is loaded whole. `streamed`:
 * they are drawn, and no more than one part of a model is loaded at a time. `auto`: whole where the memory suffices.
 */
export type ParityMode = 'auto' | 'streamed' | 'whole';

export type LoraMode = 'merge' | 'factored' | 'runtime';

/** An adapter of the PEFT library. */
export interface AdapterChoice {
  /** Its folder. */
  readonly path: string;
  /** What its scale is multiplied by; 1: as it was trained. */
  readonly share: number;
}

export interface ConvertOptions {
  /** Folder of the checkpoint, or of an adapter whose base is known. */
  readonly checkpoint: string;
  /** In the order in which they are applied. */
  readonly adapter?: readonly AdapterChoice[] | undefined;
  /** The base, where `checkpoint` is an adapter; default: what its config names, beside its folder. */
  readonly base?: string | undefined;
  /** The vision tower, where the checkpoint names one of another folder; default: in or beside its folder. */
  readonly visionTower?: string | undefined;
  /** Folder to write; default `<checkpoint name>-onnx` beside the current folder. */
  readonly output?: string | undefined;
  /** The runtime that the folder is made for; default onnx: any onnxruntime. */
  readonly format?: FormatId | undefined;
  /** In pixels; default: the checkpoint's own. */
  readonly resolution?: Size | undefined;
  readonly tiling?: Tiling | undefined;
  /** Whole seconds of the longest sound; default: as many as the checkpoint's own. */
  readonly maxAudioSeconds?: number | undefined;
  /** Low-rank adapters: in the weights, as branches, or as branches whose factors are inputs of the graphs. */
  readonly lora?: LoraMode | undefined;
  readonly loraTiles?: LoraTiles | undefined;
  /** One for all, or by component (its id, its kind, or modality_kind; the rest stays fp32). */
  readonly precision?: Precision | Readonly<Record<string, Precision>> | undefined;
  /** Weights that share a scale in int4 and int8. */
  readonly blockSize?: number | undefined;
  readonly symmetric?: boolean | undefined;
  readonly quantizeEmbeddings?: boolean | undefined;
  /** Of the inputs and outputs of fp16 graphs. */
  readonly ioDtype?: 'float32' | 'float16' | undefined;
  /**
   * Ids of what the graphs have to run on, or by component; default (for those not named): what `format` is for, which is
   * cpu and webgpu for `onnx`.
   */
  readonly target?: readonly string[] | Readonly<Record<string, readonly string[]>> | undefined;
  /** Pipeline text for all components, or by component, instead of what the options above choose. */
  readonly passes?: string | Readonly<Record<string, string>> | undefined;
  /** How the result is run beside the original; false: not at all. Default auto. */
  readonly parity?: boolean | ParityMode | undefined;
  /** What runs the check; default cpu. */
  readonly device?: DeviceChoice | undefined;
  /** Limits of the report by metric, instead of the defaults. */
  readonly gate?: Readonly<Record<string, number>> | undefined;
  /** Safetensors file with recorded `pixel_values` and `input_ids` for the check. */
  readonly inputs?: string | undefined;
  /** Folder with pictures and prompts for the check. */
  readonly samples?: string | undefined;
  /** Of what is drawn for the check; default 1. */
  readonly seed?: number | undefined;
  /** Sizes of pictures at which the check measures how near activations come to the end of float16. */
  readonly sweepResolutions?: readonly Size[] | undefined;
  /** parity-report.json of an earlier conversion, which this one must not fall behind. */
  readonly baseline?: string | undefined;
  /** Warnings are errors. */
  readonly strict?: boolean | undefined;
  /** Replace an output that is not an earlier one of ours. */
  readonly force?: boolean | undefined;
  /** Keep weights that are NaN or infinite, instead of refusing them. */
  readonly allowNonfinite?: boolean | undefined;
  /** Leave tensors that are stored as they are in the weight files, and link those into the output. */
  readonly linkWeights?: boolean | undefined;
  /** Go on from what an earlier run of the same conversion finished. */
  readonly resume?: boolean | undefined;
  /** Hash the weight files, note the digests in the manifest, and tell by them whether files are the same. */
  readonly verifyInputs?: boolean | undefined;
  /** Bytes of memory that the whole process takes while it writes. */
  readonly memory?: number | undefined;
  /** Worker threads at most; default: one per core, as many as the memory allows. */
  readonly jobs?: number | undefined;
}

/** Options of the check itself, which bear on no graph: `vlm-convert parity` takes them anew. */
export const checkOptionKeys = [
  'parity',
  'device',
  'gate',
  'inputs',
  'samples',
  'seed',
  'sweepResolutions',
  'baseline',
] as const satisfies readonly (keyof ConvertOptions)[];

export type CheckOptionKey = (typeof checkOptionKeys)[number];

/** Folders that a model is read from besides its checkpoint's; none of them is in a manifest. */
export type SourceOptionKey = 'adapter' | 'base' | 'visionTower';

/** Every option with its value; what the plan and the manifest record. */
export interface ResolvedOptions {
  readonly checkpoint: string;
  readonly adapter: readonly AdapterChoice[];
  readonly base: string | undefined;
  readonly visionTower: string | undefined;
  readonly format: FormatId;
  readonly resolution: Size | undefined;
  readonly tiling: Tiling;
  readonly maxAudioSeconds: number | undefined;
  readonly lora: LoraMode;
  readonly loraTiles: LoraTiles;
  readonly precision: Precision | Readonly<Record<string, Precision>>;
  readonly blockSize: number;
  readonly symmetric: boolean;
  readonly quantizeEmbeddings: boolean;
  readonly ioDtype: 'float32' | 'float16';
  readonly target: readonly string[] | Readonly<Record<string, readonly string[]>> | undefined;
  readonly passes: string | Readonly<Record<string, string>> | undefined;
  readonly parity: false | ParityMode;
  readonly device: DeviceChoice;
  readonly gate: Readonly<Record<string, number>>;
  readonly inputs: string | undefined;
  readonly samples: string | undefined;
  readonly seed: number;
  readonly sweepResolutions: readonly Size[] | undefined;
  readonly baseline: string | undefined;
  readonly strict: boolean;
  readonly force: boolean;
  readonly allowNonfinite: boolean;
  readonly linkWeights: boolean;
  readonly resume: boolean;
  readonly verifyInputs: boolean;
  readonly memory: number;
  readonly jobs: number | undefined;
}

/** Enough for the workers of 8 cores with all that they can use, whatever the checkpoint's size. */
const defaultMemory = 2 ** 30;

export function resolveOptions(options: ConvertOptions): ResolvedOptions {
  return {
    checkpoint: options.checkpoint,
    adapter: options.adapter ?? [],
    base: options.base,
    visionTower: options.visionTower,
    format: options.format ?? 'onnx',
    resolution: options.resolution,
    tiling: options.tiling ?? 'fit',
    maxAudioSeconds: options.maxAudioSeconds,
    lora: options.lora ?? 'merge',
    loraTiles: options.loraTiles ?? 'nearest',
    precision: options.precision ?? 'fp32',
    blockSize: options.blockSize ?? 32,
    symmetric: options.symmetric ?? false,
    quantizeEmbeddings: options.quantizeEmbeddings ?? true,
    ioDtype: options.ioDtype ?? 'float32',
    target: options.target,
    passes: options.passes,
    parity: options.parity === true ? 'auto' : (options.parity ?? 'auto'),
    device: options.device ?? 'cpu',
    gate: options.gate ?? {},
    inputs: options.inputs,
    samples: options.samples,
    seed: options.seed ?? 1,
    sweepResolutions: options.sweepResolutions,
    baseline: options.baseline,
    strict: options.strict ?? false,
    force: options.force ?? false,
    allowNonfinite: options.allowNonfinite ?? false,
    linkWeights: options.linkWeights ?? false,
    resume: options.resume ?? false,
    verifyInputs: options.verifyInputs ?? false,
    memory: options.memory ?? defaultMemory,
    jobs: options.jobs,
  };
}
