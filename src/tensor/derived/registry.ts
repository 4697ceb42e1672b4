/**
 * Tensors as plain data and back. A recipe lists each origin once, inputs before what is computed from them,
 * so that a plan, a digest or another process can say and rebuild what the bytes are.
 */
import type { ByteSource } from '../byte-source.ts';
import { byteLengthOf, type DType, dtypes } from '../dtype.ts';
import { inlineTensor, type JsonValue, sourceTensor, type Tensor } from '../tensor.ts';
import { rebuildBicubicTable } from './bicubic-table.ts';
import { rebuildCast } from './cast.ts';
import { rebuildDequantizeBlocks } from './dequantize-blocks.ts';
import { rebuildDequantizeChannels } from './dequantize-channels.ts';
import { rebuildFill } from './fill.ts';
import { rebuildConcat, rebuildStack } from './join.ts';
import { rebuildLowRankUpdate } from './low-rank-update.ts';
import { rebuildQuantizeBlocks } from './quantize-blocks.ts';
import { rebuildQuantizeChannels } from './quantize-channels.ts';
import { reshape } from './reshape.ts';
import { rebuildPermuteRows } from './rows.ts';
import { rebuildScaleAxis } from './scale-axis.ts';
import { rebuildTranspose } from './transpose.ts';

type Params = { readonly [key: string]: JsonValue };
type Rebuild = (inputs: readonly Tensor[], params: Params) => readonly Tensor[];

/** How to compute each operation's outputs from its inputs and parameters. */
const rebuilders: ReadonlyMap<string, Rebuild> = new Map<string, Rebuild>([
  ['bicubic-table', rebuildBicubicTable],
  ['cast', rebuildCast],
  ['concat', rebuildConcat],
  ['dequantize-blocks', rebuildDequantizeBlocks],
  ['dequantize-channels', rebuildDequantizeChannels],
  ['fill', rebuildFill],
  ['low-rank-update', rebuildLowRankUpdate],
  ['permute-rows', rebuildPermuteRows],
  ['quantize-blocks', rebuildQuantizeBlocks],
  ['quantize-channels', rebuildQuantizeChannels],
  ['scale-axis', rebuildScaleAxis],
  ['stack', rebuildStack],
  ['transpose', rebuildTranspose],
]);

/** Reference to an output of an earlier step of the recipe, seen under a shape. */
type Reference = { readonly step: number; readonly output: number; readonly shape: readonly number[] };

type Step =
  | {
      readonly kind: 'source';
      readonly source: string;
      readonly offset: number;
      readonly name: string;
      readonly dtype: DType;
      readonly shape: readonly number[];
    }
  | {
      readonly kind: 'inline';
      readonly base64: string;
      readonly dtype: DType;
      readonly shape: readonly number[];
    }
  | {
      readonly kind: 'derived';
      readonly op: string;
      readonly params: Params;
      readonly inputs: readonly Reference[];
    };

/** JSON. */
export type TensorRecipe = { readonly steps: readonly Step[]; readonly tensors: readonly Reference[] };

/** What the bytes of the tensors are. Equal recipes over equal sources mean equal bytes. */
export function describeTensors(tensors: readonly Tensor[]): TensorRecipe {
  const steps: Step[] = [];
  /** Derivations, byte arrays and `source offset dtype` keys that have a step. */
  const known = new Map<object | string, number>();

  const add = (key: object | string, make: () => Step): number => {
    const existing = known.get(key);
    if (existing !== undefined) return existing;
    const step = make();
    known.set(key, steps.length);
    steps.push(step);
    return steps.length - 1;
  };

  const refer = (tensor: Tensor): Reference => {
    const { dtype, shape, origin } = tensor;
    if (origin.kind === 'derived') {
      const { op, params, inputs } = origin.derivation;
      const step = add(origin.derivation, () => ({ kind: 'derived', op, params, inputs: inputs.map(refer) }));
      return { step, output: origin.output, shape };
    }
    if (origin.kind === 'inline') {
      const make = (): Step => ({
        kind: 'inline',
        base64: Buffer.from(origin.bytes).toString('base64'),
        dtype,
        shape,
      });
      return { step: add(origin.bytes, make), output: 0, shape };
    }
    const { source, offset, name } = origin;
    const step = add(`${source.name}\n${offset}\n${dtype}\n${tensor.byteLength}`, () => {
      return { kind: 'source', source: source.name, offset, name, dtype, shape };
    });
    return { step, output: 0, shape };
  };

  return { tensors: tensors.map(refer), steps };
}

/**
 * The tensors of a recipe, over sources found by name. Throws a RangeError for a recipe that no
 * `describeTensors` made.
 */
export function rebuildTensors(
  recipe: TensorRecipe,
  sources: ReadonlyMap<string, ByteSource>,
): readonly Tensor[] {
  const done: (readonly Tensor[])[] = [];
  const resolve = ({ step, output, shape }: Reference): Tensor => {
    const tensor = done[step]?.[output];
    if (tensor === undefined) throw new RangeError(`the recipe has no output ${output} of step ${step}`);
    return reshape(tensor, shape);
  };
  for (const step of recipe.steps) {
    if (step.kind === 'derived') {
      const rebuild = rebuilders.get(step.op);
      if (rebuild === undefined) throw new RangeError(`no derivation is called ${step.op}`);
      done.push(rebuild(step.inputs.map(resolve), step.params));
      continue;
    }
    if (!dtypes.includes(step.dtype)) throw new RangeError(`no element type is called ${step.dtype}`);
    if (step.kind === 'inline') {
      done.push([inlineTensor(step.dtype, step.shape, new Uint8Array(Buffer.from(step.base64, 'base64')))]);
      continue;
    }
    const source = sources.get(step.source);
    const end = step.offset + byteLengthOf(step.dtype, step.shape);
    if (source === undefined || !(step.offset >= 0 && end <= source.size)) {
      throw new RangeError(`${step.name} is not in ${step.source}`);
    }
    done.push([sourceTensor(step, source, step.offset, step.name)]);
  }
  return recipe.tensors.map(resolve);
}
