/**
 * Operator signatures: what every version of every operator of ai.onnx, ai.onnx.ml and com.microsoft takes. The
 * text of op-schema-data.ts is read when it is first asked for.
 *
 * Its form: `#0 float16 float32 …` numbers a list of types; `@domain` opens a domain; then per operator version
 * `Name since|inputs|outputs|arity|attributes|types|deprecated`, where `"` repeats the field of the line above.
 * A parameter is `name:Variable` or `name:=type`, with `?` optional or `*` variadic; arity is min and max of inputs,
 * then of outputs, an empty max meaning none; an attribute is `name:kind`, with `!` required; a type is
 * `Variable:list`.
 */
import type { AttributeKind } from './attribute.ts';
import { opSchemaText } from './op-schema-data.ts';
import type { ValueType } from './types.ts';

export interface Parameter {
  readonly name: string;
  /** A type variable of the schema, or undefined where only `types` counts. */
  readonly variable?: string;
  /** Element types of tensors, and `sequence`, `optional`, `map`, `sparse-tensor` for other kinds. */
  readonly types: ReadonlySet<string>;
  readonly mark: 'single' | 'optional' | 'variadic';
}

export interface Arity {
  readonly min: number;
  readonly max: number;
}

export interface OpSchema {
  readonly since: number;
  readonly inputs: readonly Parameter[];
  readonly outputs: readonly Parameter[];
  readonly inputArity: Arity;
  readonly outputArity: Arity;
  readonly attributes: ReadonlyMap<string, { readonly kind: AttributeKind; readonly required: boolean }>;
  readonly deprecated: boolean;
}

/**
 * Registered by onnxruntime in the default domain, though ONNX has no such operator, or has it since a later set only:
 * what the runtime's optimizer writes into graphs of any operator set.
 */
const runtimeOperators = `
#floats bfloat16 float16 float32 float64
@
LayerNormalization 1|X:T Scale:T B:T?|Y:T Mean:U? InvStdDev:U?|2 3 1 3|axis:int epsilon:float stash_type:int|T:floats U:floats
SimplifiedLayerNormalization 1|X:T scale:V|Y:V inv_std_var:U?|2 2 1 2|axis:int epsilon:float stash_type:int|T:floats U:floats V:floats
`;

interface Table {
  readonly types: ReadonlyMap<string, ReadonlySet<string>>;
  /** Domain to operator to its versions, oldest first, as lines with nothing left to repeat. */
  readonly domains: ReadonlyMap<
    string,
    ReadonlyMap<string, readonly (readonly [since: number, fields: string])[]>
  >;
}

let table: Table | undefined;
const parsed = new Map<string, OpSchema>();

/** The signature that is in force at operator set `version`; undefined when there is none. */
export function opSchema(domain: string, opType: string, version: number): OpSchema | undefined {
  const line = versions(domain, opType).findLast(([since]) => since <= version)?.[1];
  if (line === undefined) return undefined;
  const key = `${domain}:${opType}:${line}`;
  const known = parsed.get(key);
  if (known !== undefined) return known;
  const schema = parseSchema(line, read().types);
  parsed.set(key, schema);
  return schema;
}

/** The first operator set that has an operator; undefined when none has. */
export function firstVersion(domain: string, opType: string): number | undefined {
  return versions(domain, opType)[0]?.[0];
}

/** The operators of a domain; undefined when the domain is not covered here. */
export function operatorsOf(domain: string): readonly string[] | undefined {
  const operators = read().domains.get(domain);
  return operators && [...operators.keys()];
}

/** The newest operator set of ai.onnx that the table covers. */
export const newestOpset = 28;

/** How a type stands in a parameter's `types`. */
export function typeTag(type: ValueType): string {
  return type.kind === 'tensor' ? type.dtype : type.kind;
}

function versions(domain: string, opType: string): readonly (readonly [number, string])[] {
  return read().domains.get(domain)?.get(opType) ?? [];
}

function read(): Table {
  if (table !== undefined) return table;
  const types = new Map<string, ReadonlySet<string>>();
  const domains = new Map<string, Map<string, (readonly [number, string])[]>>();
  let operators = new Map<string, (readonly [number, string])[]>();
  let previous: readonly string[] = [];
  for (const line of `${opSchemaText}${runtimeOperators}`.split('\n')) {
    if (line.startsWith('#')) {
      const [name = '', ...members] = line.slice(1).split(' ');
      types.set(name, new Set(members));
    } else if (line.startsWith('@')) {
      operators = domains.get(line.slice(1)) ?? new Map();
      domains.set(line.slice(1), operators);
    } else if (line !== '') {
      const [head = '', ...shown] = line.split('|');
      const [name = '', since = ''] = head.split(' ');
      const fields = shown.map((field, index) => (field === '"' ? (previous[index] ?? '') : field));
      previous = fields;
      const list = operators.get(name) ?? [];
      const at = list.findIndex(([later]) => later > Number(since));
      list.splice(at === -1 ? list.length : at, 0, [Number(since), `${since}|${fields.join('|')}`]);
      operators.set(name, list);
    }
  }
  table = { types, domains };
  return table;
}

function parseSchema(line: string, lists: ReadonlyMap<string, ReadonlySet<string>>): OpSchema {
  const [since = '', inputs = '', outputs = '', arity = '', attributes = '', types = '', last = ''] =
    line.split('|');
  const variables = new Map(
    words(types).map((word) => {
      const [name = '', list = ''] = word.split(':');
      return [name, lists.get(list) ?? new Set<string>()] as const;
    }),
  );
  const bounds = arity.split(' ').map((count) => (count === '' ? Number.POSITIVE_INFINITY : Number(count)));
  const [minIn = 0, maxIn = 0, minOut = 0, maxOut = 0] = bounds;
  return {
    since: Number(since),
    inputs: words(inputs).map((word) => parameter(word, variables)),
    outputs: words(outputs).map((word) => parameter(word, variables)),
    inputArity: { min: minIn, max: maxIn },
    outputArity: { min: minOut, max: maxOut },
    attributes: new Map(
      words(attributes).map((word) => {
        const [name = '', kind = ''] = word.split(':');
        return [name, { kind: kind.replace('!', '') as AttributeKind, required: kind.endsWith('!') }];
      }),
    ),
    deprecated: last === 'deprecated',
  };
}

function parameter(word: string, variables: ReadonlyMap<string, ReadonlySet<string>>): Parameter {
  const at = word.indexOf(':');
  const name = word.slice(0, at);
  const type = word.slice(at + 1).replace(/[?*]$/, '');
  const mark = word.endsWith('?') ? 'optional' : word.endsWith('*') ? 'variadic' : 'single';
  if (type.startsWith('=')) return { name, types: new Set([type.slice(1)]), mark };
  return { name, variable: type, types: variables.get(type) ?? new Set(), mark };
}

function words(text: string): string[] {
  return text === '' ? [] : text.split(' ');
}
