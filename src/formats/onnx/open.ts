/** An ONNX file on disk as a model, with the files that its tensors read from. */
import { basename, dirname } from 'node:path';
import type { Model } from '../../graph/model.ts';
import { fail } from '../../report/diagnostics.ts';
import { type ByteSource, fileSource } from '../../tensor/byte-source.ts';
import { decodeModel } from './decode.ts';
import { folderFiles } from './external-data.ts';

export interface OpenModel {
  readonly model: Model;
  /** Closes the files; the tensors of the model cannot be read afterwards. */
  close(): Promise<void>;
}

/** Opens and decodes an ONNX file. Throws VC2001 where it cannot be opened, else what `decodeModel` throws. */
export async function openModel(path: string): Promise<OpenModel> {
  let source: ByteSource;
  try {
    source = await fileSource(path, basename(path));
  } catch (cause) {
    throw fail('VC2001', {
      where: path,
      found: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
  const files = folderFiles(dirname(path));
  const close = async (): Promise<void> => {
    await files.close();
    await source.close();
  };
  try {
    return { model: await decodeModel(source, files), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}
