/** Writes dist/config.schema.json, the JSON Schema of vlm-convert.config.json. Part of the build. */
import { writeFile } from 'node:fs/promises';
import { configJsonSchema } from '../dist/cli/schema.js';

const path = new URL('../dist/config.schema.json', import.meta.url);
await writeFile(path, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
