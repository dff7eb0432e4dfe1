"""The diffuse background of a scene: coloured noise, babble of many voices, or recordings.

A diffuse field has W, Y, Z, X mutually incoherent with powers 1, 1/3, 1/3, 1/3 (SN3D). Noise gives each channel its own stretch of a pool. Recordings
and voices arrive as 60 plane waves of equal power, from the orbit of a random direction under the rotations of the icosahedron (a spherical design
of degree 5, so that the sums over its directions are exactly those over the sphere). The waves of a recording are delayed differently within one
second: far longer than the frames of any analysis, so that in each frame the waves differ, yet short enough to keep its swells. A steady tone stays
coherent, as it does in a room.
"""

import functools

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy import fft
from scipy.spatial.transform import Rotation

from twnm.audio import SAMPLE_RATE_HZ
from twnm.scene import Ambience
from twnm.simulate.kernels import kernel
from twnm.sounds.catalogue import Catalogue

POOL_SAMPLES = 1 << 20
SLOPES = {"white": 0.0, "pink": -0.5, "brown": -1.0}
HIGH_PASS_HZ = 40.0
WAVES = 60
SPREAD_S = 1.0
VOICES = 12
VOICE_SPREAD_S = 0.1  # a talker's waves stay within the time that fuses to one voice
CROSSFADE_S = 0.25
_BLOCK = 2048  # samples of four channels that stay in the nearest cache while all waves are added


@functools.cache
def noise_pool(kind: str) -> Float32[np.ndarray, " samples"]:
    """Circular noise of variance 1, 44 s long, with the spectrum of `kind` ("white", "pink" or "brown") above 40 Hz."""
    frequency_hz = np.maximum(fft.rfftfreq(POOL_SAMPLES, 1 / SAMPLE_RATE_HZ), 1e-3)
    shape = frequency_hz ** SLOPES[kind] / np.sqrt(1 + (HIGH_PASS_HZ / frequency_hz) ** 4)
    rng = np.random.default_rng([POOL_SAMPLES, list(SLOPES).index(kind)])
    noise = fft.irfft(fft.rfft(rng.standard_normal(POOL_SAMPLES)) * shape, POOL_SAMPLES)
    return np.asarray(noise / noise.std(), np.float32)


