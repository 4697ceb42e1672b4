/** The plain form: graphs under the names that architectures give, files as they made them. */
import { targets } from '../targets/registry.ts';
import type { PackageFormat } from './package-format.ts';

export const onnx: PackageFormat = {
  id: 'onnx',
  targets,
  name: ({ built }) => built,
  files: ({ sideFiles }) => ({ sideFiles, graphs: [], warnings: [] }),
};
