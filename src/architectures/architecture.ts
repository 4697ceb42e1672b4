/**
 * What a model family provides: it recognises its checkpoints, validates config and tensors, and builds the
 * reference graphs in plain ONNX operators, float32, at the resolution asked for. It does no I/O and knows
 * nothing of quantization, fusions or runtimes.
 */
import type { AppliedAdapter } from '../formats/checkpoint/adapters/apply.ts';
import type { Checkpoint, JsonObject } from '../formats/checkpoint/checkpoint.ts';
import type { Model } from '../graph/model.ts';
import type { PillowFilter } from '../kernels/pillow-resize.ts';
import type { DiagnosticRecord } from '../report/diagnostics.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import type { ComponentKind, Modality, Role } from './vocabulary.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

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

/** Where image features go in a prompt, in its own order, picture after picture. */
export type SpliceRule =
  /** They replace the embeddings strictly between the two ids, which hold one `padId` per feature. */
  | {
      readonly rule: 'between-markers';
      readonly startId: number;
      readonly endId: number;
      readonly padId: number;
      /** Where each view of a picture has such a span: the ids before and after those of its slices. */
      readonly slices?: { readonly startId: number; readonly endId: number };
    }
  /** They replace the embeddings of one id, which stands once per feature; those of a video, of an id of its own. */
  | {
      readonly rule: 'image-token';
      readonly tokenId: number;
      readonly videoTokenId?: number;
      /** True where one id stands for a view of a picture, not for all of them. */
      readonly perView?: true;
      /** What ids of the original code have there, where that is none of the vocabulary. */
      readonly mark?: number;
      /** Ids whose embeddings stand before and after the features of each. */
      readonly before?: readonly number[];
      readonly after?: readonly number[];
    };

/** Texts in which `{picture}` and `{text}` stand for what their names say. */
export interface PromptTemplate {
  /** What the tokenizer is given for a picture; the ids between or in place of it become the span. */
  readonly picture: string;
  /** The part of `picture` by which a text may mark its place alone, where that is not all of it. */
  readonly mark?: string;
  /** The same for a video, where the model takes them. */
  readonly video?: string;
  readonly withPicture: string;
  readonly textOnly: string;
  /** What stands for `picture` in that form, where its pictures are counted: `{number}`, from 1 on, and `{picture}`. */
  readonly counted?: string;
  /** Between two pictures; left out: nothing. */
  readonly between?: string;
  /** What the tokenizer is given in place of `picture`, where that depends on the picture's views. */
  readonly views?: ViewTemplate;
}

/** A picture in a prompt, written view by view: the whole, and, where it is cut, its slices in rows. */
export interface ViewTemplate {
  /** Of one view; `{features}` stands for one `feature` per feature. */
  readonly view: string;
  readonly feature: string;
  /** Around the slices, which stand for `{rows}`. */
  readonly slices: string;
  /** Between two rows of slices. */
  readonly rowBreak: string;
}

/** What the vision component is fed with, as data. */
export type EncoderFeed =
  /** `input` f32 [N, 3, H, W], pictures of the geometry's size → `output` f32 [N, tokens, hidden]. */
  | { readonly form: 'pixels' }
  /** `input` f32 [patches, numbers of a patch] of pictures and videos → `output` f32 [tokens, hidden]. */
  | PatchRowFeed
  /** `input` f32 [views, 3, patch, patch · L], views of all pictures → `output` f32 [views, tokens of a view, hidden]. */
  | SliceFeed
  /** `input` f32 [tiles, 3, side, side] → `output` f32 [tiles, tokens, hidden], or [1, tokens, hidden] where they are joined. */
  | TileFeed
  /** `input` f32 [sounds, bands, frames], log-mel → `output` f32 [sounds, rows, hidden]. */
  | LogMelFeed;

/**
 * Pictures as rows of patches: (channel, frame, row, column) of each, frame after frame, and in a frame by blocks of
 * merge · merge neighbours, which become one token.
 */
export interface PatchRowFeed {
  readonly form: 'patch-rows';
  /** The input i64 [pictures, 3] of frames, rows and columns in patches; left out where one grid is baked in. */
  readonly grid?: string;
  /** Side of a patch, in pixels. */
  readonly patch: number;
  readonly merge: number;
  /** Frames of a video in one patch; a picture counts as so many equal ones. */
  readonly frames: number;
  /** Least and most pixels that the processor makes of a picture. */
  readonly minPixels: number;
  readonly maxPixels: number;
}

/**
 * A picture as a view of the whole and, where it is large, slices of it, row by row. The patches of a view lie side by
 * side, row by row; L is the most patches of a view in the call, and what a view does not fill is 0.
 */
export interface SliceFeed extends SliceRule {
  readonly form: 'slices';
  /** The input i64 [views, 2] of rows and columns in patches; left out where the views are known. */
  readonly sizes?: string;
  /** The views of every picture, where the graph is compiled for them. */
  readonly known?: Slicing;
  /** True where features hang on the longest view of the call: the pictures of a prompt go in one. */
  readonly padded: boolean;
}

