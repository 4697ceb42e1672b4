"""What an encoder of sounds takes of a WAV file: log-mel frames, as Whisper's feature extractor makes them, padded with
silence to the length that the graph is for. A file has to have the sampling rate that vlm-convert.json names."""

import wave

import numpy as np

from pictures import Prepared


def prepare_sound(path, encoder, audio):
    samples, rate = read_wav(path)
    if rate != audio["sampleRate"]:
        raise SystemExit(f"{path}: {rate} Hz, not {audio['sampleRate']}")
    heard = min(-(-len(samples) // audio["hop"]), audio["frames"])
    frames = log_mel(samples[: audio["samples"]], audio)
    mask = (np.arange(audio["frames"]) < heard).astype(np.int64)
    tokens = (heard + 1) // audio["framesPerToken"]
    feeds = {encoder["input"]: frames[None], encoder["feed"]["mask"]: mask[None]}
    return Prepared(feeds, tokens, tokens, 1)


def read_wav(path):
    """PCM of 16 bits, channels averaged."""
    with wave.open(str(path)) as file:
        if file.getsampwidth() != 2:
            raise SystemExit(f"{path}: {8 * file.getsampwidth()} bits, not 16")
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
        return (data / 32768).mean(axis=1).astype(np.float32), file.getframerate()


def log_mel(samples, audio):
    """[bands, frames]"""
    window, hop = audio["window"], audio["hop"]
    padded = np.pad(np.pad(samples.astype(np.float64), (0, audio["samples"] - len(samples))), window // 2, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    starts = np.arange(audio["frames"])[:, None] * hop
    power = np.abs(np.fft.rfft(padded[starts + np.arange(window)] * hann)) ** 2
    levels = np.log10(np.maximum(mel_filters(audio) @ power.T, 1e-10))
    return ((np.maximum(levels, levels.max() - 8) + 4) / 4).astype(np.float32)


def mel_filters(audio):
    """Slaney's triangles [bands, bins]: linear up to 1000 Hz, logarithmic above, of unit area."""
    step = np.log(6.4) / 27
    top = 15 + np.log(audio["highest"] / 1000) / step if audio["highest"] >= 1000 else 3 * audio["highest"] / 200
    mels = np.linspace(0, top, audio["bands"] + 2)
    edges = np.where(mels < 15, 200 * mels / 3, 1000 * np.exp(step * (mels - 15)))
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    at = np.linspace(0, audio["sampleRate"] // 2, audio["window"] // 2 + 1)
    slopes = np.minimum((at - low) / (peak - low), (high - at) / (high - peak))
    return np.maximum(0, slopes) * 2 / (high - low)
