"""How a room response decays: reverberation time, early decay time and direct-to-reverberant ratio, per octave band.

The response is filtered into octave bands with zero padding (wrapped-around ringing would look like a second decay), its energy is integrated
backwards (Schroeder), and lines are fitted: T30 from -5 to -35 dB, T20 to -25 dB where noise leaves no more. The integral stops where the decay
meets the noise floor, found as Lundeby does; the noise's energy is subtracted (Chu), and what is cut off is replaced by that of the continued decay.

Sources: Schroeder, JASA 1965; Chu, JASA 1978; ISO 3382-1 and -2 (ranges; the noise must lie 10 dB below the fitted range); Lundeby et al., Acustica 1995.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import fft

from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import BAND_CENTRES_HZ

PAD_SAMPLES = 4096  # the ringing of the lowest band is gone after it
DIRECT_S = 0.0025
NOISE_MARGIN_DB = 10.0
RANGES_DB = ((-5.0, -35.0), (-5.0, -25.0))  # T30, and T20 where the noise is too high for it
LUNDEBY_ROUNDS = 6


@dataclass(frozen=True)
class Decay:
    """One value per octave band (125 Hz ... 8 kHz); NaN where the noise leaves less than a fall of 35 dB.

    `rt60_s` is extrapolated from T30 or T20, `edt_s` from the first 10 dB; `range_db` is the height of the decay's beginning over the noise.
    """

    rt60_s: Float[np.ndarray, " bands"]
    edt_s: Float[np.ndarray, " bands"]
    range_db: Float[np.ndarray, " bands"]


@functools.lru_cache(maxsize=4)
def _hats(nfft: int) -> Float[np.ndarray, "bands frequencies"]:
    octave = np.log2(np.maximum(fft.rfftfreq(nfft, 1 / SAMPLE_RATE_HZ), 1.0))
    distance = np.abs(octave - np.log2(BAND_CENTRES_HZ)[:, None])
    return np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, 1)), 0.0)


def in_bands(signal: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "bands padded"]:
    """The signal in octave bands: raised-cosine hats in log2 f of two octaves' width, without phase; 4096 samples longer, for the ringing.

    The ringing before time 0 lies at the end of the padding.
    """
    nfft = fft.next_fast_len(signal.size + PAD_SAMPLES, real=True)
    return np.asarray(fft.irfft(fft.rfft(np.asarray(signal, float), nfft) * _hats(nfft), nfft, axis=-1))


def onset_sample(signal: Float[np.ndarray, " samples"]) -> int:
    """Where the direct sound begins: the first sample within 20 dB of the largest one (ISO 3382-1). 0 for silence."""
    magnitude = np.abs(signal)
    return int(np.argmax(magnitude >= 0.1 * magnitude.max(initial=0.0))) if signal.size else 0


def decay_of(response: Float[np.ndarray, " samples"]) -> Decay:
    """The decay of one channel of a response, W as a rule; it begins with its direct sound, and all after it is used."""
    onset = onset_sample(response)
    bands = in_bands(response[onset:])[:, : response.size - onset]
    values = [_band_decay(band**2, 4 / centre_hz) for band, centre_hz in zip(bands, BAND_CENTRES_HZ, strict=True)]
    rt60_s, edt_s, range_db = (np.array(column) for column in zip(*values, strict=True))
    return Decay(rt60_s, edt_s, range_db)


def direct_to_reverberant_db(response: Float[np.ndarray, " samples"], direct_s: float = DIRECT_S) -> Float[np.ndarray, " bands"]:
    """Energy of the first `direct_s` seconds after the onset (and of all before it) over that of the rest, dB per octave band.

    The two parts are separated before they are filtered, with a crossfade of 0.5 ms, so that the ringing of one does not count for the other.
    """
    fade = 0.5 + 0.5 * np.cos(np.pi * np.clip((np.arange(response.size) - onset_sample(response) - direct_s * SAMPLE_RATE_HZ) / 12, 0, 1))
    direct, rest = (np.sum(in_bands(np.asarray(response, float) * part) ** 2, axis=-1) for part in (fade, 1 - fade))
    return np.asarray(10 * np.log10(np.maximum(direct, 1e-30) / np.maximum(rest, 1e-30)))


def schroeder_db(energy: Float[np.ndarray, " samples"], beyond: float = 0.0) -> Float[np.ndarray, " samples"]:
    """The energy that is still to come at each sample, dB re all of it; `beyond` is what would have come after the last sample."""
    to_come = np.cumsum(energy[::-1])[::-1] + beyond
    return np.asarray(10 * np.log10(np.maximum(to_come, 1e-30) / max(float(to_come[0]), 1e-30)))


def _band_decay(energy: Float[np.ndarray, " samples"], block_s: float) -> tuple[float, float, float]:
    """Reverberation time, early decay time (seconds) and range (dB) of the energy of one band; averages over blocks of at least `block_s`."""
    if energy.max(initial=0.0) <= 0:
        return math.nan, math.nan, 0.0
    knee, beyond, noise, range_db = _knee(energy, max(round(block_s * SAMPLE_RATE_HZ), round(0.005 * SAMPLE_RATE_HZ)))
    level_db = schroeder_db(energy[:knee] - noise, beyond)
    for upper_db, lower_db in RANGES_DB:
        if range_db >= NOISE_MARGIN_DB - lower_db and level_db[-1] < lower_db:
            return _slope_rt60_s(level_db, upper_db, lower_db), _slope_rt60_s(level_db, 0.0, -10.0), range_db
    return math.nan, math.nan, range_db


def _slope_rt60_s(level_db: Float[np.ndarray, " samples"], upper_db: float, lower_db: float) -> float:
    fitted = np.flatnonzero((level_db <= upper_db) & (level_db >= lower_db))
    if fitted.size < 3:
        return math.nan
    return float(-60 / np.polyfit(fitted / SAMPLE_RATE_HZ, level_db[fitted], 1)[0])


def _knee(energy: Float[np.ndarray, " samples"], block: int) -> tuple[int, float, float, float]:
    """Where the decay meets the noise (samples), the energy it would still have had from there on, the noise's per sample, and its range over it (dB)."""
    blocks = energy[: energy.size // block * block].reshape(-1, block).mean(axis=1)
    if blocks.size < 6:
        return energy.size, 0.0, 0.0, math.inf
    level_db = 10 * np.log10(np.maximum(blocks, 1e-30))
    peak = int(np.argmax(level_db))
    noise_db = _mean_db(blocks, blocks.size - max(1, blocks.size // 10))
    per_block, at_peak_db, knee = _line(level_db, peak, noise_db, 99.0)
    for _ in range(LUNDEBY_ROUNDS):
        noise_db = _mean_db(blocks, min(round(knee + NOISE_MARGIN_DB / -per_block), blocks.size - max(1, blocks.size // 10)))
        per_block, at_peak_db, knee = _line(level_db, peak, noise_db, 25.0)
    stop = int(np.clip(round((knee + 0.5) * block), (peak + 1) * block, energy.size))
    last = (stop / block - 0.5) - peak
    beyond = 10 ** ((at_peak_db + per_block * last) / 10) * block / (-per_block * math.log(10) / 10)
    return stop, beyond, 10 ** (noise_db / 10), float(level_db[peak] - noise_db)


def _mean_db(blocks: Float[np.ndarray, " blocks"], first: int) -> float:
    return 10 * math.log10(max(float(blocks[max(first, 0) :].mean()), 1e-30))


def _line(level_db: Float[np.ndarray, " blocks"], peak: int, noise_db: float, height_db: float) -> tuple[float, float, float]:
    """The line through the decay from `height_db` over the noise down to 5 dB over it: dB per block (negative), its level at the peak, and the block
    at which it reaches the noise."""
    above = np.flatnonzero(level_db[peak:] <= noise_db + 5)
    stop = peak + (int(above[0]) if above.size else level_db.size - peak)
    start = min(peak + int(np.argmax(level_db[peak:] <= noise_db + height_db)), max(stop - 3, peak))
    if stop - start < 2:
        return -1e3, float(level_db[peak]), float(peak)
    per_block, offset = np.polyfit(np.arange(start, stop), level_db[start:stop], 1)
    per_block = min(float(per_block), -1e-3)
    return per_block, float(offset + per_block * peak), (noise_db - float(offset)) / per_block
