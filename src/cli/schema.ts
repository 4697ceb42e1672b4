/**
 * The option table as a zod schema: it validates the config file and the flags alike, turns texts into values,
 * and gives the JSON Schema that editors read. Loaded only when there is something to validate.
 */
import { z } from 'zod';
import { fail } from '../report/diagnostics.ts';
import { didYouMean } from '../report/nearest.ts';
import { quote, show } from '../report/show.ts';
import { type OptionKind, type OptionSpec, optionTable, positionals } from './options.ts';

const byteUnits: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** Below this not even one row of a large weight fits. */
const leastMemory = 2 ** 20;

/** Each takes about as long as a check. */
const mostSizes = 32;

const sizeSchema = z
  .string()
  .regex(/^\d{1,9}x\d{1,9}$/)
  .transform((text) => {
    const [width = 0, height = 0] = text.split('x').map(Number);
    return { width, height };
  })
  .refine(({ width, height }) => width > 0 && height > 0);

const adapterSchema = z.strictObject({ path: z.string().min(1), share: z.number().default(1) });

/** More are a mistake. */
const mostAdapters = 64;

/** Flags come as text, the config file may hold JSON values: each kind takes both. */
function schemaOf(type: OptionKind): z.ZodType {
  switch (type.kind) {
    case 'path':
    case 'text':
      return z.string().min(1);
    case 'paths':
    case 'names':
      return z.array(z.string().min(1));
    case 'switch':
      return z.boolean();
    case 'choice':
      return z.enum(type.values);
    case 'choices':
      return z.preprocess(
        (value) => (typeof value === 'string' ? value.split(',') : value),
        z.array(z.enum(type.values)).min(1).max(type.values.length),
      );
    case 'component-choices': {
      const some = z.preprocess(
        (value) => (typeof value === 'string' ? value.split(',') : value),
        z.array(z.enum(type.values)).min(1).max(type.values.length),
      );
      return z.preprocess(
        (value) =>
          ownKeys(typeof value === 'string' && value.includes('=') ? parseLists(value.split(',')) : value),
        z.union([some, z.record(z.string(), some)]),
      );
    }
    case 'mode':
      return z.union([z.enum(type.values), z.boolean()]);
    case 'integer':
      return z.preprocess(
        (value) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
        z.literal(type.values),
      );
    case 'count':
      return z.preprocess(
        (value) => (typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value),
        z
          .int()
          .min(1)
          .max(type.most ?? 256),
      );
    case 'number':
      return z.preprocess(
        (value) => (typeof value === 'string' && value.trim() !== '' ? Number(value) : value),
        z.number().min(0),
      );
    case 'bytes':
      return z
        .union([z.int().min(leastMemory), z.string().regex(/^\d{1,15}(KiB|MiB|GiB)?$/)])
        .transform((value) => (typeof value === 'number' ? value : parseBytes(value)))
        .refine((value) => value >= leastMemory && Number.isSafeInteger(value));
    case 'size':
      return sizeSchema;
    case 'sizes':
      return z.preprocess(
        (value) => (typeof value === 'string' ? value.split(',') : value),
        z.array(sizeSchema).min(1).max(mostSizes),
      );
    case 'precision': {
      const one = z.enum(type.values);
      const each = z.record(z.string(), one);
      return z.preprocess(
        (value) =>
          ownKeys(typeof value === 'string' && value.includes('=') ? parsePairs(value.split(',')) : value),
        z.union([one, each]),
      );
    }
    case 'limits':
      return z.preprocess(
        (value) => ownKeys(Array.isArray(value) ? parseLimits(value) : value),
        z.record(z.string(), z.number().min(0)),
      );
    case 'passes':
      return z.preprocess(
        (value) => ownKeys(Array.isArray(value) ? parsePasses(value) : value),
        z.union([z.string().min(1), z.record(z.string(), z.string().min(1))]),
      );
    case 'adapters':
      return z.preprocess(
        (value) => (Array.isArray(value) ? value : [value]).map(parseAdapter),
        z.array(adapterSchema).min(1).max(mostAdapters),
      );
  }
}

/** `folder` or `folder=0.7`; what is no number belongs to the folder's name. */
function parseAdapter(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const [, path, share] = /^(.+)=([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)$/.exec(value) ?? [];
  return path === undefined ? { path: value } : { path, share: Number(share) };
}

/** The value, or undefined where it has the one key that zod's records drop without a word. */
function ownKeys(value: unknown): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__') ? undefined : value;
}

