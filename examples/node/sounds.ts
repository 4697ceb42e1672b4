/**
 * What an encoder of sounds takes of a WAV file: log-mel frames, as Whisper's feature extractor makes them, padded with
 * silence to the length that the graph is for. A file has to have the sampling rate that `vlm-convert.json` names.
 */
import { readFileSync } from 'node:fs';
import { Tensor } from 'onnxruntime-node';
import type { Prepared } from './pictures.ts';
import type { Feed, Hearing } from './recipe.ts';

export function prepareSound(
  path: string,
  input: string,
  { mask }: Extract<Feed, { form: 'log-mel' }>,
  audio: Hearing,
): Prepared {
  const { samples, rate } = readWav(path);
  if (rate !== audio.sampleRate) throw new Error(`${path}: ${rate} Hz, not ${audio.sampleRate}`);
  const heard = Math.min(Math.ceil(samples.length / audio.hop), audio.frames);
  const frames = logMel(samples.subarray(0, audio.samples), audio);
  const counts = BigInt64Array.from({ length: audio.frames }, (_, frame) => (frame < heard ? 1n : 0n));
  const tokens = Math.floor((heard + 1) / audio.framesPerToken);
  return {
    feeds: {
      [input]: new Tensor(frames, [1, audio.bands, audio.frames]),
      [mask]: new Tensor('int64', counts, [1, audio.frames]),
    },
    tokens,
    tokensPerView: tokens,
    views: 1,
    grid: { rows: 0, columns: 0 },
    text: ({ picture: mark }) => mark,
  };
}

/** PCM of 16 bits, channels averaged. */
function readWav(path: string): { readonly samples: Float32Array; readonly rate: number } {
  const bytes = readFileSync(path);
  if (bytes.toString('latin1', 8, 12) !== 'WAVE') throw new Error(`${path} is no WAV file`);
  let [channels, rate] = [1, 0];
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = bytes.toString('latin1', at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    const begin = at + 8;
    if (name === 'fmt ') {
      channels = bytes.readUInt16LE(begin + 2);
      rate = bytes.readUInt32LE(begin + 4);
      const [tag, bits] = [bytes.readUInt16LE(begin), bytes.readUInt16LE(begin + 14)];
      if (tag !== 1 || bits !== 16) throw new Error(`${path}: format ${tag} of ${bits} bits, not PCM of 16`);
    }
    if (name === 'data') {
      const count = Math.floor(Math.min(size, bytes.length - begin) / (2 * channels));
      const samples = Float32Array.from({ length: count }, (_, i) => {
        let sum = 0;
        for (let channel = 0; channel < channels; channel += 1) {
          sum += bytes.readInt16LE(begin + 2 * (i * channels + channel)) / 32768;
        }
        return sum / channels;
      });
      return { samples, rate };
    }
    at = begin + size + (size % 2);
  }
  throw new Error(`${path} has no sound`);
}

/** [bands, frames] */
function logMel(samples: Float32Array, audio: Hearing): Float32Array {
  const { window, hop, bands, frames, samples: length } = audio;
  const bins = Math.floor(window / 2) + 1;
  const filters = melFilters(audio, bins);
  const turn = (n: number): number => (2 * Math.PI * n) / window;
  const cos = Float64Array.from({ length: window }, (_, n) => Math.cos(turn(n)));
  const sin = Float64Array.from({ length: window }, (_, n) => Math.sin(turn(n)));
  const out = new Float32Array(bands * frames).fill(-10);
  for (let frame = 0; frame < frames; frame += 1) {
    // Centred on the hop; before the beginning and behind the end stands the mirror image.
    const piece = Float64Array.from({ length: window }, (_, n) => {
      const at = Math.abs(frame * hop - Math.floor(window / 2) + n);
      return (samples[at < length ? at : 2 * (length - 1) - at] ?? 0) * (0.5 - 0.5 * (cos[n] ?? 0));
    });
    if (piece.every((value) => value === 0)) continue;
    const power = Float64Array.from({ length: bins }, (_, bin) => {
      let [real, imaginary] = [0, 0];
      for (let n = 0; n < window; n += 1) {
        const phase = (bin * n) % window;
        real += (piece[n] ?? 0) * (cos[phase] ?? 0);
        imaginary += (piece[n] ?? 0) * (sin[phase] ?? 0);
      }
      return real ** 2 + imaginary ** 2;
    });
    for (const [band, filter] of filters.entries()) {
      const sum = filter.reduce((total, weight, bin) => total + weight * (power[bin] ?? 0), 0);
      out[band * frames + frame] = Math.log10(Math.max(sum, 1e-10));
    }
  }
  const loudest = out.reduce((most, level) => Math.max(most, level), -10);
  return out.map((level) => (Math.max(level, loudest - 8) + 4) / 4);
}

/** Slaney's triangles: linear up to 1000 Hz, logarithmic above, of unit area. */
function melFilters({ sampleRate, bands, highest }: Hearing, bins: number): readonly Float64Array[] {
  const step = Math.log(6.4) / 27;
  const mel = (hertz: number): number =>
    hertz < 1000 ? (3 * hertz) / 200 : 15 + Math.log(hertz / 1000) / step;
  const hertz = (each: number): number =>
    each < 15 ? (200 * each) / 3 : 1000 * Math.exp(step * (each - 15));
  const edges = Array.from({ length: bands + 2 }, (_, i) => hertz((mel(highest) * i) / (bands + 1)));
  return Array.from({ length: bands }, (_, band) => {
    const [low = 0, peak = 0, high = 0] = edges.slice(band, band + 3);
    return Float64Array.from({ length: bins }, (_each, bin) => {
      const at = (bin * Math.floor(sampleRate / 2)) / (bins - 1);
      const slope = Math.min((at - low) / (peak - low), (high - at) / (high - peak));
      return (Math.max(0, slope) * 2) / (high - low);
    });
  });
}
