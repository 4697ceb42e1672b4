/** A model: the main graph, the operator sets it imports, local functions and metadata. */
import type { Attribute } from './attribute.ts';
import type { Graph } from './graph.ts';

/** A model-local function. Its body is a graph whose inputs and outputs are untyped. */
export interface ModelFunction {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly opsetImports: Map<string, number>;
  /** Attributes without a default. */
  readonly attributes: readonly string[];
  /** Attributes with a default. */
  readonly attributeDefaults: ReadonlyMap<string, Attribute>;
  readonly body: Graph;
  carry?: unknown;
}

export interface Model {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  domain: string;
  modelVersion: number | bigint;
  docString: string;
  /** Domain ('' = ai.onnx) to version. */
  readonly opsetImports: Map<string, number>;
  readonly metadata: Map<string, string>;
  graph: Graph;
  readonly functions: ModelFunction[];
  /** Carried for the format that decoded it. */
  carry?: unknown;
}

export function createModel(graph: Graph, opset: number): Model {
  return {
    irVersion: 0,
    producerName: 'vlm-convert',
    producerVersion: '',
    domain: '',
    modelVersion: 0,
    docString: '',
    opsetImports: new Map([['', opset]]),
    metadata: new Map(),
    graph,
    functions: [],
  };
}

/** The operator set of ai.onnx that a model imports; 0 where it imports none. */
export function opsetOf(model: Model): number {
  return model.opsetImports.get('') ?? 0;
}

/** Makes the operators of a domain known to a model; its version stays where it has one. */
export function importDomain({ opsetImports }: Model, domain: string): void {
  if (!opsetImports.has(domain)) opsetImports.set(domain, 1);
}
