/**
 * What a VILA checkpoint says in its config and those of its three parts, validated. Absent keys mean the defaults of the
 * release's classes.
 *
 * Two generations of the code read such checkpoints. VILA 1.5 and before put features in place of a mark that is no id,
 * and join patches column by column; since NVILA `<image>` is an id, text follows each picture, and tokens go row by row.
 * Configs of the second name its encoders.
 */
import type { JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader } from '../../formats/checkpoint/config.ts';
import { isJsonObject } from '../../formats/json.ts';
import { fail } from '../../report/diagnostics.ts';
import { show } from '../../report/show.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { LlamaConfig } from '../llama/config.ts';
import { readLlamaConfig } from '../llama/config.ts';
import { readQwen2Config } from '../qwen2/config.ts';
import { requireVariant } from '../variants.ts';
import { partConfig } from './parts.ts';
import { type ProjectorSpec, readProjector } from './projector-spec.ts';
import { mostTiles, type Pyramid, readPyramid, readScales, type Scales } from './scale-sizes.ts';
import { readVision, type VilaVision } from './vision.ts';

/** What becomes of a picture that has its prompt to itself; those that share one are a view each. */
export type AspectRatio = 'resize' | 'pad' | 'processor' | 'dynamic' | 'dynamic_s2';

export interface VilaConfig {
  readonly text: LlamaConfig;
  readonly vision: VilaVision;
  readonly projector: ProjectorSpec;
  /** Since NVILA. */
  readonly newer: boolean;
  readonly aspectRatio: AspectRatio;
  /** Least and most tiles of a picture that is cut at one scale. */
  readonly tiles: { readonly least: number; readonly most: number };
  /** Features of several scales are joined on channels: of a picture that comes as tiles, */
  readonly scales?: Scales;
  /** or of one that the graph itself brings to them. */
  readonly pyramid?: Pyramid;
  /** Texts before and after the features of a picture. */
  readonly around: { readonly before: string; readonly after: string };
}

/** Keys that every config since NVILA has. */
const newerKeys = ['image_encoder', 'video_encoder', 'dynamic_s2', 'min_tiles', 'max_tiles'];

/** @throws VlmError VC12xx naming the key, what was found and what was expected */
export function readVilaConfig(config: JsonObject): VilaConfig {
  const root = new ConfigReader(config);
  if (root.bool('ps3', { default: false })) {
    throw fail('VC1232', {
      where: root.place('ps3'),
      found: 'true: a tower that looks twice, where the text says',
      expected: 'false',
    });
  }
  const newer = newerKeys.some((key) => config[key] !== undefined);
  const text = readText(config);
  const vision = readVision(root, partConfig(config, 'vision_tower'));
  const joins = root.bool('dynamic_s2', { default: false });
  if (joins && (vision.tower.kind !== 'siglip' || vision.drops > 0)) {
    throw root.conflict(
      ['dynamic_s2', 'vision_tower_cfg.model_type', 'mm_vision_select_feature'],
      `true, ${vision.tower.kind}, ${vision.drops > 0 ? 'patch' : 'cls_patch'}`,
      'SigLIP with cls_patch: tiles of whole patches become maps',
    );
  }
  const scales = joins ? readScales(root, vision) : undefined;
  const pyramid = !joins && root.bool('s2', { default: false }) ? readPyramid(root, vision) : undefined;
  const aspectRatio = readAspectRatio(root, newer);
  if (pyramid !== undefined && aspectRatio === 'dynamic') {
    throw root.conflict(['s2', 'image_aspect_ratio'], 'true and dynamic', 'pictures that are not cut');
  }
  if (aspectRatio === 'dynamic_s2' && !joins) {
    throw root.conflict(
      ['image_aspect_ratio', 'dynamic_s2'],
      'dynamic_s2 and false',
      'true: tiles of several scales are one picture',
    );
  }
  const counts = { min: 1, max: mostTiles };
  return {
    text,
    vision,
    newer,
    aspectRatio,
    tiles: {
      least: root.int('min_tiles', { ...counts, default: 1 }),
      most: root.int('max_tiles', { ...counts, default: 12 }),
    },
    ...(scales === undefined ? {} : { scales }),
    ...(pyramid === undefined ? {} : { pyramid }),
    projector: readProjector(partConfig(config, 'mm_projector'), {
      width: vision.width * (scales?.sides.length ?? pyramid?.sizes.length ?? 1),
      hidden: text.hidden,
      transposed: !newer,
      whole: vision.drops === vision.extra,
    }),
    around: newer ? readEncoder(root) : { before: '', after: '' },
  };
}

function readText(config: JsonObject): LlamaConfig {
  const llm = partConfig(config, 'llm');
  const reader = new ConfigReader(llm, 'llm/config.json');
  requireVariant(reader, 'model_type', ['llama', 'qwen2'], 'llama');
  const text =
    reader.string('model_type', { default: 'llama' }) === 'qwen2'
      ? readQwen2Config(reader)
      : readLlamaConfig(reader);
  // Joined with the parts, where an adapter may have given the head weights of its own.
  return { ...text, tied: new ConfigReader(config).bool('tie_word_embeddings', { default: text.tied }) };
}

function readAspectRatio(root: ConfigReader, newer: boolean): AspectRatio {
  const named = root.string('image_aspect_ratio', { default: 'processor' });
  if (named === 'pad' || named === 'resize') return named;
  if (newer && (named === 'dynamic' || named === 'dynamic_s2')) return named;
  if (named.includes('dynamic')) {
    throw fail('VC1232', {
      where: root.place('image_aspect_ratio'),
      found: show(named),
      expected: 'resize or pad',
    });
  }
  // Whatever else it says, the tower's own preprocessing decides.
  return 'processor';
}

/** The encoder of pictures, as JSON in a string or as it is: what it puts before and after features. */
function readEncoder(root: ConfigReader): VilaConfig['around'] {
  const key = 'image_encoder';
  const value = root.value(key) ?? {};
  const parsed = typeof value === 'string' ? parseObject(value) : value;
  if (!isJsonObject(parsed)) {
    throw fail('VC1202', {
      where: root.place(key),
      found: show(value),
      expected: 'an object, or one as JSON',
    });
  }
  const {
    _target_: target = 'BasicImageEncoder',
    start_tokens: before = null,
    end_tokens: after = '\n',
  } = parsed;
  if (typeof target !== 'string' || target.split('.').at(-1) !== 'BasicImageEncoder') {
    throw fail('VC1232', { where: root.place(key), found: show(target), expected: 'BasicImageEncoder' });
  }
  for (const [name, text] of [
    ['start_tokens', before],
    ['end_tokens', after],
  ] as const) {
    if (text === null || typeof text === 'string') continue;
    throw fail('VC1202', { where: `${root.place(key)}.${name}`, found: show(text), expected: 'a string' });
  }
  return { before: typeof before === 'string' ? before : '', after: typeof after === 'string' ? after : '' };
}

function parseObject(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}
