/**
 * What is needed to meet the failure of a pass again, as a folder:
 *
 *   reproducer.json  the pass, the pipeline from it on, the error, and how the graph came about
 *   graph.txt        the graph before the pass
 *   before.onnx      the same as a model, weights and all, unless they are large
 *   README.md        how to run it
 *
 * Where weights are large the graph is made again: the model that it came from, and the passes before.
 */
import { mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { encodeModel } from '../formats/onnx/encode.ts';
import { layoutModel, modelTensors } from '../formats/onnx/layout.ts';
import type { Model } from '../graph/model.ts';
import { printModel } from '../graph/print.ts';
import { fail, formatDiagnostic, VlmError } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';
import type { Reproducer } from './pass-manager.ts';
import { toolVersion } from './version.ts';

const recordName = 'reproducer.json';
const modelName = 'before.onnx';

/** Weights up to this size together stand in the folder. */
const mostWeightBytes = 64 << 20;

/** A record is some kilobytes; more is not one of ours. */
const largestRecord = 1 << 20;

const text = z.string().max(2 ** 16);

const recordSchema = z.object({
  tool: z.literal('vlm-convert'),
  schema: z.literal(1),
  version: text,
  pass: text,
  /** From the failing pass on. */
  passes: text,
  targets: z.array(text).max(64),
  error: z.object({ code: text, message: text }),
  /** The graph was made of this model by these passes. */
  source: z.object({ model: text, passes: text }),
  /** Whether the folder holds the graph as a model. */
  model: z.boolean(),
});

export type ReproducerRecord = z.infer<typeof recordSchema>;

/** What to run again. */
export interface Reproduced {
  readonly record: ReproducerRecord;
  /** Absolute; undefined where the folder could not hold the weights. */
  readonly model: string | undefined;
}

/**
 * Writes the folder; its path. `source`: name of the model or the component that the graph came from; `folder`:
 * absolute, default a new one among the temporary files. Throws VC5103.
 */
export async function writePassReproducer(
  { pass, pipeline, done, targets, before, error }: Reproducer,
  source: string,
  folder?: string,
): Promise<string> {
  try {
    const made = folder ?? (await mkdtemp(join(tmpdir(), 'vlm-convert-')));
    await mkdir(made, { recursive: true });
    const bytes = await modelBytes(before);
    const record: ReproducerRecord = {
      tool: 'vlm-convert',
      schema: 1,
      version: toolVersion(),
      pass,
      passes: pipeline,
      targets: targets.map(({ id }) => id),
      error: describe(error),
      source: { model: source, passes: done },
      model: bytes !== undefined,
    };
    await writeFile(join(made, 'graph.txt'), printModel(before));
    if (bytes !== undefined) await writeFile(join(made, modelName), bytes);
    await writeFile(join(made, recordName), `${JSON.stringify(record, null, 2)}\n`);
    await writeFile(join(made, 'README.md'), readme(record));
    return made;
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    throw fail('VC5103', { where: folder ?? tmpdir(), found: systemReason(cause), cause });
  }
}

/** Reads such a folder. Throws VC4017 where it is none. */
export async function readPassReproducer(folder: string): Promise<Reproduced> {
  const path = join(folder, recordName);
  let value: unknown;
  try {
    const { size } = await stat(path);
    if (size > largestRecord) throw new RangeError(`${recordName} has ${size} bytes`);
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const found = cause instanceof Error && 'syscall' in cause ? systemReason(cause) : String(cause);
    throw fail('VC4017', { where: path, found, cause });
  }
  const parsed = recordSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw fail('VC4017', { where: path, found: `${issue?.path.join('.')}: ${issue?.message}` });
  }
  const record = parsed.data;
  return { record, model: record.model ? join(folder, modelName) : undefined };
}

/** The command that meets the failure again, to be run in the folder. */
function command({ model, source }: ReproducerRecord): string {
  return `vlm-convert opt${model ? '' : ` <path of ${source.model}>`} --reproduce .`;
}

/** Undefined where the weights are large, or cannot be read or stored: the graph is broken in other ways, too. */
async function modelBytes(model: Model): Promise<Uint8Array | undefined> {
  const tensors = new Set([...modelTensors(model)].map(({ tensor }) => tensor));
  const bytes = [...tensors].reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (bytes > mostWeightBytes) return undefined;
  try {
    const layout = layoutModel(model, { fileName: 'before', inlineLimit: mostWeightBytes });
    return await encodeModel(model, layout, 'keep');
  } catch (error) {
    if (error instanceof VlmError) return undefined;
    throw error;
  }
}

function describe(error: unknown): ReproducerRecord['error'] {
  if (error instanceof VlmError) return { code: error.code, message: formatDiagnostic(error.record) };
  return { code: 'VC9001', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

function readme(record: ReproducerRecord): string {
  const { pass, passes, error, source, model, version } = record;
  return [
    `# ${pass} fails on a graph of ${source.model}`,
    '',
    '```',
    error.message,
    '```',
    '',
    'To see it:',
    '',
    '```sh',
    command(record),
    '```',
    '',
    ...(model
      ? ['- `before.onnx`: what the pass is given']
      : [`- the weights are large: the graph is made again of ${source.model} by \`${source.passes}\``]),
    '- `graph.txt`: the same for people',
    `- \`reproducer.json\`: the passes that are left (\`${passes}\`), the error, and how the graph came about`,
    '',
    `vlm-convert ${version}`,
    '',
  ].join('\n');
}
