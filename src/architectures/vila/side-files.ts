/**
 * The JSON files of the output folder: the config that the checkpoint has with those of its parts in it, the settings of
 * pictures moved to what was built, and the language model's tokenizer with the token of a picture.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import { addedTokens, filesWithToken } from '../added-token.ts';
import type { SideFile } from '../architecture.ts';
import { findSettings } from '../processor-settings.ts';
import { sideFilesOf } from '../side-files.ts';
import type { OneView, Tiled } from './geometry.ts';
import { pictureText } from './picture-tokens.ts';

export function vilaSideFiles(
  checkpoint: Checkpoint,
  pictures: OneView | Tiled,
  tokenId: number,
): readonly SideFile[] {
  const { geometry } = pictures;
  const { settings } = findSettings(checkpoint);
  const { requested, mean, std, tokens } = geometry;
  const { width, height } =
    pictures.kind === 'view' ? geometry.input : { width: pictures.feed.side, height: pictures.feed.side };
  const known = pictures.kind === 'tiles' ? pictures.feed.known : undefined;
  const compiled = pictures.kind === 'view' || known !== undefined;
  const written: Readonly<Record<string, JsonValue>> = {
    'config.json': checkpoint.config,
    'preprocessor_config.json': {
      ...settings,
      size: { height, width },
      image_mean: mean,
      image_std: std,
      ...(compiled
        ? {
            vlm_convert: {
              requested: { height: requested.height, width: requested.width },
              image_token_span: tokens,
              ...(known === undefined ? {} : { tiles: known.map(({ rows, columns }) => [rows, columns]) }),
            },
          }
        : {}),
    },
    ...(addedTokens(checkpoint).get(pictureText) === tokenId
      ? {}
      : filesWithToken(checkpoint, { id: tokenId, content: pictureText })),
  };
  return sideFilesOf(checkpoint, written);
}
