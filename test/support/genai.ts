/** onnxruntime-genai, a Python package, over a folder that we wrote; where Python or the package are missing, why. */
import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const script = resolve(import.meta.dirname, '../interop/genai.py');

/** VLM_PYTHON names an interpreter that has the package. */
const python = process.env.VLM_PYTHON ?? 'python3';

/** Undefined where it can be run. */
export const noGenai: string | undefined = (() => {
  const { status, error } = spawnSync(python, ['-c', 'import numpy, onnxruntime_genai']);
  if (error !== undefined) return `${python}: ${error.message}`;
  return status === 0 ? undefined : `${python} has no onnxruntime-genai (pip install onnxruntime-genai)`;
})();

/** What the script reads; see there. */
export interface GenaiRequest {
  readonly ids?: readonly number[];
  /** For the processor of the model's type, with pictures as files. */
  readonly text?: string;
  readonly images?: readonly string[];
  /** Safetensors file, and which of its arrays goes under which name. */
  readonly arrays?: string;
  readonly inputs?: Readonly<Record<string, string>>;
  /** Features of all pictures. */
  readonly image_tokens?: readonly number[];
  readonly steps: number;
}

export interface GenaiAnswer {
  readonly ids: readonly number[];
  /** What the processor made of the text. */
  readonly input_ids?: readonly number[];
}

/** Runs it in a process of its own; `scratch` is a folder for the request. */
export async function generateWithGenai(
  folder: string,
  request: GenaiRequest,
  scratch: string,
): Promise<GenaiAnswer> {
  const path = join(scratch, 'request.json');
  await writeFile(path, JSON.stringify(request));
  const { stdout } = await promisify(execFile)(python, [script, folder, path]);
  return JSON.parse(stdout) as GenaiAnswer;
}
