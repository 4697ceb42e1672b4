/** The parity report as data: what JSON holds and Markdown renders. */
import type { ImageGeometry, View } from '../../architectures/media.ts';
import type { ComponentSummary } from '../../architectures/vocabulary.ts';
import type { DiagnosticRecord } from '../../report/diagnostics.ts';
import type { Device, DeviceChoice } from '../../runtime/devices.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { GateVerdict, Level, Precision } from '../gates.ts';
import type { OutputResult } from '../outputs.ts';
import type { AdapterRecord } from './adapters.ts';
import type { CoverageRow } from './coverage.ts';
import type { Finding } from './finding.ts';
import type { RangeReport } from './range-report.ts';

/** Raised when a reader of an older report would misread a newer one. */
export const reportVersion = 1;

/** What one pass did to one component; timings are kept apart. */
export interface PassSummary {
  readonly component: string;
  readonly name: string;
  readonly options: JsonValue;
  readonly changed: boolean;
  readonly stats: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

/** Who made what from what; the caller of parity knows. */
export interface Subject {
  readonly tool: { readonly name: string; readonly version: string };
  /** Name and architecture of the model, and what tells its files apart (digests). */
  readonly model: Readonly<Record<string, JsonValue>>;
  /** The conversion's options. */
  readonly options: JsonValue;
  /** Left out where there are none. */
  readonly adapters?: readonly AdapterRecord[];
  /** What the graphs are parts of; left out in reports of earlier versions. */
  readonly components?: readonly ComponentSummary[];
  readonly precision: Readonly<Record<string, Precision>>;
  readonly passes: readonly PassSummary[];
  readonly coverage: readonly CoverageRow[];
  readonly warnings: readonly DiagnosticRecord[];
}

export interface SampleSummary {
  readonly seed: number;
  /** Drawn by the tool, recorded tensors, or pictures and prompts of the user. */
  readonly source: 'drawn' | 'recorded' | 'samples';
  /** The user's pictures, or recorded ones, in order. */
  readonly pictures?: readonly { readonly name: string; readonly sha256: string }[];
  /** What the drawn picture is, its size and the SHA-256 of its RGB bytes. */
  readonly picture?: { readonly width: number; readonly height: number; readonly sha256: string };
  /** The drawn video, where there is one: the size of its frames, and the SHA-256 of them all. */
  readonly video?: { readonly width: number; readonly height: number; readonly sha256: string };
  /** Drawn sounds: their log-mel frames, what they become, and the SHA-256 of their samples. */
  readonly sounds?: readonly { readonly frames: number; readonly tokens: number; readonly sha256: string }[];
  readonly prompts: readonly { readonly tokens: number; readonly imageTokens: number }[];
  /** SHA-256 of the prompts' ids and spans, as JSON. */
  readonly promptsSha256?: string;
  /** Of a picture that is drawn: ids of each of the two rows, codes, and the SHA-256 of both as JSON. */
  readonly drawing?: { readonly tokens: number; readonly codes: number; readonly sha256: string };
  readonly decodeSteps: number;
  /** Who chose the tokens of these steps: the original, greedily, or the seed. */
  readonly continuation?: 'picked' | 'drawn';
}

export interface ImageSummary {
  readonly requested: ImageGeometry['requested'];
  readonly input: ImageGeometry['input'];
  readonly grid?: ImageGeometry['grid'];
  readonly tokens: number;
  readonly summary: string;
  readonly views: readonly View[];
}

export interface AudioSummary {
  /** Of the longest sound, and what it becomes. */
  readonly seconds: number;
  readonly tokens: number;
  readonly summary: string;
}

export interface LevelReport {
  readonly level: Level;
  readonly outputs: readonly OutputResult[];
  /** Fidelity only, per prompt: how many tokens that the original picks greedily the output picks in chain. */
  readonly greedy: readonly { readonly prompt: number; readonly agreed: number; readonly of: number }[];
  /** Layers whose cache was compared, the fewest over the prompts; left out when the decoder was not. */
  readonly cacheLayers?: number;
}

/** Numbers of one block's output; their definitions are in metrics.ts. */
export interface BlockMetrics {
  readonly relative: number;
  readonly cosine: number;
  /** Largest error over the larger of the element and the reference's standard deviation, and where. */
  readonly max: number;
  readonly worst: string;
  readonly nonFinite: number;
}

/** Errors along the depth of a component, which was cut where few values cross. */
export interface ErrorCurve {
  readonly component: string;
  readonly blocks: readonly {
    /** The module that the block ends in, as the architecture names it. */
    readonly name: string;
    /** The value at its end. */
    readonly value: string;
    readonly nodes: number;
    readonly weightBytes: number;
    /** Fed with the reference's activations: the block's own error. */
    readonly local: BlockMetrics;
    /** Fed with what its predecessors made: what has added up. */
    readonly accumulated: BlockMetrics;
    /** As `local`, of the level rewrite; left out where passes left the component's sums alone. */
    readonly rewrite?: BlockMetrics;
    /** As `local`, of the level implementation: without what rounding weights costs, which hides small faults. */
    readonly implementation?: BlockMetrics;
  }[];
}

/** What the nodes of one graph ran on, as the runtime recorded it. */
export interface Placement {
  readonly component: string;
  readonly build: 'reference' | 'converted';
  readonly device: Device;
  /** False where the runtime gave no record: nothing is known then. */
  readonly proven: boolean;
  readonly providers: readonly {
    readonly provider: string;
    readonly nodes: number;
    readonly operators: Readonly<Record<string, number>>;
  }[];
  /** Nodes that the device asked for did not run. */
  readonly fellBack: readonly { readonly node: string; readonly operator: string }[];
}

export interface ParityReport extends Subject {
  readonly version: typeof reportVersion;
  readonly passed: boolean;
  readonly runtime: {
    readonly name: string;
    readonly version: string;
    readonly device: Device;
    /** What was asked for. */
    readonly requested?: DeviceChoice;
    /** Execution providers asked for, in order. */
    readonly providers: readonly string[];
    /** What the device means for the numbers. */
    readonly notes: readonly string[];
  };
  readonly image?: ImageSummary;
  readonly audio?: AudioSummary;
  readonly sample: SampleSummary;
  /** What the failed gates lead to, in the order from the original to the output; empty where none failed. */
  readonly findings: readonly Finding[];
  readonly gates: readonly GateVerdict[];
  readonly levels: readonly LevelReport[];
  readonly curves?: readonly ErrorCurve[];
  readonly placement?: readonly Placement[];
  /** Of a sweep over picture sizes, where one was asked for. */
  readonly ranges?: RangeReport;
  /** Milliseconds by step; the only part that differs from run to run. */
  readonly timing: Readonly<Record<string, number>>;
}
