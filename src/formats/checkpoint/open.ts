/**
 * Opens a checkpoint folder as its publisher ships it. Reads config.json, JSON side files and the headers of
 * the weight files; nothing outside the folder, no weights, no pickles.
 */
import type { DiagnosticRecord } from '../../report/diagnostics.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { Checkpoint } from './checkpoint.ts';
import { fileNames, openFolder } from './folder.ts';
import { readConfig, readSentencePieceFile, readSideFile, readText } from './read-json.ts';
import { openWeights, refuseOutput, requireWeights } from './weights.ts';

const templateFile = 'chat_template.jinja';
const tokenizerModel = 'tokenizer.model';

export interface OpenOptions {
  /** Stands before the names of weight files, where files of several folders are read. */
  readonly label?: string;
  /** Without weight files the checkpoint has no tensors: those of a model in parts stand elsewhere. */
  readonly mayLackWeights?: boolean;
}

/**
 * Opens a folder; the caller closes the checkpoint when nobody reads its tensors any more.
 *
 * @throws VlmError VC10xx for a broken weight file, VC11xx for the folder and what it lacks
 */
export async function openCheckpoint(
  path: string,
  { label, mayLackWeights = false }: OpenOptions = {},
): Promise<Checkpoint> {
  const folder = await openFolder(path);
  const problems: DiagnosticRecord[] = [];
  const warn = (record: DiagnosticRecord) => problems.push(record);
  const config = await readConfig(folder, warn);
  refuseOutput(folder);
  if (!mayLackWeights) requireWeights(folder);
  const weights = await openWeights(folder, warn, label);
  const files = fileNames(folder);
  const json = new Map<string, JsonValue>([['config.json', config]]);
  for (const name of files) {
    if (!name.endsWith('.json') || name.endsWith('.index.json') || json.has(name)) continue;
    const value = await readSideFile(folder, name, warn);
    if (value !== undefined) json.set(name, value);
  }
  const chatTemplate = files.includes(templateFile) ? await readText(folder, templateFile, warn) : undefined;
  const sentencePiece =
    files.includes(tokenizerModel) && !files.includes('tokenizer.json')
      ? await readSentencePieceFile(folder, tokenizerModel, warn)
      : undefined;
  return {
    name: folder.name,
    path: folder.path,
    config,
    tensors: weights.tensors,
    files,
    json,
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    ...(sentencePiece === undefined ? {} : { sentencePiece }),
    problems,
    close: async () => {
      await Promise.all(weights.sources.map((source) => source.close()));
    },
  };
}
