/**
 * What a model family provides: it recognises its checkpoints, validates config and tensors, and builds the
 * reference graphs in plain ONNX operators, float32, at the resolution asked for. It does no I/O and knows
 * nothing of quantization, fusions or runtimes.
 */
import type { AppliedAdapter } from '../formats/checkpoint/adapters/apply.ts';
import type { Checkpoint, JsonObject } from '../formats/checkpoint/checkpoint.ts';
import type { Model } from '../graph/model.ts';
import type { DiagnosticRecord } from '../report/diagnostics.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import type { AudioGeometry, ImageGeometry, Size } from './media.ts';
import type { GenerationRecipe } from './recipe.ts';
import type { ComponentKind, Modality, Role } from './vocabulary.ts';

export type Tiling = 'fit' | 'crop' | 'cover';
export type LoraTiles = 'nearest' | 'base' | 'error';

export interface BuildOptions {
  /** Undefined: the checkpoint's own. */
  readonly resolution?: Size;
  readonly tiling: Tiling;
  readonly loraTiles: LoraTiles;
  /** Of a sound, at most; undefined: the checkpoint's own. */
  readonly audioSeconds?: number;
}

/** One graph of a model, which is one file of the output; options address it by the words of vocabulary.ts. */
export interface Component {
  /** `vision`, `embed`, `decoder`. */
  readonly id: string;
  readonly kind: ComponentKind;
  readonly modality: Modality;
  /** All that is in the file, where that is more than one part: an encoder and its projector. */
  readonly holds?: readonly Role[];
  /** File base name in the output: `vision_encoder`, `embed_tokens`, `decoder_model_merged`. */
  readonly fileName: string;
  readonly model: Model;
}

/** A file of the output folder beside the graphs. */
export type SideFile =
  | { readonly name: string; readonly kind: 'copy'; readonly from: string }
  | { readonly name: string; readonly kind: 'json'; readonly value: JsonValue };

export interface BuiltModel {
  readonly architecture: string;
  readonly components: readonly Component[];
  readonly image?: ImageGeometry;
  readonly audio?: AudioGeometry;
  readonly recipe: GenerationRecipe;
  readonly sideFiles: readonly SideFile[];
  readonly warnings: readonly DiagnosticRecord[];
  /** Tensors of the checkpoint that no component reads. */
  readonly unusedTensors: readonly string[];
}

/** A part of a model that its publisher keeps apart: a folder with a config of its own. */
export interface ModelPart {
  /** `vision_tower`. */
  readonly id: string;
  /** What the config calls it. Its last segment counts, as a name in the checkpoint's folder: no path is followed. */
  readonly name: string;
  /** Where it says so, for messages: `config.json: mm_vision_tower`. */
  readonly where: string;
  /** Also looked for beside the checkpoint's folder. */
  readonly beside?: true;
  /** By which the user names another place. */
  readonly option?: 'visionTower';
}

export interface JoinedCheckpoint extends Checkpoint {
  /** Adapters that are a part of the model, as they were applied. */
  readonly adapters?: readonly AppliedAdapter[];
}

/** How a model in several parts becomes one checkpoint. */
export interface ModelParts {
  /**
   * What stands apart; none where the main checkpoint is whole. That has config, side files, and tensors if it has
   * weight files of its own.
   */
  find(main: Checkpoint): readonly ModelPart[];
  /**
   * All parts as one, with the tensors, config and side files that `build` reads. Called where `find` gave some; throws
   * VlmError.
   */
  join(main: Checkpoint, parts: ReadonlyMap<string, Checkpoint>): JoinedCheckpoint;
  /** What a user's adapters go over: the main checkpoint before it is joined, or all of it. */
  readonly adapted: 'main' | 'whole';
}

export interface Architecture {
  readonly id: string;
  /** For people: `Monkey`, `Qwen-VL`. */
  readonly title: string;
  /** Values of config.json's `model_type`. Families may share one: `recognises` decides. */
  readonly modelTypes: readonly string[];
  /** Of a model in parts: its main config; `tensorNames` are then those of the main checkpoint, or of all. */
  recognises(config: JsonObject, tensorNames: ReadonlySet<string>): boolean;
  /** Left out where all stands in one checkpoint. */
  readonly parts?: ModelParts;
  /** Throws VlmError: VC12xx for config and tensors, VC4xxx for options. */
  build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel;
}
