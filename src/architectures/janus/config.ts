/**
 * What a Janus checkpoint says of its sizes, as both layouts come to be read: original.ts and transformers.ts fill it.
 */
import type { Activation } from '../blocks/activation.ts';
import type { LlamaConfig } from '../llama/config.ts';
import type { SiglipVisionConfig } from '../siglip/config.ts';

/** Linears with an activation between each two: inputs → width → … → width. */
export interface AlignerConfig {
  readonly inputs: number;
  readonly width: number;
  readonly depth: number;
  readonly activation: Activation;
}

export interface VqDecoderConfig {
  /** Channels that a code becomes before the decoder. */
  readonly latent: number;
  /** Levels of maps, each twice as large as the one before. */
  readonly levels: readonly VqLevel[];
}

export interface VqLevel {
  readonly channels: number;
  /** Of each residual block: whether attention follows it. */
  readonly attention: readonly boolean[];
}

export interface JanusConfig {
  readonly text: LlamaConfig;
  /** All its layers run, and its last norm. */
  readonly vision: SiglipVisionConfig;
  readonly aligner: AlignerConfig;
  /** Embeds codes; its inputs are the numbers of a code. */
  readonly genAligner: AlignerConfig;
  /** Size of the codebook. */
  readonly codes: number;
  readonly head: { readonly width: number; readonly activation: Activation };
  readonly vq: VqDecoderConfig;
  /** Codes per side of a picture that is drawn: as many as patches of one that is shown at the trained size. */
  readonly side: number;
}
