/**
 * GraphProto, and the body of FunctionProto, to graphs. Names are scoped: a node of a subgraph may read values of
 * the graphs around it that stand before the subgraph's node.
 */
import type { Attribute, SparseTensor } from '../../graph/attribute.ts';
import { Graph } from '../../graph/graph.ts';
import type { ValueType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { fail } from '../../report/diagnostics.ts';
import { carry, restOf, tensorRest } from './carry.ts';
import { decodeAttribute } from './decode-attribute.ts';
import { checkSparse, decodeSparse } from './decode-sparse.ts';
import { decodeTensor, type TensorSources } from './decode-tensor.ts';
import { decodeType } from './decode-type.ts';
import { docText } from './doc-string.ts';
import { defaultDomain } from './domains.ts';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  NodeProto,
  SparseTensorProto,
  StringStringEntryProto,
  TensorProto,
  ValueInfoProto,
} from './proto.ts';
import { sortedNodes } from './sort-nodes.ts';

/** What a graph and a function body have in common. */
interface Body {
  readonly nodes: readonly NodeProto[];
  readonly outputs: readonly string[];
  readonly infos: Infos;
}

type Infos = ReadonlyMap<string, ValueInfoProto>;

export class GraphDecoder {
  readonly #sources: TensorSources;
  readonly #sparse: { readonly tensor: SparseTensor; readonly where: string }[] = [];

  constructor(sources: TensorSources) {
    this.#sources = sources;
  }

  /** The checks that need data: call once everything is decoded. */
  async finish(): Promise<void> {
    for (const { tensor, where } of this.#sparse) await checkSparse(tensor, where);
  }

  graph(proto: GraphProto, parent: Graph | undefined): Graph {
    const graph = new Graph(proto.name ?? '', parent);
    graph.docString = docText(proto);
    setMetadata(graph.metadata, proto.metadataProps);
    // A graph output says more than a value_info of the same name.
    const infos = infoMap([...(proto.valueInfo ?? []), ...(proto.output ?? [])]);
    for (const input of proto.input ?? []) this.#input(graph, input.name ?? '', input);
    for (const tensor of proto.initializer ?? []) this.#initializer(graph, tensor, infos);
    for (const sparse of proto.sparseInitializer ?? []) this.#sparseInitializer(graph, sparse);
    const outputs = (proto.output ?? []).map((output) => output.name ?? '');
    this.#body(graph, { nodes: proto.node ?? [], outputs, infos });
    graph.carry = carry({
      strayInfos: strays(graph, proto.valueInfo),
      rest: restOf(proto, [
        'node',
        'name',
        'initializer',
        'sparseInitializer',
        'docString',
        'input',
        'output',
        'valueInfo',
        'metadataProps',
      ]),
    });
    return graph;
  }

  functionBody(proto: FunctionProto): Graph {
    const graph = new Graph(proto.name ?? '');
    graph.docString = docText(proto);
    setMetadata(graph.metadata, proto.metadataProps);
    const infos = infoMap(proto.valueInfo ?? []);
    for (const name of proto.input ?? []) this.#input(graph, name, infos.get(name));
    this.#body(graph, { nodes: proto.node ?? [], outputs: proto.output ?? [], infos });
    graph.carry = carry({ strayInfos: strays(graph, proto.valueInfo) });
    return graph;
  }

  /** Attributes by name; their graphs are subgraphs of `graph`. Throws VC2303 where a name comes twice. */
  attributes(
    protos: readonly AttributeProto[],
    graph: Graph | undefined,
    where: string,
  ): ReadonlyMap<string, Attribute> {
    const attributes = new Map<string, Attribute>();
    for (const proto of protos) {
      const name = proto.name ?? '';
      const place = `${where}, attribute ${name}`;
      if (attributes.has(name)) throw fail('VC2303', { where: place, found: 'the attribute twice' });
      attributes.set(
        name,
        decodeAttribute(proto, place, {
          tensor: (tensor) => decodeTensor(tensor, this.#sources, place),
          sparse: (sparse) => this.#decodeSparse(sparse, place),
          graph: (inner) => this.graph(inner, graph),
        }),
      );
    }
    return attributes;
  }

  #input(graph: Graph, name: string, info: ValueInfoProto | undefined): void {
    this.#claim(graph, name, 'an input');
    const type = this.#type(info, name);
    const value = graph.addInput(name, type);
    if (info !== undefined) describe(value, info, type);
  }

  #initializer(graph: Graph, proto: TensorProto, infos: Infos): void {
    const name = proto.name ?? '';
    const tensor = decodeTensor(proto, this.#sources, `an initializer of graph ${graph.name}`);
    const rest = tensorRest(proto, ['name']);
    const input = graph.value(name);
    if (input?.isInput && input.initializer === undefined) {
      // A default value: the input's declared type stays, it may be wider.
      const declared = input.type;
      graph.setInitializer(input, tensor);
      if (declared !== undefined) graph.setType(input, declared);
      addTensorRest(input, rest);
      return;
    }
    this.#claim(graph, name, 'an initializer');
    const value = graph.addInitializer(name, tensor);
    const info = infos.get(name);
    if (info !== undefined) describe(value, info, value.type);
    addTensorRest(value, rest);
  }

  #sparseInitializer(graph: Graph, proto: SparseTensorProto): void {
    const name = proto.values?.name ?? '';
    this.#claim(graph, name, 'a sparse initializer');
    graph.addSparseInitializer(name, this.#decodeSparse(proto, `sparse initializer ${name}`));
  }

  #decodeSparse(proto: SparseTensorProto, place: string): SparseTensor {
    const tensor = decodeSparse(proto, this.#sources, place);
    this.#sparse.push({ tensor, where: `${this.#sources.model.name}, ${place}` });
    return tensor;
  }

  #body(graph: Graph, body: Body): void {
    const named = new Set(body.nodes.map((node) => node.name ?? ''));
    const unnamed = new Map<string, number>();
    for (const node of sortedNodes(body.nodes)) {
      const name = node.name || freeNodeName(node.opType ?? '', named, unnamed);
      this.#node(graph, node, name, body.infos);
    }
    const outputs = body.outputs.map((name) => {
      const value = graph.value(name);
      if (value !== undefined) return value;
      const outer = graph.lookup(name) !== undefined;
      throw fail('VC2302', {
        where: `${this.#sources.model.name}, output of graph ${graph.name}`,
        found: JSON.stringify(name),
        ...(outer ? { hint: 'a value of an outer graph: pass it through an Identity node' } : {}),
      });
    });
    graph.setOutputs(outputs);
  }

