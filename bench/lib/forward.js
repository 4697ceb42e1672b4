/**
 * A plain forward pass, as anyone would run it: float32 components loaded whole, one after the other, over the inputs
 * that the check draws. Prints nothing; what it costs is measured from outside.
 *
 *   node bench/lib/forward.js <output folder> <checkpoint>
 */
import { join, resolve } from 'node:path';

const dist = resolve(import.meta.dirname, '../../dist');
const { openCheckpoint } = await import(join(dist, 'formats/checkpoint/open.js'));
const { build } = await import(join(dist, 'pipeline/plan.js'));
const { resolveOptions } = await import(join(dist, 'pipeline/options.js'));
const { drawSample } = await import(join(dist, 'parity/inputs/sample.js'));
const { embedIds, output, splice } = await import(join(dist, 'parity/components.js'));
const { openSession } = await import(join(dist, 'runtime/session.js'));
const { decode } = await import(join(dist, 'parity/decoding.js'));

const [folder = '', checkpoint = ''] = process.argv.slice(2);
const opened = await openCheckpoint(checkpoint);
const { recipe, image, components } = build(opened, resolveOptions({ checkpoint }));
await opened.close();
/** @type {Record<string, string>} */
const files = {};
for (const { id, fileName } of components) files[id] = join(folder, 'onnx', `${fileName}.onnx`);
const sample = drawSample(recipe, image, 1);
/** @param {string} component */
const openComponent = (component) => openSession(files[component] ?? '', { device: 'cpu' });
/** @type {import('../../src/runtime/values.ts').RunTensor[]} */
const features = [];
if (recipe.encoder !== undefined) {
  const { component, output: name } = recipe.encoder;
  const tower = await openComponent(component);
  for (const { feeds } of sample.media) features.push(output(await tower.run(feeds), name));
  await tower.release();
}
const embed = await openComponent(recipe.embed.component);
const decoder = await openComponent(recipe.decoder.component);
for (const prompt of sample.prompts) {
  const start = splice(await embedIds(embed, prompt.ids), prompt, features);
  await decode(
    decoder,
    recipe,
    prompt,
    start,
    8,
    /** @param {number} pick */ (pick) => embedIds(embed, [pick]),
  );
}
await embed.release();
await decoder.release();
