/**
 * What a model sees and hears, as data: how a picture or a sound becomes what an encoder takes, its views, and where its
 * features lie. Plan, report and preprocessing read it.
 */
import type { PillowFilter } from '../kernels/pillow-resize.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}
/** One view that the vision tower runs: a tile of the picture, the whole picture resized, or frames of a video. */
export interface View {
  readonly kind: 'tile' | 'global' | 'frame';
  /** Tile position in the grid. */
  readonly row?: number;
  readonly column?: number;
  /** Which of several scales the tile belongs to, from the coarsest on. */
  readonly scale?: number;
  /** Which frames of a video: as many as a patch holds, counted in such groups. */
  readonly frame?: number;
  /** Index of the adapter it runs with; null: base weights only; undefined: the model has no per-tile adapters. */
  readonly adapter?: number | null;
  /** False where the adapter was not trained for this position. */
  readonly trained?: boolean;
}

/** What a family's own preprocessing does to an RGB picture of 8 bits before it normalises it, one thing. */
export type PictureStep =
  /** As Pillow resizes. */
  | { readonly step: 'resize'; readonly to: Size; readonly filter: PillowFilter }
  /** The shorter side to `side`, the other in proportion, rounded down. */
  | { readonly step: 'shortest-side'; readonly side: number; readonly filter: PillowFilter }
  /** The middle; what the picture does not fill is black. */
  | { readonly step: 'center-crop'; readonly to: Size }
  /** Into the middle of a square of its longer side, of a colour in bytes. */
  | { readonly step: 'pad-square'; readonly color: readonly number[] }
  | InsideStep
  /** Into the middle of that size, of a colour in bytes. */
  | { readonly step: 'pad'; readonly to: Size; readonly color: readonly number[] };

/** As large as fits in a size, both sides in proportion and none under `least` pixels. */
export interface InsideStep {
  readonly step: 'inside';
  readonly to: Size;
  readonly least: number;
  /** Of the shorter side. `down`: int(side / longer · to), as Janus has it; `half-even`: round(side · (to / longer)). */
  readonly rounding: 'down' | 'half-even';
  readonly filter: PillowFilter;
}

/** What the features of one picture, or video, are. */
export interface PictureLayout {
  /** Size of the picture that the component sees. */
  readonly input: Size;
  readonly views: readonly View[];
  /** What runs through the tower, where the features of all of it are joined to those of one view. */
  readonly tiles?: readonly View[];
  readonly tokensPerView: number;
  /**
   * So many tokens stand before those of the global view in place of all that the tiles have: chosen among them by what the
   * picture shows, they lie nowhere.
   */
  readonly chosen?: number;
  /** How a view's tokens lie over it, row-major, after `leading` that lie nowhere; left out when they do not. */
  readonly tokenGrid?: { readonly rows: number; readonly columns: number; readonly leading: number };
  /** Length of the image span in the prompt. */
  readonly tokens: number;
}

/**
 * Everything that hangs on the image size, as data for plan, report and preprocessing. Of a graph that takes any size:
 * what holds of the picture that a check draws.
 */
export interface ImageGeometry extends PictureLayout {
  readonly requested: Size;
  readonly grid?: { readonly rows: number; readonly columns: number; readonly tile: number };
  /** From a picture to one of `input`'s size; left out when the checkpoint asks for what is not known here. */
  readonly steps?: readonly PictureStep[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** One line a user reads: `1544x896 → 3x2 tiles of 448 at 1344x896 (fit)`. */
  readonly summary: string;
}

/** What the features of one sound are. */
export interface SoundLayout {
  /** Log-mel frames that come from sound; the rest of the chunk is silence. */
  readonly frames: number;
  /** Length of its span in the prompt: rows of the encoder's output that count, from the first on. */
  readonly tokens: number;
  /** Those of the chunk, silence and all. */
  readonly rows: number;
  /** Of sound, in one token. */
  readonly secondsPerToken: number;
}

export type MediaLayout = PictureLayout | SoundLayout;

/** How a sound becomes log-mel frames: as the WhisperFeatureExtractor of transformers makes them. */
export interface LogMelSettings {
  /** Hz. */
  readonly sampleRate: number;
  /** Samples of a window (n_fft), and from one to the next. */
  readonly window: number;
  readonly hop: number;
  /** Mel bands, up to `highest` Hz. */
  readonly bands: number;
  readonly highest: number;
}

/** Everything that hangs on the length of sounds, as data for plan, report and preprocessing. */
export interface AudioGeometry extends LogMelSettings {
  /** Of a chunk, which is what the encoder takes: sound, and silence behind it. */
  readonly seconds: number;
  readonly samples: number;
  readonly frames: number;
  /** Of a sound that fills the chunk. */
  readonly tokens: number;
  /** Frames that become a token; a sound has as many tokens as its frames, and one more, hold such groups. */
  readonly framesPerToken: number;
  /** One line a user reads: `30 s → 3000 frames → 750 tokens`. */
  readonly summary: string;
}

export type MediaGeometry = ImageGeometry | AudioGeometry;
