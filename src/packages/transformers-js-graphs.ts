/**
 * The graphs that transformers.js loads of a model: our components, or, where its class wants others, graphs that are
 * made of them over the same weights. It finds a graph's data files by the graph's name, so weights stand in files that
 * are called after the one that reads them.
 */
import type { BuiltModel } from '../architectures/architecture.ts';
import { type ModelLayout, modelTensors, sharedLayout } from '../formats/onnx/layout.ts';
import type { Model } from '../graph/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { AdaptedGraph, FinishedComponent, PackedComponent } from './package-format.ts';

/** A component as it is, or a graph that is made of some. */
export type ClientGraph =
  | { readonly components: readonly [string] }
  | {
      /** The name that a class looks for, without the suffix of the precision, which is the first component's. */
      readonly fileName: string;
      readonly components: readonly [string, ...string[]];
      readonly make: (models: readonly Model[]) => Model;
    };

interface MadeGraph {
  readonly parts: readonly FinishedComponent[];
  readonly precision: string;
  readonly fileName: string;
  /** With suffix. */
  readonly file: string;
  readonly model: Model;
  readonly isMade: boolean;
}

/** What makes graphs of a model's components; left out: each is one. */
export type ClientGraphs = (built: BuiltModel) => readonly ClientGraph[];

/** By component and weight, the graph that reads it. `suffix`: of a precision. */
export function dataNames(
  graphs: readonly ClientGraph[],
  components: readonly FinishedComponent[],
  suffix: (precision: string) => string,
): ReadonlyMap<string, ReadonlyMap<Tensor, string>> {
  const names = new Map<string, Map<Tensor, string>>();
  for (const { file, model, parts } of madeGraphs(graphs, components, suffix)) {
    const read = new Set([...modelTensors(model)].map(({ tensor }) => tensor));
    for (const { component, model: own } of parts) {
      const known = names.get(component.id) ?? new Map<Tensor, string>();
      names.set(component.id, known);
      for (const { tensor } of modelTensors(own)) {
        if (read.has(tensor) && !known.has(tensor)) known.set(tensor, file);
      }
    }
  }
  return names;
}

/** A graph that is loaded, and how many data files it has. */
export interface LoadedGraph {
  /** Without suffix. */
  readonly fileName: string;
  readonly precision: string;
  readonly modelFile: string;
  readonly dataFiles: number;
}

/** What is loaded, and what of it stands beside the components. */
export function loadedGraphs(
  graphs: readonly ClientGraph[],
  components: readonly PackedComponent[],
  suffix: (precision: string) => string,
): { readonly loaded: readonly LoadedGraph[]; readonly adapted: readonly AdaptedGraph[] } {
  const layoutOf = ({ component }: FinishedComponent): ModelLayout => {
    const found = components.find((each) => each.component.id === component.id);
    if (found === undefined) throw new RangeError(`no layout of ${component.id}`);
    return found.layout;
  };
  const made = madeGraphs(graphs, components, suffix).map((graph) => {
    const layouts = graph.parts.map(layoutOf);
    const layout = graph.isMade ? sharedLayout(graph.file, ...layouts) : layouts[0];
    if (layout === undefined) throw new RangeError(`${graph.file} is made of nothing`);
    return { ...graph, layout };
  });
  return {
    loaded: made.map(({ fileName, precision, model, isMade, layout, file }) => ({
      fileName,
      precision,
      modelFile: layout.modelFile,
      dataFiles: isMade ? countDataFiles(model, layout, file) : layout.dataFiles.length,
    })),
    adapted: made
      .filter(({ isMade }) => isMade)
      .map(({ file, model, layout }) => ({ fileName: file, model, layout })),
  };
}

function madeGraphs(
  graphs: readonly ClientGraph[],
  components: readonly FinishedComponent[],
  suffix: (precision: string) => string,
): readonly MadeGraph[] {
  return graphs.map((graph) => {
    const parts = graph.components.map((id) => {
      const found = components.find(({ component }) => component.id === id);
      if (found === undefined) throw new RangeError(`no component ${id}`);
      return found;
    });
    const [first] = parts;
    if (first === undefined) throw new RangeError('a graph of nothing');
    const { precision } = first;
    const end = suffix(precision);
    if ('make' in graph) {
      const { fileName, make } = graph;
      const model = make(parts.map((part) => part.model));
      return { parts, precision, fileName, file: `${fileName}${end}`, model, isMade: true };
    }
    const file = first.component.fileName;
    const fileName = file.slice(0, file.length - end.length);
    return { parts, precision, fileName, file, model: first.model, isMade: false };
  });
}

function countDataFiles(model: Model, { placement }: ModelLayout, file: string): number {
  const files = new Set([...modelTensors(model)].flatMap(({ tensor }) => placement.get(tensor)?.file ?? []));
  for (const name of files) {
    if (!name.startsWith(`${file}.onnx_data`))
      throw new RangeError(`${file} reads ${name}, which is not its own`);
  }
  return files.size;
}
