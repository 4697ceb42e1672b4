/** A checkpoint folder as its publisher ships it: config, side files and tensors, nothing read but headers. */
import type { DiagnosticRecord } from '../../report/diagnostics.ts';
import type { JsonValue, Tensor } from '../../tensor/tensor.ts';
import type { SentencePieceModel } from '../sentencepiece/read.ts';

export type JsonObject = { readonly [key: string]: JsonValue };

export interface CheckpointTensor {
  readonly tensor: Tensor;
  /** The file that holds it, relative to the folder. */
  readonly file: string;
}

export interface Checkpoint {
  /** The folder's own name, for messages and default output names. */
  readonly name: string;
  readonly path: string;
  readonly config: JsonObject;
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Every regular file of the folder (one level), relative names, sorted. */
  readonly files: readonly string[];
  /** Folders of those `files` that stand in a part's. */
  readonly partFolders?: ReadonlyMap<string, string>;
  /** Parsed JSON side files (`tokenizer_config.json`, …), size-capped; config.json included. */
  readonly json: ReadonlyMap<string, JsonValue>;
  /** Text of `chat_template.jinja`, where there is one. */
  readonly chatTemplate?: string;
  /** `tokenizer.model`, where it is all that there is of a tokenizer. */
  readonly sentencePiece?: SentencePieceModel;
  /** Warnings met while opening: side files left out, tensors that the index does not list. */
  readonly problems: readonly DiagnosticRecord[];
  close(): Promise<void>;
}
