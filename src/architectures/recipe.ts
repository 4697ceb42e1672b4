/**
 * How the graphs of a model work together, as data: what its encoder is fed with, where features go in a prompt, how its
 * decoder goes on, and how it draws. What runs models, parity and packagers read it; none knows a family.
 */
import type { Size } from './media.ts';

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
