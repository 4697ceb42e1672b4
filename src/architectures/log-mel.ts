/**
 * Sounds as an encoder over log-mel frames takes them: what a checkpoint's feature extractor is set to, the length of
 * the chunk, and the tokens of a sound.
 */
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import { ConfigReader } from '../formats/checkpoint/config.ts';
import { fail } from '../report/diagnostics.ts';
import type {
  AudioGeometry,
  LogMelSettings,
  MediaGeometry,
  MediaLayout,
  PictureLayout,
  SoundLayout,
} from './media.ts';
import { findSettings } from './processor-settings.ts';
import { requireVariant } from './variants.ts';

/** What the encoder takes, whatever an extractor makes. */
interface EncoderFrames {
  readonly bands: number;
  /** Of the whole table of positions. */
  readonly frames: number;
  readonly framesPerToken: number;
}

interface ExtractorSettings extends LogMelSettings {
  /** Of a chunk. */
  readonly seconds: number;
}

/** Of the mel filters, whatever the sampling rate. */
const highest = 8000;

const highestRate = 192_000;
/** Of a chunk, for which so many are allocated. */
const mostSamples = 600 * highestRate;

/**
 * Settings of a WhisperFeatureExtractor; absent keys mean its defaults, an absent file what the encoder takes. Throws
 * VC1201 to VC1204, the last also where it makes what the encoder does not take, VC1232 for another extractor.
 */
function readExtractor(checkpoint: Checkpoint, encoder: EncoderFrames): ExtractorSettings {
  const { file, path, settings } = findSettings(checkpoint, 'feature_extractor');
  const reader = new ConfigReader(settings, file, path);
  const known = Object.keys(settings).length > 0;
  const kind = 'WhisperFeatureExtractor';
  requireVariant(reader, 'feature_extractor_type', [kind], kind);
  const sampleRate = reader.int('sampling_rate', { min: 1000, max: highestRate, default: 16_000 });
  const hop = reader.int('hop_length', { min: 1, max: 8192, default: 160 });
  const window = reader.int('n_fft', { min: 2, max: 8192, default: 400 });
  const bands = reader.int('feature_size', { min: 1, max: 1024, default: known ? 80 : encoder.bands });
  const own = (encoder.frames * hop) / sampleRate;
  const seconds = reader.int('chunk_length', { min: 1, max: 3600, default: known ? 30 : own });
  for (const key of ['dither', 'padding_value']) {
    const found = reader.number(key, { default: 0 });
    if (found !== 0)
      throw reader.conflict([key], `${found}`, '0: silence behind a sound, and no noise in it');
  }
  const frames = Math.floor(samplesOf(seconds, sampleRate) / hop);
  if (bands !== encoder.bands || frames !== encoder.frames) {
    throw reader.conflict(
      ['feature_size', 'chunk_length', 'sampling_rate', 'hop_length'],
      `${bands} bands, and ${seconds} s that are ${frames} frames`,
      `${encoder.bands} bands and ${encoder.frames} frames, which the encoder of config.json takes`,
    );
  }
  const samples = samplesOf(seconds, sampleRate);
  if (samples > mostSamples) {
    throw reader.conflict(
      ['chunk_length', 'sampling_rate'],
      `${samples} samples`,
      `at most ${mostSamples}, ten minutes at the highest rate`,
    );
  }
  return { sampleRate, window, hop, bands, highest, seconds };
}

/** Of a table of positions that no extractor is with, seconds may be any fraction. */
function samplesOf(seconds: number, sampleRate: number): number {
  return Math.round(seconds * sampleRate);
}

/**
 * What hangs on the length of sounds, with chunks of `asked` seconds, or of the extractor's own length. Throws VC4205 for
 * a length that the table of positions does not have; VC12xx as the settings are read.
 */
export function audioGeometry(
  checkpoint: Checkpoint,
  encoder: EncoderFrames,
  asked: number | undefined,
): AudioGeometry {
  const { seconds: own, ...settings } = readExtractor(checkpoint, encoder);
  const seconds = asked ?? own;
  const { sampleRate, hop } = settings;
  const samples = samplesOf(seconds, sampleRate);
  const frames = Math.floor(samples / hop);
  if (asked !== undefined) {
    const whole = Number.isSafeInteger(asked) && asked >= 1 && samples % (2 * hop) === 0;
    if (!whole || asked > own) {
      throw fail('VC4205', {
        where: 'max-audio-seconds',
        found: `${asked}`,
        expected: `whole seconds from 1 to ${own}: the encoder has positions for no more`,
      });
    }
  }
  const { framesPerToken } = encoder;
  const tokens = tokensOf(frames, framesPerToken);
  const cut = seconds === own ? '' : `, of ${own} s`;
  return {
    ...settings,
    seconds,
    samples,
    frames,
    tokens,
    framesPerToken,
    summary: `sounds of up to ${seconds} s${cut} → ${frames} frames → ${tokens} tokens`,
  };
}

/** Of a model that takes sounds. */
export function isAudio(geometry: MediaGeometry): geometry is AudioGeometry {
  return 'sampleRate' in geometry;
}

/** What the features of a picture or video are, not of a sound. */
export function isPicture(layout: MediaLayout): layout is PictureLayout {
  return 'views' in layout;
}

/** A convolution of stride 2 rounds up, a mean of neighbours down. */
function tokensOf(frames: number, framesPerToken: number): number {
  return Math.floor((frames + 1) / framesPerToken);
}

/** Of a sound with so many frames. */
export function soundLayout(
  frames: number,
  {
    tokens: rows,
    framesPerToken,
    hop,
    sampleRate,
  }: Pick<AudioGeometry, 'tokens' | 'framesPerToken' | 'hop' | 'sampleRate'>,
): SoundLayout {
  const tokens = tokensOf(frames, framesPerToken);
  return { frames, tokens, rows, secondsPerToken: (framesPerToken * hop) / sampleRate };
}
