/** The plan of a conversion that is not run: `--dry-run`. */
import { gatesOfComponents, parseGates } from '../parity/index.ts';
import { inputFiles } from './inputs.ts';
import { chooseLinks, noLinks } from './links.ts';
import { openSource } from './open-source.ts';
import { type ConvertOptions, resolveOptions } from './options.ts';
import { chooseOutput, outputPath } from './output-folder.ts';
import { build, type PlannedConversion, prepare, strictRefusal } from './plan.ts';
import { compileSizes } from './sweep.ts';

/**
 * What would be done; reads headers and config only. Throws as `convert` does before it writes anything, but for
 * warnings under `strict`, which come as a refusal beside the plan.
 */
export async function planConversion(
  options: ConvertOptions,
  context: { readonly cwd?: string } = {},
): Promise<PlannedConversion> {
  const resolved = resolveOptions(options);
  const gates = parseGates(resolved.gate);
  const checkpoint = await openSource(resolved);
  try {
    const output = outputPath(options.output, checkpoint.name, context.cwd ?? process.cwd());
    const place = await chooseOutput(output, checkpoint.folders, resolved.force);
    const built = build(checkpoint, resolved);
    gatesOfComponents(gates, built.components);
    await compileSizes(checkpoint, resolved);
    const links = resolved.linkWeights ? await chooseLinks(inputFiles(checkpoint), place) : noLinks;
    const { plan } = await prepare(checkpoint, built, resolved, undefined, links);
    const refusal = strictRefusal(plan, resolved.strict);
    return { output, plan, ...(refusal === undefined ? {} : { refusal: refusal.record }) };
  } finally {
    await checkpoint.close();
  }
}
