/**
 * The bytes of an ONNX file to a model. Structure is decoded at once; large tensors stay in the files that they
 * stand in. Nodes keep the file's order, which must be topological. What the graph IR has no place for is carried
 * (carry.ts). Checks here are those without which there is no graph: wire format, tensors, names. Whether
 * operators are used rightly is the verifier's question.
 */
import type { Model, ModelFunction } from '../../graph/model.ts';
import { fail } from '../../report/diagnostics.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import { carry, type Rest, restOf } from './carry.ts';
import { GraphDecoder } from './decode-graph.ts';
import { isExternal } from './decode-tensor.ts';
import { docText } from './doc-string.ts';
import { defaultDomain } from './domains.ts';
import { type ExternalFiles, externalRange } from './external-data.ts';
import { toInt } from './int64.ts';
import { newestIrVersion } from './ir-version.ts';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  SparseTensorProto,
  TensorProto,
} from './proto.ts';
import { scanModel } from './scan.ts';
import { loadCodec } from './schema.ts';
import { checkSignature } from './signature.ts';

/**
 * Decodes the ModelProto in `source`. Tensors of the result read from `source` and from what `files` opened, so
 * both must stay open while they are used. Throws VC20xx for what is no ONNX model, VC21xx for broken tensors,
 * VC22xx for broken external data, VC23xx for broken graphs.
 */
export async function decodeModel(source: ByteSource, files: ExternalFiles): Promise<Model> {
  await checkSignature(source);
  const skeleton = await scanModel(source);
  const codec = await loadCodec();
  let proto: ModelProto;
  try {
    proto = codec.decode(skeleton);
  } catch (cause) {
    throw fail('VC2003', {
      where: source.name,
      found: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
  const irVersion = Number(toInt(proto.irVersion ?? 0));
  if (irVersion > newestIrVersion) {
    throw fail('VC2005', {
      where: source.name,
      found: `IR version ${irVersion}`,
      expected: `at most ${newestIrVersion}`,
    });
  }
  if (!proto.graph) throw fail('VC2004', { where: source.name });
  refuseExternalTraining(proto, source.name);
  const external = new Map<string, ByteSource>();
  for (const tensor of modelTensors(proto)) {
    if (!isExternal(tensor)) continue;
    const where = `${source.name}, ${tensor.name ? `tensor ${tensor.name}` : 'a tensor of an attribute'}`;
    const { location } = externalRange(tensor, where);
    if (!external.has(location)) external.set(location, await files.open(location, where));
  }
  const graphs = new GraphDecoder({ model: source, external, shared: new Map() });
  const { opsetImports, rests } = decodeImports(proto.opsetImport ?? [], source.name);
  const model: Model = {
    irVersion,
    producerName: proto.producerName ?? '',
    producerVersion: proto.producerVersion ?? '',
    domain: proto.domain ?? '',
    modelVersion: toInt(proto.modelVersion ?? 0),
    docString: docText(proto),
    opsetImports,
    metadata: new Map((proto.metadataProps ?? []).map((entry) => [entry.key ?? '', entry.value ?? ''])),
    graph: graphs.graph(proto.graph, undefined),
    functions: (proto.functions ?? []).map((local) => decodeFunction(local, graphs, source.name)),
    carry: carry({
      imports: rests,
      rest: restOf(proto, [
        'irVersion',
        'opsetImport',
        'producerName',
        'producerVersion',
        'domain',
        'modelVersion',
        'docString',
        'graph',
        'metadataProps',
        'functions',
      ]),
    }),
  };
  await graphs.finish();
  return model;
}

function decodeFunction(proto: FunctionProto, graphs: GraphDecoder, file: string): ModelFunction {
  const where = `${file}, function ${proto.name ?? ''}`;
  const { opsetImports, rests } = decodeImports(proto.opsetImport ?? [], where);
  return {
    name: proto.name ?? '',
    domain: defaultDomain(proto.domain),
    overload: proto.overload ?? '',
    opsetImports,
    attributes: proto.attribute ?? [],
    attributeDefaults: graphs.attributes(proto.attributeProto ?? [], undefined, where),
    body: graphs.functionBody(proto),
    carry: carry({
      imports: rests,
      rest: restOf(proto, [
        'name',
        'input',
        'output',
        'attribute',
        'attributeProto',
        'node',
        'docString',
        'opsetImport',
        'domain',
        'overload',
        'valueInfo',
        'metadataProps',
      ]),
    }),
  };
}

function decodeImports(
  protos: readonly OperatorSetIdProto[],
  where: string,
): { opsetImports: Map<string, number>; rests: ReadonlyMap<string, Rest> | undefined } {
  const opsetImports = new Map<string, number>();
  const rests = new Map<string, Rest>();
  for (const proto of protos) {
    const domain = defaultDomain(proto.domain);
    const version = Number(toInt(proto.version ?? 0));
    const known = opsetImports.get(domain);
    if (known !== undefined && known !== version) {
      throw fail('VC2306', { where, found: `"${domain}" in versions ${known} and ${version}` });
    }
    opsetImports.set(domain, version);
    const rest = restOf(proto, ['domain', 'version']);
    if (rest !== undefined) rests.set(domain, rest);
  }
  return { opsetImports, rests: rests.size === 0 ? undefined : rests };
}

/** training_info is carried as it is, and we do not carry data files. */
function refuseExternalTraining(proto: ModelProto, file: string): void {
  for (const info of proto.trainingInfo ?? []) {
    const { initialization, algorithm } = info as { [key: string]: GraphProto | null | undefined };
    for (const graph of [initialization, algorithm]) {
      for (const tensor of graph ? graphTensors(graph) : []) {
        if (isExternal(tensor)) throw fail('VC2206', { where: `${file}, tensor ${tensor.name ?? ''}` });
      }
    }
  }
}

function* modelTensors(proto: ModelProto): Generator<TensorProto> {
  if (proto.graph) yield* graphTensors(proto.graph);
  for (const local of proto.functions ?? []) {
    for (const node of local.node ?? []) yield* nodeTensors(node);
    for (const attribute of local.attributeProto ?? []) yield* attributeTensors(attribute);
  }
}

function* graphTensors(proto: GraphProto): Generator<TensorProto> {
  yield* proto.initializer ?? [];
  for (const sparse of proto.sparseInitializer ?? []) yield* sparseTensors(sparse);
  for (const node of proto.node ?? []) yield* nodeTensors(node);
}

function* nodeTensors(proto: NodeProto): Generator<TensorProto> {
  for (const attribute of proto.attribute ?? []) yield* attributeTensors(attribute);
}

function* attributeTensors(proto: AttributeProto): Generator<TensorProto> {
  if (proto.t) yield proto.t;
  yield* proto.tensors ?? [];
  for (const graph of proto.g ? [proto.g] : (proto.graphs ?? [])) yield* graphTensors(graph);
  for (const sparse of proto.sparseTensor ? [proto.sparseTensor] : (proto.sparseTensors ?? [])) {
    yield* sparseTensors(sparse);
  }
}

function* sparseTensors(proto: SparseTensorProto): Generator<TensorProto> {
  if (proto.values) yield proto.values;
  if (proto.indices) yield proto.indices;
}
