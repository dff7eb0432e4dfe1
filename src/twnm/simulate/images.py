"""Image sources of a shoebox room as a first-order Ambisonic response in octave bands.

The response is a table of rows, one per sample, of 4 channels (W, Y, Z, X in the room's axes) by 8 columns (7 octave bands and one of zeros, so that
an image is a whole number of vector instructions). Every image inside the sphere of radius c t adds a 32-tap Kaiser-windowed sinc of amplitude
1/distance. The bands are joined by raised-cosine hats in log2 f that sum to one, applied without phase.

Source: Allen and Berkley, JASA 1979 (image sources); ISO 9613-1 (air, folded in as a table over the distance).
"""

import functools
import math

import numpy as np
from jaxtyping import Complex64, Float, Float32, Int64
from scipy import fft

from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import BAND_CENTRES_HZ, Position, Room, speed_of_sound_m_s
from twnm.simulate.kernels import CHANNELS, COLUMNS, IMAGES, TAPS, add_row_image, add_row_images, kernel, set_gains

SPEED_OF_SOUND_M_S = speed_of_sound_m_s()
PHASES = 512
SHELL_IMAGES = 1_000_000
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


# How much of a source's radiation follows the cosine of the angle from its front: 0 omnidirectional, 0.5 a cardioid; per octave band.
_DIRECTIVITY: dict[str, tuple[float, ...]] = {
    "omni": (0.0,) * 7,
    "subcardioid": (0.3,) * 7,
    "cardioid": (0.5,) * 7,
    "talker": (0.05, 0.10, 0.20, 0.28, 0.36, 0.43, 0.48),
}


@functools.cache
def directivity_shares(name: str) -> Float32[np.ndarray, " columns"]:
    """The cosine's share s of a source's amplitude 1 - s + s cos(angle from its front), per band; 1 in front.

    `talker` grows from nearly omnidirectional to a cardioid, as the human voice does (Chu and Warnock, NRC report IRC-RR-104, 2002).
    """
    return np.array([*_DIRECTIVITY[name], 0.0], np.float32)


