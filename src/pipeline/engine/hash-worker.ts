/** A worker thread that hashes files. Node cannot move the state of a hash, so a file stays with one thread. */
import { type DiagnosticRecord, VlmError } from '../../report/diagnostics.ts';
import { FileHasher, type HashTask } from './hash-file.ts';

export interface HashResult {
  /** After the last task of a file. */
  readonly sha256?: string | undefined;
  readonly failure?: DiagnosticRecord;
}

const hasher = new FileHasher();

export default (task: HashTask): HashResult => {
  try {
    return { sha256: hasher.run(task) };
  } catch (error) {
    if (error instanceof VlmError) return { failure: error.record };
    throw error;
  }
};
