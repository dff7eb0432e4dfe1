"""Image sources of a shoebox room as a first-order Ambisonic response in octave bands.

The response is a table of rows, one per sample, of 4 channels (W, Y, Z, X in the room's axes) by 8 columns (7 octave bands and one of zeros, so that
an image is a whole number of vector instructions). Every image inside the sphere of radius c t adds a 32-tap Kaiser-windowed sinc of amplitude
1/distance. The bands are joined by raised-cosine hats in log2 f that sum to one, applied without phase.

Source: Allen and Berkley, JASA 1979 (image sources); ISO 9613-1 (air, folded in as a table over the distance).
"""

import functools
import math

import numpy as np
from jaxtyping import Complex64, Float, Float32
from scipy import fft

from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import BAND_CENTRES_HZ, Position
from twnm.simulate.kernels import kernel

SPEED_OF_SOUND_M_S = 343.2
TAPS = 32
PHASES = 512
COLUMNS = 8
LEAD = TAPS // 2
KAISER_BETA = 7.0


@functools.cache
def sinc_table() -> Float32[np.ndarray, "phases taps"]:
    """Interpolation kernels for delays of 0, 1/512 ... 1 sample; tap j lies at sample j - 15; each kernel sums to one."""
    fraction = np.arange(PHASES + 1)[:, None] / PHASES
    at = np.arange(TAPS) - (LEAD - 1) - fraction
    window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0.0, 1 - (at / LEAD) ** 2))) / np.i0(KAISER_BETA)
    kernels = np.sinc(at) * window
    return np.asarray(kernels / kernels.sum(axis=1, keepdims=True), np.float32)


@functools.cache
def band_hats(nfft: int) -> Float32[np.ndarray, "frequencies columns"]:
    """Gains of the octave bands (last column 0) on the frequencies of an FFT of `nfft` samples; the bands sum to one at every frequency."""
    frequency_hz = np.maximum(fft.rfftfreq(nfft, 1 / SAMPLE_RATE_HZ), 1e-3)
    octave = np.clip(np.log2(frequency_hz / BAND_CENTRES_HZ[0]), 0.0, len(BAND_CENTRES_HZ) - 1.0)
    distance = np.abs(octave[:, None] - np.arange(len(BAND_CENTRES_HZ)))
    hats = np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, 1)), 0.0)
    return np.pad(hats, ((0, 0), (0, COLUMNS - hats.shape[1]))).astype(np.float32)


@functools.cache
def air_neper_per_m(temperature_c: float = 20.0, humidity_percent: float = 50.0) -> tuple[float, ...]:
    """Energy attenuation of air per octave band, neper per metre, at 101.325 kPa (ISO 9613-1)."""
    frequency_hz = np.array(BAND_CENTRES_HZ)
    kelvin = temperature_c + 273.15
    warmth = kelvin / 293.15
    saturation = 10 ** (-6.8346 * (273.16 / kelvin) ** 1.261 + 4.6151)
    water = humidity_percent * saturation
    oxygen_hz = 24 + 4.04e4 * water * (0.02 + water) / (0.391 + water)
    nitrogen_hz = warmth**-0.5 * (9 + 280 * water * math.exp(-4.170 * (warmth ** (-1 / 3) - 1)))
    oxygen = 0.01275 * math.exp(-2239.1 / kelvin) / (oxygen_hz + frequency_hz**2 / oxygen_hz)
    nitrogen = 0.1068 * math.exp(-3352.0 / kelvin) / (nitrogen_hz + frequency_hz**2 / nitrogen_hz)
    decibel_per_m = 8.686 * frequency_hz**2 * (1.84e-11 * warmth**0.5 + warmth**-2.5 * (oxygen + nitrogen))
    return tuple(float(value) for value in decibel_per_m / (10 * math.log10(math.e)))


