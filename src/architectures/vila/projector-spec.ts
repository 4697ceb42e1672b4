/** The kinds of projector that VILA has, as data: blocks of patches that become a token, and the layers over them. */
import type { JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader } from '../../formats/checkpoint/config.ts';
import { fail } from '../../report/diagnostics.ts';
import { list, show } from '../../report/show.ts';

/** Channels of a linear layer's output: those of the language model, or so many times the tower's, rounded down. */
type Outputs = 'hidden' | { readonly times: number; readonly over?: number };

type LayerKind = 'norm' | 'gelu' | Outputs;

interface Kind {
  /** So many patches per side become one token. */
  readonly join: number;
  readonly layers: readonly LayerKind[];
  /** VILA 1.5 joins them in the transposed order. */
  readonly turned?: true;
}

const twoByTwo: readonly LayerKind[] = ['norm', 'hidden', 'gelu', 'hidden'];
const third = { times: 1, over: 3 };
const narrowing = (...steps: readonly Outputs[]): readonly LayerKind[] => [
  ...steps.flatMap((step): readonly LayerKind[] => ['norm', step, 'gelu']),
  ...twoByTwo,
];

const kinds: Readonly<Record<string, Kind>> = {
  identity: { join: 1, layers: [] },
  linear: { join: 1, layers: ['hidden'] },
  mlp_downsample: { join: 2, layers: twoByTwo, turned: true },
  mlp_downsample_2x2_fix: { join: 2, layers: twoByTwo },
  mlp_downsample_3x3_fix: { join: 3, layers: narrowing({ times: 3 }) },
  mlp_downsample_3x3_s2: { join: 3, layers: narrowing({ times: 3 }, { times: 1 }, third) },
  mlp_downsample_3x3_s2_new: { join: 3, layers: narrowing({ times: 4 }, { times: 2 }, { times: 1 }, third) },
};

/** A layer with weights, or GELU. Names are those of modules in the projector's file. */
export type ProjectorLayer =
  | { readonly kind: 'norm'; readonly name: string; readonly size: number }
  | { readonly kind: 'linear'; readonly name: string; readonly inputs: number; readonly outputs: number }
  | { readonly kind: 'gelu' };

export interface ProjectorSpec {
  readonly join: number;
  /** Tokens go down the columns of blocks, not along the rows. */
  readonly transposed: boolean;
  readonly layers: readonly ProjectorLayer[];
}

export interface ProjectorInput {
  /** Channels of a patch. */
  readonly width: number;
  readonly hidden: number;
  /** The order of tokens where the kind leaves it open. */
  readonly transposed: boolean;
  /** False where a view's patches are not whole: one of them is left out, or a token added that is none. */
  readonly whole: boolean;
}

/** Throws VC1232 for another kind, VC1204 where it has nothing to join. */
export function readProjector(config: JsonObject, input: ProjectorInput): ProjectorSpec {
  const reader = new ConfigReader(config, 'mm_projector/config.json');
  const key = 'mm_projector_type';
  const named = reader.string(key);
  const kind = Object.hasOwn(kinds, named) ? kinds[named] : stacked(named);
  if (kind === undefined) {
    throw fail('VC1232', {
      where: reader.place(key),
      found: show(named),
      expected: list([...Object.keys(kinds), 'mlp2x_gelu']),
    });
  }
  const { join, layers, turned } = kind;
  if (join > 1 && !input.whole) {
    throw fail('VC1204', {
      where: `config.json: mm_vision_select_feature, ${reader.place(key)}`,
      found: `${show(named)} over a view without one of its patches, or with a token that is none`,
      expected: '"cls_patch" for SigLIP, "patch" for CLIP: blocks of patches are joined',
    });
  }
  if (layers.length === 0 && input.width !== input.hidden) {
    throw fail('VC1204', {
      where: `${reader.place(key)}, llm_cfg.hidden_size`,
      found: `identity for ${input.width} channels and ${input.hidden}`,
      expected: 'equal',
    });
  }
  return { join, transposed: turned === true && input.transposed, layers: layersOf(named, kind, input) };
}

/** mlp2x_gelu, mlp3x_gelu, …: so many linears. */
function stacked(name: string): Kind | undefined {
  const [, digits] = /^mlp([1-9]\d?)x_gelu$/.exec(name) ?? [];
  if (digits === undefined) return undefined;
  const more = Array.from({ length: Number(digits) - 1 }, (): readonly LayerKind[] => ['gelu', 'hidden']);
  return { join: 1, layers: ['hidden', ...more.flat()] };
}

/** Modules are named by their places in a sequence, in which what joins patches comes first; one alone by no place. */
function layersOf(
  named: string,
  { join, layers }: Kind,
  { width, hidden }: ProjectorInput,
): ProjectorLayer[] {
  let size = width * join * join;
  return layers.map((kind, index): ProjectorLayer => {
    const name = named === 'linear' ? 'layers' : `layers.${index + (join > 1 ? 1 : 0)}`;
    if (kind === 'gelu') return { kind };
    if (kind === 'norm') return { kind, name, size };
    const outputs = kind === 'hidden' ? hidden : Math.floor((width * kind.times) / (kind.over ?? 1));
    const inputs = size;
    size = outputs;
    return { kind: 'linear', name, inputs, outputs };
  });
}
