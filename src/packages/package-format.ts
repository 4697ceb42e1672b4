/**
 * What a package format provides: an output folder holds the same graphs for every runtime, but each runtime looks
 * for its own file names and its own JSON beside them. A format gives the names before anything is planned, and the
 * files once the layout is known. It does no I/O and changes no graph that is checked.
 */
import type { BuiltModel, Component, SideFile } from '../architectures/architecture.ts';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import type { ModelLayout } from '../formats/onnx/layout.ts';
import type { Model } from '../graph/model.ts';
import type { DiagnosticRecord } from '../report/diagnostics.ts';
import type { Target } from '../targets/target.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** A model that is to be packed, and what the options make of its components. */
export interface PackageRequest {
  readonly built: BuiltModel;
  /** By component id: fp32, fp16, int8 or int4. */
  readonly precisions: ReadonlyMap<string, string>;
  /** Of the inputs and outputs of fp16 graphs. */
  readonly ioDtype: 'float32' | 'float16';
  /** Weights stay in the checkpoint's own files, under names of theirs. */
  readonly linkWeights: boolean;
}

/** A component after its passes. */
export interface FinishedComponent {
  readonly component: Component;
  readonly precision: string;
  readonly model: Model;
}

/** A component as it is written. */
export interface PackedComponent extends FinishedComponent {
  readonly layout: ModelLayout;
}

/** Components in the form that a runtime wants beside the one that is checked; its weights are the components'. */
export interface AdaptedGraph {
  /** Without extension: it stands beside the components' files. */
  readonly fileName: string;
  readonly model: Model;
  /** The components', whose data files it reads. */
  readonly layout: ModelLayout;
}

export interface PackageFiles {
  readonly graphs: readonly AdaptedGraph[];
  readonly sideFiles: readonly SideFile[];
  readonly warnings: readonly DiagnosticRecord[];
}

export interface PackageFormat {
  /** As `--format` takes it. */
  readonly id: string;
  /** What the graphs have to run on; passes choose forms that all of them have. */
  readonly targets: readonly Target[];
  /**
   * The model under the file names that the runtime looks for. Throws VC4501 and VC4502 for what the runtime cannot
   * run.
   */
  name(request: PackageRequest): BuiltModel;
  /**
   * By component: the file name, without extension, that a weight's data file is called after, where that is not the
   * component's own. Left out where a runtime finds data files by any name.
   */
  dataNames?(
    built: BuiltModel,
    components: readonly FinishedComponent[],
  ): ReadonlyMap<string, ReadonlyMap<Tensor, string>>;
  /** The files beside the graphs, of those that the architecture made. */
  files(built: BuiltModel, checkpoint: Checkpoint, components: readonly PackedComponent[]): PackageFiles;
}