@kernel
def _axis(size_m, source_m, listener_m, near, far, radius_m):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Images along one axis: their places relative to the listener (metres), and the product of their reflection factors per band."""
    most = int(radius_m / size_m) + 2
    place_m = np.empty(2 * most + 1)
    powers = np.zeros((2 * most + 1, 8), np.float32)
    count = 0
    for order in range(-most, most + 1):
        place = (order + 1) * size_m - source_m if order % 2 else order * size_m + source_m
        if abs(place - listener_m) > radius_m:
            continue
        near_hits, far_hits = (order // 2, (order + 1) // 2) if order > 0 else ((1 - order) // 2, -order // 2)
        place_m[count] = place - listener_m
        for b in range(near.size):
            powers[count, b] = near[b] ** near_hits * far[b] ** far_hits
        count += 1
    return place_m[:count], powers[:count]


@functools.lru_cache(maxsize=8)
def _gain_by_delay(samples: int, duration_s: float, fade_out_s: float) -> Float32[np.ndarray, "samples columns"]:
    """Amplitude left after each delay, per band: air, and a quarter cosine over the last `fade_out_s` seconds."""
    time_s = np.arange(samples)[:, None] / SAMPLE_RATE_HZ
    gain = np.exp(-0.5 * SPEED_OF_SOUND_M_S * time_s * np.array([*air_neper_per_m(), 0.0]))
    if fade_out_s > 0:
        gain *= np.cos(0.5 * np.pi * np.clip((time_s - duration_s) / fade_out_s + 1, 0, 1))
    return np.asarray(gain, np.float32)


@kernel
def _add_images(rows, x_m, y_m, z_m, x_gain, y_gain, z_gain, by_delay, sinc, radius_m, samples_per_m):  # type: ignore[no-untyped-def]  # pragma: no cover
    gain = np.zeros(4 * 8, np.float32)
    for i in range(x_m.size):
        for j in range(y_m.size):
            flat = x_m[i] * x_m[i] + y_m[j] * y_m[j]
            if flat > radius_m * radius_m:
                continue
            for k in range(z_m.size):
                square = flat + z_m[k] * z_m[k]
                if square > radius_m * radius_m:
                    continue
                distance_m = math.sqrt(square)
                delay = distance_m * samples_per_m
                first = int(delay)
                phase = int((delay - first) * 512 + 0.5)
                west = np.float32(y_m[j] / distance_m)
                up = np.float32(z_m[k] / distance_m)
                front = np.float32(x_m[i] / distance_m)
                inverse = np.float32(1.0 / distance_m)
                for b in range(8):
                    amplitude = x_gain[i, b] * y_gain[j, b] * z_gain[k, b] * by_delay[first, b] * inverse
                    gain[b] = amplitude
                    gain[8 + b] = amplitude * west
                    gain[16 + b] = amplitude * up
                    gain[24 + b] = amplitude * front
                for tap in range(32):
                    weight = sinc[phase, tap]
                    for b in range(32):
                        rows[first + tap + 1, b] += weight * gain[b]


@kernel
def _join(spectra, hats, joined):  # type: ignore[no-untyped-def]  # pragma: no cover
    for f in range(spectra.shape[0]):
        for c in range(4):
            total = np.complex64(0)
            for b in range(7):
                total += hats[f, b] * spectra[f, c * 7 + b]
            joined[c, f] = total


def join_bands(rows: Float32[np.ndarray, "rows 32"]) -> Float32[np.ndarray, "4 samples"]:
    """Filter the seven bands of every channel and add them; the first LEAD rows lie before time 0 and are dropped."""
    samples = rows.shape[0]
    nfft = fft.next_fast_len(samples + 1024, real=True)  # room for the filters' ringing, which would wrap around
    bands = np.ascontiguousarray(rows.reshape(samples, 4, COLUMNS)[:, :, : len(BAND_CENTRES_HZ)].reshape(samples, -1).T)
    spectra: Complex64[np.ndarray, "frequencies bands"] = fft.rfft(bands, nfft, axis=1, workers=1).T
    joined = np.empty((4, spectra.shape[0]), np.complex64)
    _join(spectra, band_hats(nfft), joined)
    return np.asarray(fft.irfft(joined, nfft, axis=1, workers=1)[:, LEAD:samples], np.float32)


def image_response(
    size_m: Position | None,
    absorption: Float[np.ndarray, "6 bands"] | None,
    source_m: Position,
    listener_m: Position,
    duration_s: float,
    fade_out_s: float = 0.0,
) -> Float32[np.ndarray, "4 samples"]:
    """AmbiX response, in the room's axes, of all images that arrive within `duration_s`.

    Without `size_m` there are no walls: the direct sound only. Arrivals in the last `fade_out_s` seconds fade with a quarter cosine.
    """
    radius_m = duration_s * SPEED_OF_SOUND_M_S
    if size_m is None or absorption is None:
        offset = np.subtract(source_m, listener_m)
        ones = np.pad(np.ones((1, len(BAND_CENTRES_HZ)), np.float32), ((0, 0), (0, 1)))
        axes = [(offset[axis : axis + 1].astype(float), ones) for axis in range(3)]
    else:
        reflection = np.sqrt(1 - np.asarray(absorption)).reshape(3, 2, -1)
        axes = [_axis(size_m[axis], source_m[axis], listener_m[axis], reflection[axis, 0], reflection[axis, 1], radius_m) for axis in range(3)]
    samples = math.ceil(duration_s * SAMPLE_RATE_HZ) + 1
    by_delay = _gain_by_delay(samples + 1, duration_s, fade_out_s)
    rows = np.zeros((samples + TAPS + LEAD, 4 * COLUMNS), np.float32)
    (x, x_gain), (y, y_gain), (z, z_gain) = axes
    _add_images(rows, x, y, z, x_gain, y_gain, z_gain, by_delay, sinc_table(), radius_m, SAMPLE_RATE_HZ / SPEED_OF_SOUND_M_S)
    return join_bands(rows)