  #node(graph: Graph, proto: NodeProto, name: string, infos: Infos): void {
    const where = `${this.#sources.model.name}, node ${name} (${proto.opType ?? ''})`;
    const inputs = (proto.input ?? []).map((input) => {
      if (input === '') return null;
      const value = graph.lookup(input);
      if (value === undefined) throw fail('VC2302', { where, found: JSON.stringify(input) });
      return value;
    });
    const attributes = this.attributes(proto.attribute ?? [], graph, where);
    const outputs = (proto.output ?? []).map((output) => {
      if (output === '') return null;
      this.#claim(graph, output, `an output of node ${name}`);
      const type = this.#type(infos.get(output), output);
      return { name: output, type };
    });
    const names = outputs.flatMap((output) => (output === null ? [] : [output.name]));
    if (new Set(names).size !== names.length) throw fail('VC2301', { where, found: names.join(', ') });
    const node = graph.addNode({
      op: proto.opType ?? '',
      domain: defaultDomain(proto.domain),
      overload: proto.overload ?? '',
      name,
      inputs,
      outputs,
      attributes: Object.fromEntries(attributes),
      metadata: (proto.metadataProps ?? []).map((entry) => [entry.key ?? '', entry.value ?? ''] as const),
    });
    node.carry = carry({
      rest: restOf(proto, [
        'input',
        'output',
        'name',
        'opType',
        'domain',
        'overload',
        'attribute',
        'metadataProps',
      ]),
    });
    for (const output of node.outputs) {
      const info = output === null ? undefined : infos.get(output.name);
      if (output !== null && info !== undefined) describe(output, info, output.type);
    }
  }

  #type(info: ValueInfoProto | undefined, name: string): ValueType | undefined {
    return decodeType(info?.type, `${this.#sources.model.name}, type of ${name}`);
  }

  /** Throws VC2305 for an empty name, VC2301 for one that means something here or in a graph around. */
  #claim(graph: Graph, name: string, what: string): void {
    const file = this.#sources.model.name;
    if (name === '') throw fail('VC2305', { where: `${file}, graph ${graph.name}`, found: what });
    if (graph.lookup(name) !== undefined) {
      throw fail('VC2301', {
        where: `${file}, graph ${graph.name}`,
        found: `${JSON.stringify(name)} as ${what}`,
      });
    }
  }
}

function describe(value: Value, info: ValueInfoProto, decoded: ValueType | undefined): void {
  setMetadata(value.metadata, info.metadataProps);
  value.carry = carry({
    rest: restOf(info, ['name', 'type', 'metadataProps']),
    type: info.type ? { decoded, proto: info.type } : undefined,
  });
}

function addTensorRest(value: Value, rest: object | undefined): void {
  if (rest !== undefined) value.carry = carry({ ...(value.carry ?? {}), tensor: rest });
}

function infoMap(infos: readonly ValueInfoProto[]): Infos {
  return new Map(infos.map((info) => [info.name ?? '', info]));
}

function strays(
  graph: Graph,
  infos: readonly ValueInfoProto[] | undefined,
): readonly ValueInfoProto[] | undefined {
  const stray = (infos ?? []).filter((info) => graph.value(info.name ?? '') === undefined);
  return stray.length === 0 ? undefined : stray;
}

function setMetadata(
  metadata: Map<string, string>,
  entries: readonly StringStringEntryProto[] | undefined,
): void {
  for (const entry of entries ?? []) metadata.set(entry.key ?? '', entry.value ?? '');
}

/** A name for a node without one that no node of the file has. */
function freeNodeName(op: string, named: ReadonlySet<string>, counters: Map<string, number>): string {
  for (;;) {
    const count = counters.get(op) ?? 0;
    counters.set(op, count + 1);
    const name = count === 0 ? op : `${op}_${count}`;
    if (!named.has(name)) return name;
  }
}
