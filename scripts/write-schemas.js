/** Writes the JSON Schemas of vlm-convert.config.json and parity-report.json into dist. Part of the build. */
import { writeFile } from 'node:fs/promises';
import { configJsonSchema } from '../dist/cli/schema.js';
import { reportJsonSchema } from '../dist/parity/report/schema.js';

/** The config file's comes last: by its time test/support/build.ts tells whether dist is up to date. */
const schemas = {
  'parity-report.schema.json': reportJsonSchema(),
  'config.schema.json': configJsonSchema(),
};
for (const [name, schema] of Object.entries(schemas)) {
  await writeFile(new URL(`../dist/${name}`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}
