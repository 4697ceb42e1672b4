/** The tool's own version, from package.json: the same two levels up from src/pipeline and from dist/pipeline. */
import { readFileSync } from 'node:fs';

export function toolVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
