/**
 * transformers.js (npm @huggingface/transformers, 3.0 to 4.3): files by name and suffix of their precision, a section
 * of config.json that says which to load and in how many pieces, and processor and tokenizer in the JSON files that
 * its classes read. It runs the families that it has classes for.
 */
import type { BuiltModel, Component, SideFile } from '../architectures/architecture.ts';
import type { GenerationRecipe } from '../architectures/recipe.ts';
import { chatTemplate } from '../formats/checkpoint/chat-template.ts';
import type { JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../formats/json.ts';
import { type DiagnosticRecord, diagnostic, fail } from '../report/diagnostics.ts';
import { onnxruntimeWasm } from '../targets/onnxruntime-wasm.ts';
import { targets } from '../targets/registry.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import { missingTokenizer } from './missing-tokenizer.ts';
import type { PackageFormat, PackageRequest, PackedComponent } from './package-format.ts';
import { clientFamilies } from './transformers-js-families.ts';
import { type ClientGraph, dataNames, type LoadedGraph, loadedGraphs } from './transformers-js-graphs.ts';

interface DataType {
  /** As `dtype` names it, in its options and in config.json. */
  readonly dtype: string;
  readonly suffix: string;
}

/** By precision. Weights in blocks of 8 bits are its `q8`; its `int8` are onnxruntime's integer products. */
const dataTypes: Readonly<Record<string, DataType>> = {
  fp32: { dtype: 'fp32', suffix: '' },
  fp16: { dtype: 'fp16', suffix: '_fp16' },
  int8: { dtype: 'q8', suffix: '_quantized' },
  int4: { dtype: 'q4', suffix: '_q4' },
};

/** What Python's image processors do unless a file says otherwise; these do nothing that a file does not say. */
const imageDefaults: JsonObject = {
  do_convert_rgb: true,
  do_resize: true,
  // PIL's code of bicubic resampling.
  resample: 3,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
};

/** What a browser's ArrayBuffer holds, in bytes: V8 and JavaScriptCore allow more, WebAssembly's loader does not. */
const largestBuffer = 2 ** 31 - 1;

export const transformersJs: PackageFormat = {
  id: 'transformers.js',
  targets: [...targets, onnxruntimeWasm],
  name(request) {
    refuse(request);
    const { built, precisions } = request;
    // A graph that is made of a component has the name that the class looks for, and the component another.
    const taken = new Set(graphsOf(built).flatMap((graph) => ('make' in graph ? graph.fileName : [])));
    const named = (component: Component): Component => {
      const own = taken.has(component.fileName) ? component.id : component.fileName;
      return { ...component, fileName: `${own}${suffixOf(precisions.get(component.id))}` };
    };
    return { ...built, components: built.components.map(named) };
  },
  dataNames: (built, components) => dataNames(graphsOf(built), components, suffixOf),
  files(built, checkpoint, components) {
    const family = familyOf(built);
    const { loaded, adapted } = loadedGraphs(graphsOf(built), components, suffixOf);
    const found = new Map(built.sideFiles.map((file) => [file.name, file]));
    const json = (name: string): JsonObject => {
      const file = found.get(name);
      const value = file?.kind === 'json' ? file.value : checkpoint.json.get(file?.from ?? name);
      return isJsonObject(value) ? value : {};
    };
    const { processor: processor_class, imageProcessor: image_processor_type } = family;
    const template = family.chatTemplates?.(built) ?? chatTemplate(checkpoint);
    const tokenizer = json('tokenizer_config.json');
    const settings = json('preprocessor_config.json');
    const image = built.image === undefined ? {} : family.imageSettings?.(built.image, settings);
    const written: Readonly<Record<string, JsonValue>> = {
      'config.json': {
        ...family.config(json('config.json'), languageSizes(built.recipe)),
        'transformers.js_config': loading(loaded),
      },
      'preprocessor_config.json': {
        ...imageDefaults,
        ...settings,
        ...image,
        processor_class,
        image_processor_type,
      },
      'tokenizer_config.json': template === undefined ? tokenizer : { ...tokenizer, chat_template: template },
      ...(family.generationConfig === undefined
        ? {}
        : { 'generation_config.json': family.generationConfig(json('generation_config.json'), built) }),
      ...(family.processorConfig === undefined
        ? {}
        : {
            'processor_config.json': {
              ...withoutSettings(json('processor_config.json')),
              processor_class,
              ...family.processorConfig(built),
            },
          }),
    };
    const kept = built.sideFiles.filter(({ name }) => !Object.hasOwn(written, name));
    const made = Object.entries(written).map(([name, value]): SideFile => ({ name, kind: 'json', value }));
    return {
      sideFiles: [...made, ...kept],
      graphs: adapted,
      warnings: warnings(built, components),
    };
  },
};

function familyOf({ architecture }: BuiltModel) {
  const family = clientFamilies.get(architecture);
  if (family !== undefined) return family;
  throw fail('VC4501', {
    where: '--format transformers.js',
    found: architecture,
    expected: `one of ${[...clientFamilies.keys()].join(', ')}, for which it has classes`,
    hint: 'leave --format out: the same graphs run in plain onnxruntime, as examples/node and examples/python do',
  });
}

/** What its class loads. */
function graphsOf(built: BuiltModel): readonly ClientGraph[] {
  return familyOf(built).graphs?.(built) ?? built.components.map(({ id }) => ({ components: [id] }));
}

function refuse({ built, precisions, ioDtype, linkWeights }: PackageRequest): void {
  familyOf(built);
  const where = '--format transformers.js';
  if (linkWeights) {
    throw fail('VC4502', {
      where,
      found: '--link-weights, which leaves weights in files of other names',
      expected: 'data files named after their graphs',
    });
  }
  if (ioDtype === 'float16' && [...precisions.values()].includes('fp16')) {
    throw fail('VC4502', {
      where,
      found: '--io-dtype float16',
      expected: 'float32 inputs, which its image processors make',
      hint: 'leave --io-dtype out: the weights of fp16 graphs are float16 all the same',
    });
  }
}

function dataType(precision: string | undefined): DataType {
  const found = precision === undefined ? undefined : dataTypes[precision];
  if (found === undefined) throw new RangeError(`no data type for ${precision}`);
  return found;
}

function suffixOf(precision: string | undefined): string {
  return dataType(precision).suffix;
}

/** Sizes of the cache, which older versions read from the config; released ones leave out what is a default. */
function languageSizes({ decoder, hiddenSize }: GenerationRecipe): JsonObject {
  return {
    hidden_size: hiddenSize,
    num_hidden_layers: decoder.layers,
    num_key_value_heads: decoder.kvHeads,
    head_dim: decoder.headDim,
  };
}

/** `transformers.js_config`: what to load when the caller does not say, and how many data files each graph has. */
function loading(graphs: readonly LoadedGraph[]): JsonObject {
  const dtypes = graphs.map(({ fileName, precision }) => [fileName, dataType(precision).dtype] as const);
  const pieces = graphs
    .filter(({ dataFiles }) => dataFiles > 0)
    .map(({ modelFile, dataFiles }) => [modelFile, dataFiles] as const);
  return { dtype: Object.fromEntries(dtypes), use_external_data_format: Object.fromEntries(pieces) };
}

/** Its processors read the image settings from preprocessor_config.json only. */
function withoutSettings({ image_processor: _, ...processor }: JsonObject): JsonObject {
  return processor;
}

function warnings(built: BuiltModel, components: readonly PackedComponent[]): readonly DiagnosticRecord[] {
  const large = components
    .flatMap(({ layout }) => layout.dataFiles)
    .filter(({ byteLength }) => byteLength > largestBuffer);
  const padded =
    familyOf(built).imageSettings === undefined &&
    (built.image?.steps?.some(({ step }) => step === 'pad-square') ?? false);
  return [
    ...(padded ? [diagnostic('VC4505', { found: 'pictures that are padded to a square' })] : []),
    ...missingTokenizer(built),
    ...large.map(({ name, byteLength }) =>
      diagnostic('VC4504', {
        where: name,
        found: `${byteLength} bytes`,
        expected: `${largestBuffer} at most`,
      }),
    ),
  ];
}
