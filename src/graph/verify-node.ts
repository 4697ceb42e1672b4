/** One node against the signature of its operator: arity, attributes, element types. */
import { didYouMean } from '../report/nearest.ts';
import type { Attribute } from './attribute.ts';
import type { Node } from './node.ts';
import { firstVersion, type OpSchema, operatorsOf, opSchema, type Parameter, typeTag } from './op-schema.ts';
import type { Report } from './problem.ts';
import { formatType, type ValueType } from './types.ts';
import type { Value } from './value.ts';

/** The operator, its arity and its attributes, at operator set `version` of its domain. */
export function verifyNode(node: Node, version: number, report: Report): void {
  const where = `node ${node.name} (${node.op})`;
  const schema = opSchema(node.domain, node.opType, version);
  if (schema === undefined || schema.deprecated) {
    const first = firstVersion(node.domain, node.opType);
    if (schema !== undefined) {
      report('VC3005', {
        where,
        found: `${node.op}, withdrawn since ${schema.since}`,
        expected: `version ${version}`,
      });
    } else if (first !== undefined) {
      report('VC3010', {
        where,
        found: `${node.op}, which exists since ${first}`,
        expected: `version ${version}`,
      });
    } else {
      const hint = didYouMean(node.opType, operatorsOf(node.domain) ?? []);
      report('VC3005', { where, found: node.op, ...(hint === undefined ? {} : { hint }) });
    }
    return;
  }
  const sides = [
    ['inputs', node.inputs, schema.inputs, schema.inputArity],
    ['outputs', node.outputs, schema.outputs, schema.outputArity],
  ] as const;
  for (const [what, values, parameters, { min, max }] of sides) {
    if (values.length < min || values.length > max) {
      const expected =
        min === max ? `${min}` : max === Number.POSITIVE_INFINITY ? `${min} or more` : `${min} to ${max}`;
      report('VC3004', { where, found: `${values.length} ${what}`, expected });
    }
    for (const [index, value] of values.entries()) {
      const parameter = parameters[Math.min(index, parameters.length - 1)];
      // Of an open list of outputs, those that nobody asked for may be left out.
      const needed = parameter?.mark === 'single' || (parameter?.mark === 'variadic' && what === 'inputs');
      if (parameter !== undefined && needed && value === null) {
        report('VC3004', {
          where,
          found: `${parameter.name} of its ${what} is left out`,
          expected: 'a value',
        });
      }
    }
  }
  verifyAttributes(node, schema, where, report);
}

function verifyAttributes(node: Node, schema: OpSchema, where: string, report: Report): void {
  for (const [name, attribute] of node.attributes) {
    const known = schema.attributes.get(name);
    if (known === undefined) {
      const expected = [...schema.attributes.keys()].join(', ') || 'none';
      report('VC3006', { where, found: `attribute ${name}`, expected });
    } else if (kindOf(attribute) !== known.kind) {
      report('VC3006', { where, found: `${name} is ${kindOf(attribute)}`, expected: known.kind });
    }
  }
  for (const [name, { required }] of schema.attributes) {
    if (required && !node.attributes.has(name))
      report('VC3006', { where, found: `no ${name}`, expected: name });
  }
}

function kindOf(attribute: Attribute): string {
  return attribute.kind === 'ref' ? attribute.of : attribute.kind;
}

/** Element types of inputs and outputs, where they are known: allowed, and one per type variable. */
export function verifyNodeTypes(
  node: Node,
  version: number,
  typeOf: (value: Value) => ValueType | undefined,
  report: Report,
): void {
  const schema = opSchema(node.domain, node.opType, version);
  if (schema === undefined) return;
  const where = `node ${node.name} (${node.op})`;
  // The variadic operands of control flow may differ in type.
  const mixed = [...node.subgraphs()].length > 0;
  const bound = new Map<string, string>();
  const sides = [
    ['input', node.inputs, schema.inputs],
    ['output', node.outputs, schema.outputs],
  ] as const;
  for (const [what, values, parameters] of sides) {
    for (const [index, value] of values.entries()) {
      const parameter = parameters[index] ?? variadicOf(parameters);
      const type = value === null ? undefined : typeOf(value);
      if (value === null || parameter === undefined || type === undefined) continue;
      const tag = typeTag(type);
      const found = `${what} ${parameter.name} = ${value.name}: ${formatType(type)}`;
      if (!parameter.types.has(tag)) {
        report('VC3011', { where, found, expected: [...parameter.types].join(', ') });
        continue;
      }
      if (parameter.variable === undefined || (parameter.mark === 'variadic' && mixed)) continue;
      const other = bound.get(parameter.variable);
      if (other !== undefined && other !== tag) {
        report('VC3103', { where, found, expected: `${other}, as of the other ${parameter.variable}` });
      }
      bound.set(parameter.variable, tag);
    }
  }
}

function variadicOf(parameters: readonly Parameter[]): Parameter | undefined {
  const last = parameters.at(-1);
  return last?.mark === 'variadic' ? last : undefined;
}
