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
const { embedIds, output, splice, withSession } = await import(join(dist, 'parity/components.js'));
const { decode } = await import(join(dist, 'parity/decoding.js'));

const [folder = '', checkpoint = ''] = process.argv.slice(2);
const opened = await openCheckpoint(checkpoint);
const { recipe, image, components } = build(opened, resolveOptions({ checkpoint }));
await opened.close();
/** @type {Record<string, string>} */
const files = {};
for (const { id, fileName } of components) files[id] = join(folder, 'onnx', `${fileName}.onnx`);
const sample = drawSample(recipe, image, 1);
/** @typedef {import('../../src/runtime/session.ts').Session} Session */
/** @type {import('../../src/runtime/values.ts').RunTensor[]} */
const features = [];
if (recipe.vision !== undefined) {
  const { component, input, output: name } = recipe.vision;
  await withSession(
    files,
    component,
    'cpu',
    /** @param {Session} session */ async (session) => {
      for (const { pixels } of sample.pictures) {
        features.push(output(await session.run(new Map([[input, pixels]])), name));
      }
    },
  );
}
await withSession(
  files,
  recipe.embed.component,
  'cpu',
  /** @param {Session} embed */ (embed) =>
    withSession(
      files,
      recipe.decoder.component,
      'cpu',
      /** @param {Session} decoder */ async (decoder) => {
        for (const prompt of sample.prompts) {
          const start = splice(await embedIds(embed, prompt.ids), prompt, features);
          await decode(
            decoder,
            recipe,
            start,
            8,
            /** @param {number} pick */ (pick) => embedIds(embed, [pick]),
          );
        }
      },
    ),
);
