/** What `vlm-convert.json` says under "generation": how the graphs of a folder work together. See docs/clients.md. */
export interface Generation {
  /** Component → its file. */
  readonly components: Readonly<Record<string, string>>;
  readonly recipe: Recipe;
  readonly image?: Geometry;
  /** Of a model that takes sounds. */
  readonly audio?: Hearing;
  readonly stopIds: readonly number[];
}

export interface Recipe {
  readonly encoder?: {
    readonly component: string;
    readonly input: string;
    readonly output: string;
    readonly feed: Feed;
  };
  readonly embed: { readonly component: string };
  readonly decoder: {
    readonly component: string;
    readonly layers: number;
    readonly kvHeads: number;
    readonly headDim: number;
    /** `rope_length`: the length of the prompt, in every step. */
    readonly scalars: readonly string[];
    readonly positions?: 'time-row-column';
    /** The output that `pictures.head` reads. */
    readonly hidden?: string;
  };
  /** Of a model that draws: see draw.ts. */
  readonly pictures?: Drawing;
  readonly splice?: Splice;
  readonly prompt?: PromptForm;
  readonly hiddenSize: number;
}

export interface Drawing {
  readonly head: { readonly component: string };
  readonly embed: { readonly component: string };
  readonly generator: { readonly component: string };
  readonly grid: Grid;
  /** How many there are. */
  readonly codes: number;
  readonly guidance: number;
  readonly prompt: string;
  /** Of the unconditional row all but the ends, or these ids, is `padId`. */
  readonly padId: number;
  readonly kept: 'ends' | readonly number[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export type Feed =
  | { readonly form: 'pixels' }
  | { readonly form: 'log-mel'; readonly mask: string; readonly lengths: string }
  | {
      readonly form: 'patch-rows';
      readonly grid?: string;
      readonly patch: number;
      readonly merge: number;
      readonly frames: number;
      readonly minPixels: number;
      readonly maxPixels: number;
    }
  | {
      readonly form: 'slices';
      readonly sizes?: string;
      readonly patch: number;
      readonly maxSlices: number;
      readonly scale: number;
      readonly known?: Cut;
      readonly padded: boolean;
    }
  | {
      readonly form: 'tiles';
      readonly grids?: string;
      /** Of a tile, in pixels. */
      readonly side: number;
      /** Tiles per side of each scale but the last. */
      readonly squares: readonly number[];
      /** Least and most tiles of the last scale. */
      readonly least: number;
      readonly most: number;
      readonly known?: readonly Grid[];
      /** Tiles become one picture's features; else each is a view of its own. */
      readonly joined: boolean;
      /** The scale whose tiles the features lie over. */
      readonly output: number;
      /** Tokens per side of a tile. */
      readonly tokens: number;
    };

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** The view of the whole picture, and slices of it. */
export interface Cut {
  readonly source: Size;
  readonly slices?: { readonly grid: Grid; readonly size: Size };
}

export interface Geometry {
  readonly tokens: number;
  readonly tokensPerView: number;
  readonly steps?: readonly Step[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** How a sound becomes log-mel frames. */
export interface Hearing {
  readonly sampleRate: number;
  readonly window: number;
  readonly hop: number;
  readonly bands: number;
  readonly highest: number;
  /** Of what the graph takes. */
  readonly samples: number;
  readonly frames: number;
  readonly framesPerToken: number;
}

export type Step =
  | { readonly step: 'resize'; readonly to: Size }
  | { readonly step: 'shortest-side'; readonly side: number }
  | { readonly step: 'center-crop'; readonly to: Size }
  | { readonly step: 'pad-square'; readonly color: readonly number[] }
  | {
      readonly step: 'inside';
      readonly to: Size;
      readonly least: number;
      readonly rounding: 'down' | 'half-even';
    }
  | { readonly step: 'pad'; readonly to: Size; readonly color: readonly number[] };

export type Splice =
  | {
      readonly rule: 'image-token';
      readonly tokenId: number;
      /** One id stands for a view, not for a picture. */
      readonly perView?: true;
      /** Ids around the features of each. */
      readonly before?: readonly number[];
      readonly after?: readonly number[];
    }
  | {
      readonly rule: 'between-markers';
      readonly startId: number;
      readonly endId: number;
      readonly padId: number;
      readonly slices?: object;
    };

export interface PromptForm {
  readonly picture: string;
  readonly withPicture: string;
  readonly textOnly: string;
  /** What stands for a picture where they are counted. */
  readonly counted?: string;
  /** Between two pictures. */
  readonly between?: string;
  readonly views?: {
    readonly view: string;
    readonly feature: string;
    readonly slices: string;
    readonly rowBreak: string;
  };
}
