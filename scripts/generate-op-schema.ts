/**
 * Prints src/graph/op-schema-data.ts, made from a JSON file of operator signatures:
 *
 *   node scripts/generate-op-schema.ts <onnx-operators.json> > src/graph/op-schema-data.ts
 *
 * The JSON: `typeLists` (lists of type names) and `operators`: domain -> operator -> since_version -> signature of
 * `inputs` and `outputs` ([name, type or type variable, optional|variadic]), `arity`, `attributes` (kind, `!` =
 * required) and `types` (type variable -> index into typeLists). The text that comes out is described in
 * src/graph/op-schema.ts. Needs a Node that strips types (22.18 or later).
 */
import { readFileSync } from 'node:fs';

interface Signature {
  readonly inputs: readonly (readonly string[])[];
  readonly outputs: readonly (readonly string[])[];
  readonly arity: readonly (number | null)[];
  readonly attributes?: Readonly<Record<string, string>>;
  readonly types?: Readonly<Record<string, number>>;
  readonly deprecated?: boolean;
}

interface Source {
  readonly typeLists: readonly (readonly string[])[];
  readonly operators: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, Signature>>>>>>;
}

const [, , path] = process.argv;
if (path === undefined) throw new Error('usage: node scripts/generate-op-schema.ts <onnx-operators.json>');
const source = JSON.parse(readFileSync(path, 'utf8')) as Source;

/** Our name of an element type; composite types only by their kind, which is all that is checked. */
function typeName(name: string): string {
  const inner = /^tensor\((.*)\)$/.exec(name)?.[1] ?? name;
  if (inner === 'float') return 'float32';
  if (inner === 'double') return 'float64';
  if (inner.startsWith('seq(')) return 'sequence';
  const composite = /^(optional|map|sparse_tensor)\(/.exec(inner)?.[1];
  return composite?.replace('_', '-') ?? inner;
}

// Lists that are equal once composite types are shortened become one.
const lists: string[] = [];
const listIndex = source.typeLists.map((list) => {
  const text = [...new Set(list.map(typeName))].sort().join(' ');
  if (!lists.includes(text)) lists.push(text);
  return lists.indexOf(text);
});

const marks: Readonly<Record<string, string>> = { optional: '?', variadic: '*' };

function parameters(list: readonly (readonly string[])[], types: Signature['types']): string {
  return list
    .map(([name = '', type = '', mark]) => {
      const variable = types !== undefined && type in types;
      return `${name.replaceAll('...', '')}:${variable ? type : `=${typeName(type)}`}${marks[mark ?? ''] ?? ''}`;
    })
    .join(' ');
}

function fields({ inputs, outputs, arity, attributes, types, deprecated }: Signature): string[] {
  return [
    parameters(inputs, types),
    parameters(outputs, types),
    arity.map((count) => count ?? '').join(' '),
    Object.entries(attributes ?? {})
      .map(([name, kind]) => `${name}:${kind.replace('_tensor', '-tensor').replace('type_proto', 'type')}`)
      .join(' '),
    Object.entries(types ?? {})
      .map(([name, list]) => `${name}:${listIndex[list]}`)
      .join(' '),
    deprecated === true ? 'deprecated' : '',
  ];
}

const lines = [...lists.map((list, index) => `#${index} ${list}`)];
for (const [domain, operators] of Object.entries(source.operators)) {
  lines.push(`@${domain === 'ai.onnx' ? '' : domain}`);
  for (const [name, versions] of Object.entries(operators)) {
    let previous: string[] = [];
    for (const [since, signature] of Object.entries(versions)) {
      const now = fields(signature);
      const shown = now.map((field, index) => (field !== '' && field === previous[index] ? '"' : field));
      lines.push([`${name} ${since}`, ...shown].join('|').replace(/\|+$/, ''));
      previous = now;
    }
  }
}

const text = `/**
 * Operator signatures of ai.onnx, ai.onnx.ml and com.microsoft, every version. Written by
 * scripts/generate-op-schema.ts; the form is described in op-schema.ts.
 */
export const opSchemaText = \`
${lines.join('\n')}
\`;
`;
process.stdout.write(text);
