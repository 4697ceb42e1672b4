/**
 * The tensors of an adapter file, sorted by the module that they belong to. Keys are `base_model.model.<module>` and
 * then one of the parts below; an adapter name may stand in them, as raw state dicts have it.
 */
import { fail } from '../../../report/diagnostics.ts';
import { list, quote } from '../../../report/show.ts';
import type { Tensor } from '../../../tensor/tensor.ts';

/** What a module of the adapter brings, as stored. */
export interface AdapterParts {
  /** [r, in], or [r, in, kh, kw] */
  a?: Tensor;
  /** [out, r], or [out, r, 1, 1] */
  b?: Tensor;
  /** [out]: `lora_bias` */
  bBias?: Tensor;
  /** [r, vocab] */
  embeddingA?: Tensor;
  /** [dim, r] */
  embeddingB?: Tensor;
  /** DoRA: one number per output, or per channel of an embedding. */
  magnitude?: Tensor;
  /** [tokens, dim]: whole rows. */
  tokens?: Tensor;
  /** Take the place of the base's own, under the adapter's branch. */
  baseWeight?: Tensor;
  baseBias?: Tensor;
  /** Replace the module's own. */
  weight?: Tensor;
  bias?: Tensor;
}

export type AdapterPart = keyof AdapterParts;

export interface AdapterKeys {
  /** By the module's name without the wrapper's prefix, in the order of the file. */
  readonly modules: ReadonlyMap<string, AdapterParts>;
  /** Of all of them; a copy of the base's weights that raw state dicts hold is none. */
  readonly tensors: number;
}

/** The ends of keys. The named group is the adapter's name. */
const forms: readonly { readonly end: RegExp; readonly part: AdapterPart }[] = [
  { end: /\.lora_A(?:\.(?<name>[^.]+))?\.weight$/, part: 'a' },
  { end: /\.lora_B(?:\.(?<name>[^.]+))?\.weight$/, part: 'b' },
  { end: /\.lora_B(?:\.(?<name>[^.]+))?\.bias$/, part: 'bBias' },
  { end: /\.lora_embedding_A(?:\.weight|\.(?<name>[^.]+))?$/, part: 'embeddingA' },
  { end: /\.lora_embedding_B(?:\.weight|\.(?<name>[^.]+))?$/, part: 'embeddingB' },
  { end: /\.lora_magnitude_vector(?:\.weight|\.(?<name>[^.]+)(?:\.weight)?)?$/, part: 'magnitude' },
  { end: /\.token_adapter\.trainable_tokens_delta(?:\.(?<name>[^.]+))?$/, part: 'tokens' },
  { end: /\.base_layer\.weight$/, part: 'baseWeight' },
  { end: /\.base_layer\.bias$/, part: 'baseBias' },
  { end: /\.modules_to_save\.(?<name>[^.]+)\.weight$/, part: 'weight' },
  { end: /\.modules_to_save\.(?<name>[^.]+)\.bias$/, part: 'bias' },
  { end: /\.weight$/, part: 'weight' },
  { end: /\.bias$/, part: 'bias' },
];

/** What raw state dicts hold besides: the base as it was. */
const copies = /\.(original_module\..*|token_adapter\.(base_layer\..*|trainable_tokens_original(\..*)?))$/;

const prefix = /^base_model\.model\./;

/** @throws VlmError VC1305 for keys that are not understood, or of several adapters in one file */
export function sortKeys(tensors: ReadonlyMap<string, Tensor>, file: string): AdapterKeys {
  const modules = new Map<string, AdapterParts>();
  const names = new Set<string>();
  let count = 0;
  for (const [key, tensor] of tensors) {
    const own = key.replace(prefix, '');
    if (copies.test(own)) continue;
    const form = forms.find(({ end }) => end.test(own));
    const found = form?.end.exec(own);
    if (form === undefined || found == null || found.index === 0) {
      throw fail('VC1305', {
        where: `${file}: ${quote(key)}`,
        expected: '<module>.lora_A.weight and the like',
      });
    }
    const module = own.slice(0, found.index);
    const parts = modules.get(module) ?? {};
    modules.set(module, parts);
    if (parts[form.part] !== undefined) {
      throw fail('VC1305', { where: `${file}: ${quote(key)}`, found: `a second ${form.part} of ${module}` });
    }
    parts[form.part] = tensor;
    count += 1;
    if (found.groups?.name !== undefined) names.add(found.groups.name);
  }
  if (names.size > 1) {
    throw fail('VC1305', {
      where: file,
      found: `the adapters ${list([...names])} in one file`,
      expected: 'one adapter per folder',
    });
  }
  return { modules, tensors: count };
}
