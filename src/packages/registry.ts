/** Every package format, in one list. */
import { onnx } from './onnx.ts';
import { onnxruntimeGenai } from './onnxruntime-genai.ts';
import type { PackageFormat } from './package-format.ts';
import { transformersJs } from './transformers-js.ts';

export const formatIds = ['onnx', 'transformers.js', 'onnxruntime-genai'] as const;

export type FormatId = (typeof formatIds)[number];

const formats: Readonly<Record<FormatId, PackageFormat>> = {
  onnx,
  'transformers.js': transformersJs,
  'onnxruntime-genai': onnxruntimeGenai,
};

export function packageFormat(id: FormatId): PackageFormat {
  return formats[id];
}