@functools.lru_cache(maxsize=4096)
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
def _axis(size_m, source_m, listener_m, near, far, facing, radius_m):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Images along one axis: places relative to the listener (metres), place times the image's facing, reflection factors per band, and orders."""
    most = int(radius_m / size_m) + 2
    place_m = np.empty(2 * most + 1)
    turned_m = np.empty(2 * most + 1)
    powers = np.zeros((2 * most + 1, 8), np.float32)
    orders = np.empty(2 * most + 1, np.int64)
    count = 0
    for order in range(-most, most + 1):
        place = (order + 1) * size_m - source_m if order % 2 else order * size_m + source_m
        if abs(place - listener_m) > radius_m:
            continue
        near_hits, far_hits = (order // 2, (order + 1) // 2) if order > 0 else ((1 - order) // 2, -order // 2)
        place_m[count] = place - listener_m
        turned_m[count] = -facing * place_m[count] if order % 2 else facing * place_m[count]
        orders[count] = abs(order)
        for b in range(near.size):
            powers[count, b] = near[b] ** near_hits * far[b] ** far_hits
        count += 1
    return place_m[:count], turned_m[:count], powers[:count], orders[:count]


@functools.lru_cache(maxsize=64)
def _gain_by_delay(samples: int, duration_s: float, fade_out_s: float, temperature_c: float, humidity_percent: float) -> Float32[np.ndarray, "samples columns"]:
    """Amplitude left after each delay, per band: air, and a quarter cosine over the last `fade_out_s` seconds."""
    time_s = np.arange(samples)[:, None] / SAMPLE_RATE_HZ
    air = np.array([*air_neper_per_m(temperature_c, humidity_percent), 0.0])
    gain = np.exp(-0.5 * speed_of_sound_m_s(temperature_c) * time_s * air)
    if fade_out_s > 0:
        gain *= np.cos(0.5 * np.pi * np.clip((time_s - duration_s) / fade_out_s + 1, 0, 1))
    return np.asarray(gain, np.float32)


@kernel
def _delays_along(flat, z_square, samples_per_m, delay):  # type: ignore[no-untyped-def]  # pragma: no cover
    for k in range(delay.size):
        delay[k] = np.int32(math.sqrt(flat + z_square[k]) * samples_per_m)


@kernel
def _in_order(x, y, z, first, last, lowest_order, samples_per_m):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The images whose delays in whole samples are `first` ... `last` - 1, packed as (i, j, k), in their order, and where each delay begins among them."""
    x_m, y_m, z_m, x_order, y_order, z_order = x[0], y[0], z[0], x[3], y[3], z[3]
    z_square, delay = z_m * z_m, np.empty(z_m.size, np.int32)
    begins = np.zeros(last - first + 1, np.int64)
    farthest_m = last / samples_per_m
    for fill in range(2):  # count, then place
        if fill:
            for d in range(last - first):
                begins[d + 1] += begins[d]
            ordered, place = np.empty(begins[-1], np.int64), begins.copy()
        for i in range(x_m.size):
            for j in range(y_m.size):
                flat = x_m[i] * x_m[i] + y_m[j] * y_m[j]
                if flat >= farthest_m * farthest_m:
                    continue
                _delays_along(flat, z_square, samples_per_m, delay)
                for k in range(z_m.size):
                    if delay[k] < first or delay[k] >= last or x_order[i] + y_order[j] + z_order[k] < lowest_order:
                        continue
                    d = delay[k] - first
                    if fill:
                        ordered[place[d]] = (i << 40) | (j << 20) | k
                        place[d] += 1
                    else:
                        begins[d + 1] += 1
    return ordered, begins


@kernel
def _add_images(rows, x, y, z, by_delay, directivity, sinc, radius_m, samples_per_m, lowest_order, shell_m3):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add all images that arrive by `radius_m`, in shells of about `shell_m3` so that their list stays short; those of one delay eight at a time."""
    x_m, x_turned, x_gain, _ = x
    y_m, y_turned, y_gain, _ = y
    z_m, z_turned, z_gain, _ = z
    gains, phases = np.zeros((IMAGES, 4 * 8), np.float32), np.zeros(IMAGES, np.int64)
    shell, end = 0, math.ceil(radius_m * samples_per_m)
    while shell < end:
        shell_end = min(end, math.ceil(min(((shell / samples_per_m) ** 3 + shell_m3) ** (1 / 3), radius_m) * samples_per_m))
        ordered, begins = _in_order(x, y, z, shell, shell_end, lowest_order, samples_per_m)
        for first in range(shell, shell_end):
            held = 0
            for n in range(begins[first - shell], begins[first - shell + 1]):
                i, j, k = ordered[n] >> 40, (ordered[n] >> 20) & 0xFFFFF, ordered[n] & 0xFFFFF
                distance_m = math.sqrt(x_m[i] * x_m[i] + y_m[j] * y_m[j] + z_m[k] * z_m[k])
                inverse = 1.0 / distance_m
                towards = np.float32(-(x_turned[i] + y_turned[j] + z_turned[k]) * inverse)
                scalars = (np.float32(inverse), towards, np.float32(y_m[j] * inverse), np.float32(z_m[k] * inverse), np.float32(x_m[i] * inverse))
                set_gains(gains, held, x_gain, i, y_gain, j, z_gain, k, by_delay, first, directivity, scalars)
                phases[held] = int((distance_m * samples_per_m - first) * PHASES + 0.5)
                held += 1
                if held == IMAGES:
                    add_row_images(rows, first + 1, sinc, phases, gains)
                    held = 0
            for image in range(held):
                add_row_image(rows, first + 1, sinc, phases[image], gains[image : image + 1])
        shell = shell_end


@kernel
def _join(spectra, hats, joined):  # type: ignore[no-untyped-def]  # pragma: no cover
    for f in range(spectra.shape[0]):
        for c in range(4):
            total = np.complex64(0)
            for b in range(8):
                total += hats[f, b] * spectra[f, c * 8 + b]
            joined[c, f] = total


def join_bands(rows: Float32[np.ndarray, "rows 32"]) -> Float32[np.ndarray, "4 samples"]:
    """Filter the seven bands of every channel and add them; the first LEAD rows lie before time 0 and are dropped."""
    samples = rows.shape[0]
    nfft = fft.next_fast_len(samples + 1024, real=True)  # room for the filters' ringing, which would wrap around
    spectra: Complex64[np.ndarray, "frequencies 32"] = fft.rfft(rows, nfft, axis=0, workers=1)
    joined = np.empty((CHANNELS, spectra.shape[0]), np.complex64)
    _join(spectra, band_hats(nfft), joined)
    return np.asarray(fft.irfft(joined, nfft, axis=1, workers=1)[:, LEAD:samples], np.float32)


def image_response(
    room: Room,
    source_m: Position,
    listener_m: Position,
    duration_s: float,
    fade_out_s: float = 0.0,
    directivity: str = "omni",
    facing_deg: float = 0.0,
    lowest_order: int = 0,
) -> Float32[np.ndarray, "4 samples"]:
    """AmbiX response, in the room's axes, of all images that arrive within `duration_s`.

    Args:
        room: its walls; a room of kind `ground` has one, `free` none.
        source_m, listener_m: places in the room, metres.
        duration_s: of the response.
        fade_out_s: arrivals in the last seconds fade with a quarter cosine.
        directivity, facing_deg: of the source, as in `Event`; an image faces as its mirror does.
        lowest_order: images of fewer reflections than this are left out.
    """
    speed_m_s = room.speed_of_sound_m_s
    radius_m = duration_s * speed_m_s
    samples = math.ceil(duration_s * SAMPLE_RATE_HZ) + 1
    by_delay = _gain_by_delay(samples + 1, duration_s, fade_out_s, room.temperature_c, room.humidity_percent)
    rows = np.zeros((samples + TAPS + LEAD, CHANNELS * COLUMNS), np.float32)
    axes = image_axes(room, source_m, listener_m, facing_deg, radius_m)
    shell_m3 = SHELL_IMAGES * (room.volume_m3 or np.inf)
    _add_images(rows, *axes, by_delay, directivity_shares(directivity), sinc_table(), radius_m, SAMPLE_RATE_HZ / speed_m_s, lowest_order, shell_m3)
    return join_bands(rows)


Axis = tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"], Float32[np.ndarray, "_ columns"], Int64[np.ndarray, " _"]]


def image_axes(room: Room, source_m: Position, listener_m: Position, facing_deg: float, radius_m: float) -> tuple[Axis, Axis, Axis]:
    """The images along x, y and z: places relative to the listener, those times the image's facing, reflection factors per band, orders."""
    facing = (math.cos(math.radians(facing_deg)), math.sin(math.radians(facing_deg)), 0.0)
    walls = None if room.absorption is None else np.sqrt(1 - np.array(room.absorption))
    axes = []
    for axis in range(3):
        source, listener = float(source_m[axis]), float(listener_m[axis])
        if room.size_m is not None and walls is not None:
            axes.append(_axis(room.size_m[axis], source, listener, walls[2 * axis], walls[2 * axis + 1], facing[axis], radius_m))
        else:
            reflections = 1 if axis == 2 and walls is not None else 0  # the ground mirrors the height, nothing else
            places_m = np.array([source, -source][: 1 + reflections]) - listener
            gains = np.zeros((1 + reflections, COLUMNS), np.float32)
            gains[0, : len(BAND_CENTRES_HZ)] = 1
            if reflections and walls is not None:
                gains[1, : len(BAND_CENTRES_HZ)] = walls[0]
            axes.append((places_m, facing[axis] * places_m, gains, np.arange(1 + reflections)))
    return axes[0], axes[1], axes[2]