def incoherent_noise(kind: str, samples: int, rng: np.random.Generator) -> Float32[np.ndarray, "4 samples"]:
    """Four uncorrelated noises of variance 1: the pool read from a drawn place, a quarter of it apart for each, with drawn signs."""
    pool = noise_pool(kind)
    starts = (int(rng.integers(POOL_SAMPLES)) + np.arange(4) * (POOL_SAMPLES // 4)) % POOL_SAMPLES
    noise = np.empty((4, samples), np.float32)
    for row, start in zip(noise, starts, strict=True):
        _read_circular(pool, int(start), row)
    noise *= (2 * rng.integers(0, 2, 4) - 1).astype(np.float32)[:, None]
    return noise


def ambience(description: Ambience, samples: int, rng: np.random.Generator, catalogue: Catalogue) -> Float32[np.ndarray, "4 samples"]:
    """The background of `samples` samples, AmbiX at 24 kHz; the RMS of its W is `level_db`.

    Clips are looped with crossfades from drawn places. The clips of a recording sound together; those of a babble are shared out among 12 voices
    from different directions, so that one clip is heard as several voices at different places of it.
    Raises InputError when a clip is not in the catalogue.
    """
    if description.kind == "none":
        return np.zeros((4, samples), np.float32)
    clips = [catalogue.read(catalogue.clip(path)) for path in description.clips]
    if description.kind == "recording":
        field = _diffuse(_layers(clips, samples + round(SPREAD_S * SAMPLE_RATE_HZ), rng), samples, rng)
    elif description.kind == "babble":
        field = _diffuse(_voices(clips, samples + round(VOICE_SPREAD_S * SAMPLE_RATE_HZ), rng), samples, rng)
    else:
        field = incoherent_noise(description.kind, samples, rng)
        field[1:] *= np.float32(3**-0.5)
    rms = np.sqrt(np.mean(np.square(field[0]), dtype=np.float64)) if samples else 0.0
    if rms > 0:
        field *= np.float32(10 ** (description.level_db / 20) / rms)
    return field


def _read_circular(source: Float32[np.ndarray, " _"], start: int, out: Float32[np.ndarray, " _"]) -> None:
    """Fill `out` from `source`, over and over, beginning at sample `start`."""
    done = 0
    while done < out.size:
        part = source[start : start + out.size - done]
        out[done : done + part.size] = part
        done, start = done + part.size, 0


def looped(clip: Float32[np.ndarray, " _"], samples: int, rng: np.random.Generator) -> Float32[np.ndarray, " samples"]:
    """The clip over and over from a drawn place; its end fades into its beginning with constant power over 0.25 s, at most half the clip."""
    fade = min(round(CROSSFADE_S * SAMPLE_RATE_HZ), clip.size // 2)
    period = clip.size - fade
    start = int(rng.integers(period))
    out = np.empty(samples, np.float32)
    _read_circular(clip[:period], start, out)
    turn = 0.5 * np.pi * ((np.arange(fade) + 0.5) / max(fade, 1)).astype(np.float32)
    rising, falling = np.sin(turn), np.cos(turn) * clip[period:]
    for seam in range(-start, samples, period):
        faded = slice(max(seam, 0), min(seam + fade, samples))
        if faded.start < faded.stop:
            of_fade = slice(faded.start - seam, faded.stop - seam)
            out[faded] = out[faded] * rising[of_fade] + falling[of_fade]
    return out


def _layers(clips: list[Float32[np.ndarray, " _"]], samples: int, rng: np.random.Generator) -> Float32[np.ndarray, "1 samples"]:
    """All clips at once, equally loud, for every wave."""
    bed = looped(clips[0], samples, rng)
    for clip in clips[1:]:
        bed += looped(clip, samples, rng)
    return bed[None]


def _voices(clips: list[Float32[np.ndarray, " _"]], samples: int, rng: np.random.Generator) -> Float32[np.ndarray, "voices samples"]:
    """Voices that share the clips, each at a place of its own."""
    voices = np.empty((VOICES, samples), np.float32)
    for number, voice in enumerate(voices):
        voice[:] = looped(clips[number % len(clips)], samples, rng)
    return voices


@functools.cache
def _icosahedral() -> Float[np.ndarray, "waves 3 3"]:
    return Rotation.create_group("I").as_matrix()


@kernel
def _add_waves(field, beds, owners, delays, vectors, block):  # type: ignore[no-untyped-def]  # pragma: no cover
    for first in range(0, field.shape[1], block):
        count = min(block, field.shape[1] - first)
        for wave in range(owners.size):
            source = beds[owners[wave], first + delays[wave] : first + delays[wave] + count]
            w, y, z, x = field[0, first:], field[1, first:], field[2, first:], field[3, first:]
            to_x, to_y, to_z = vectors[0, wave], vectors[1, wave], vectors[2, wave]
            for n in range(count):
                w[n] += source[n]
                y[n] += to_y * source[n]
                z[n] += to_z * source[n]
                x[n] += to_x * source[n]


def _diffuse(beds: Float32[np.ndarray, "voices _"], samples: int, rng: np.random.Generator) -> Float32[np.ndarray, "4 samples"]:
    """The beds as plane waves from all around; what they are longer than `samples` is the range of the delays.

    The waves are shared out evenly at random among the beds; the delays of a bed's waves are spread evenly over the range, with jitter.
    """
    voices, spread = beds.shape[0], beds.shape[1] - samples
    direction = rng.standard_normal(3)
    vectors = _icosahedral() @ (direction / np.linalg.norm(direction))
    vectors = vectors[rng.permutation(WAVES)]
    delays: Int[np.ndarray, " waves"] = ((np.arange(WAVES) // voices + rng.random(WAVES)) * voices / WAVES * spread).astype(np.int64)
    field = np.zeros((4, samples), np.float32)
    _add_waves(field, beds, np.arange(WAVES) % voices, delays, vectors.T.astype(np.float32), _BLOCK)
    return field