function parseBytes(text: string): number {
  const digits = Number.parseInt(text, 10);
  return digits * (byteUnits[text.replace(/^\d+/, '')] ?? Number.NaN);
}

/** `['a=1', 'b=2']` → `{ a: '1', b: '2' }`; undefined where a text is no pair or a key comes twice. */
function parsePairs(texts: readonly unknown[]): Record<string, string> | undefined {
  const pairs = new Map<string, string>();
  for (const text of texts) {
    const [, key, value] = (typeof text === 'string' && /^([^=]+)=(.+)$/.exec(text)) || [];
    if (key === undefined || value === undefined || pairs.has(key)) return undefined;
    pairs.set(key, value);
  }
  return Object.fromEntries(pairs);
}

/** `['a=x', 'y', 'b=z']` → `{ a: 'x,y', b: 'z' }`; undefined as for pairs. */
function parseLists(texts: readonly string[]): Record<string, string> | undefined {
  const starts = texts.flatMap((text, at) => (text.includes('=') ? [at] : []));
  if (starts[0] !== 0) return undefined;
  return parsePairs(starts.map((start, at) => texts.slice(start, starts[at + 1]).join(',')));
}

function parseLimits(texts: readonly unknown[]): Record<string, number> | undefined {
  const pairs = parsePairs(texts);
  return (
    pairs &&
    Object.fromEntries(Object.entries(pairs).map(([key, value]) => [key, Number(value.trim() || Number.NaN)]))
  );
}

/** One text without a component stands alone; else each names its own component. */
function parsePasses(texts: readonly unknown[]): string | Record<string, string> | undefined {
  const [first] = texts;
  const named = /^([a-z][a-z0-9_-]*):(.+)$/;
  if (texts.length === 1 && typeof first === 'string' && !named.test(first)) return first;
  return parsePairs(texts.map((text) => (typeof text === 'string' ? text.replace(named, '$1=$2') : text)));
}

function shapeOf(specs: readonly OptionSpec[]): Record<string, z.ZodType> {
  return Object.fromEntries(
    specs.map((spec) => [spec.key, schemaOf(spec.type).optional().describe(spec.help)] as const),
  );
}

const optionsSchema = z.strictObject({
  ...Object.fromEntries(
    positionals.map(({ key, help }) => [key, schemaOf({ kind: 'path' }).optional().describe(help)] as const),
  ),
  ...shapeOf(optionTable),
  $schema: z.string().optional(),
});

/** Values by key, as `optionsSchema` makes them. */
export type OptionValues = Readonly<Record<string, unknown>>;

/**
 * Validates raw options. `where` names a key's place for messages: a flag or a line of the config file.
 * Throws VC4002 for a wrong value, VC4003 for a key that does not exist.
 */
export function parseOptionValues(raw: OptionValues, where: (key: string) => string): OptionValues {
  return validate(optionsSchema, optionTable, raw, where);
}

/** The same for the options of another command. */
export function parseValues(
  specs: readonly OptionSpec[],
  raw: OptionValues,
  where: (key: string) => string,
): OptionValues {
  return validate(z.strictObject(shapeOf(specs)), specs, raw, where);
}

function validate(
  schema: z.ZodObject,
  specs: readonly OptionSpec[],
  raw: OptionValues,
  where: (key: string) => string,
): OptionValues {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw new TypeError('zod refused without an issue');
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    const hint = didYouMean(key, Object.keys(schema.shape));
    throw fail('VC4003', { where: where(key), found: quote(key), ...(hint === undefined ? {} : { hint }) });
  }
  const key = String(issue.path[0] ?? '');
  const spec = specs.find((candidate) => candidate.key === key);
  throw fail('VC4002', {
    where: where(key),
    found: isTexts(raw[key]) ? raw[key].join(' ') : show(raw[key]),
    ...(spec === undefined ? { expected: 'a path' } : { expected: spec.expected }),
  });
}

/** What a repeated flag gives; lists in a config file may hold lists, which join() would follow to any depth. */
function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** The JSON Schema of `vlm-convert.config.json`. */
export function configJsonSchema(): object {
  return { title: 'vlm-convert.config.json', ...z.toJSONSchema(optionsSchema, { io: 'input' }) };
}