/**
 * A picture as square tiles: at scales of so many per side, and at a last one of about its own shape. Scale after scale,
 * each row by row; they are one picture's, and pictures go one by one.
 */
export interface TileFeed extends TileRule {
  readonly form: 'tiles';
  /** The input i64 [scales, 2] of rows and columns of tiles, where tiles are joined and their number is open. */
  readonly grids?: string;
  /** Tiles at each scale, where the graph is compiled for them. */
  readonly known?: readonly { readonly rows: number; readonly columns: number }[];
  /** Of the scale whose tiles the features of all lie over. */
  readonly output: number;
  /** Tokens per side of a tile. */
  readonly tokens: number;
}

/**
 * How a picture is cut that has its prompt to itself. One that shares it is one tile at every scale.
 */
export interface TileRule {
  /** Of a tile, in pixels. */
  readonly side: number;
  /** Tiles per side of the scales before the last. */
  readonly squares: readonly number[];
  /** Least and most tiles of the last scale. */
  readonly least: number;
  readonly most: number;
  /** Tiles become one picture's features; else each is a view of its own, with the whole picture as the last of several. */
  readonly joined: boolean;
}

/** Sounds, each padded with silence to the chunk that the encoder takes. Features are the first rows of each. */
export interface LogMelFeed {
  readonly form: 'log-mel';
  /** The input i64 [sounds, frames]: 1 on frames that come from sound. */
  readonly mask: string;
  /** The output i64 [sounds]: how many rows of each are features. */
  readonly lengths: string;
}

/** How a picture is cut, in pixels but for the number of slices. */
export interface SliceRule {
  /** Side of a patch. */
  readonly patch: number;
  /** Most slices of a picture, the view of the whole not counted. */
  readonly maxSlices: number;
  /** A view has about scale · scale pixels. */
  readonly scale: number;
}

export interface Slicing {
  /** Size of the view of the whole picture. */
  readonly source: Size;
  /** Left out where that view is all there is. */
  readonly slices?: {
    readonly grid: { readonly rows: number; readonly columns: number };
    readonly size: Size;
  };
}

export interface EncoderRecipe {
  readonly component: string;
  /** The input for pixels, in whatever form. */
  readonly input: string;
  readonly output: string;
  readonly feed: EncoderFeed;
}

/** How a decoder draws pictures: code after code of a codebook, which a generator turns into pixels. */
export interface PictureGeneration {
  /** hidden_states f32 [N, S, hidden] → logits f32 [N, S, codes]. */
  readonly head: { readonly component: string };
  /** input_ids i64 [N, S], codes → inputs_embeds f32 [N, S, hidden]. */
  readonly embed: { readonly component: string };
  /** codes i64 [N, T] → pixels f32 [N, 3, H, W]. */
  readonly generator: { readonly component: string };
  /** T = rows · columns, row-major. */
  readonly grid: { readonly rows: number; readonly columns: number };
  /** Size of the codebook. */
  readonly codes: number;
  /** w of u + w (c - u), logits of the conditional and the unconditional row, where the user gives none. */
  readonly guidance: number;
  /** Text with `{text}` for what the picture shows; it ends with the token that begins a picture. */
  readonly prompt: string;
  /** Fills the unconditional row but for its first and last token, or for these ids. */
  readonly padId: number;
  readonly kept: 'ends' | readonly number[];
  /** Of the pixels: a byte is 255 (y std + mean), clipped and cut. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** How the components work together, as data: what parity, golden tests and packagers run by. */
export interface GenerationRecipe {
  readonly encoder?: EncoderRecipe;
  readonly embed: { readonly component: string };
  readonly decoder: {
    readonly component: string;
    readonly layers: number;
    readonly kvHeads: number;
    readonly headDim: number;
    /** Extra scalar inputs: `rope_length` is the number of slots of the prefill. */
    readonly scalars: readonly 'rope_length'[];
    /**
     * Where the decoder takes `position_ids` i64 [3, batch, sequence]: text counts up in all three rows; a picture
     * that begins at p has p + (frame, row, column) of each token; what follows begins after the largest so far.
     */
    readonly positions?: 'time-row-column';
    /** The output f32 [N, S, hidden] after the final norm, where another head reads it: `hidden_states`. */
    readonly hidden?: string;
  };
  /** Where the model draws pictures. */
  readonly pictures?: PictureGeneration;
  readonly splice?: SpliceRule;
  /** How a picture and a user's text become a prompt; left out for a model without pictures. */
  readonly prompt?: PromptTemplate;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Ids below this are ordinary text, safe to draw prompts from. */
  readonly textIds: number;
  readonly endOfTextId?: number;
  /** Ends an answer in the form of `prompt`, where that is another id. */
  readonly endOfAnswerId?: number;
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
