/** A recorded case as the product opens it: all of its parts, and the family that they belong to. */
import type { Architecture, BuiltModel } from '../../src/architectures/architecture.ts';
import { findArchitecture } from '../../src/architectures/registry.ts';
import { openSource, type Source } from '../../src/pipeline/open-source.ts';
import { resolveOptions } from '../../src/pipeline/options.ts';
import { caseOptions, type GoldenCase } from './golden-cases.ts';

export interface OpenedCase {
  readonly source: Source;
  readonly architecture: Architecture;
}

/** The caller closes the source. */
export async function openCase({ checkpoint }: Pick<GoldenCase, 'checkpoint'>): Promise<OpenedCase> {
  const source = await openSource(resolveOptions({ checkpoint }));
  return { source, architecture: findArchitecture(source.config, new Set(source.tensors.keys())) };
}

/** Its graphs, as long as `body` runs. */
export async function withBuiltCase<T>(
  golden: GoldenCase,
  body: (built: BuiltModel, source: Source) => Promise<T>,
): Promise<T> {
  const { source, architecture } = await openCase(golden);
  try {
    return await body(architecture.build(source, caseOptions(golden)), source);
  } finally {
    await source.close();
  }
}
