/** The parity report as data: what JSON holds and Markdown renders. */
import type { ImageGeometry, View } from '../../architectures/architecture.ts';
import type { DiagnosticRecord } from '../../report/diagnostics.ts';
import type { Device } from '../../runtime/session.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { GateVerdict, Level, Precision } from '../gates.ts';
import type { PairResult } from '../runner.ts';
import type { CoverageRow } from './coverage.ts';

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
  readonly precision: Readonly<Record<string, Precision>>;
  readonly passes: readonly PassSummary[];
  readonly coverage: readonly CoverageRow[];
  readonly warnings: readonly DiagnosticRecord[];
}

export interface SampleSummary {
  readonly seed: number;
  /** What the picture is, its size and the SHA-256 of its RGB bytes. */
  readonly picture?: { readonly width: number; readonly height: number; readonly sha256: string };
  readonly prompts: readonly { readonly tokens: number; readonly imageTokens: number }[];
  readonly decodeSteps: number;
}

export interface ImageSummary {
  readonly requested: ImageGeometry['requested'];
  readonly input: ImageGeometry['input'];
  readonly tokens: number;
  readonly summary: string;
  readonly views: readonly View[];
}

export interface LevelReport extends PairResult {
  readonly level: Level;
}

export interface ParityReport extends Subject {
  readonly version: typeof reportVersion;
  readonly passed: boolean;
  readonly runtime: {
    readonly name: string;
    readonly version: string;
    readonly device: Device;
    /** Execution providers asked for, in order. */
    readonly providers: readonly string[];
    /** What the device means for the numbers. */
    readonly notes: readonly string[];
  };
  readonly image?: ImageSummary;
  readonly sample: SampleSummary;
  readonly gates: readonly GateVerdict[];
  readonly levels: readonly LevelReport[];
  /** Milliseconds by step; the only part that differs from run to run. */
  readonly timing: Readonly<Record<string, number>>;
}
