"""A Scene made audible: dry clips through the room's responses, plus diffuse ambience; AmbiX, 24 kHz, float32.

What rendering draws (the places of the noise) comes from the scene's seed, so that a scene gives the same samples in every process.
"""

import functools
import math

import numpy as np
from jaxtyping import Complex64, Float32
from scipy import fft

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.scene import Ambience, Event, Scene
from twnm.simulate.kernels import kernel
from twnm.simulate.rir import room_response, room_tail
from twnm.sounds.catalogue import Catalogue

FADE_S = 0.010
PEAK = 0.95
AMBIENCE_SAMPLES = 1 << 20
AMBIENCE_SLOPES = {"white": 0.0, "pink": -0.5, "brown": -1.0}
AMBIENCE_HIGH_PASS_HZ = 40.0
_RENDER_STREAM = 1
_AMBIENCE_STREAM = 2


def render(scene: Scene, catalogue: Catalogue) -> tuple[Float32[np.ndarray, "4 samples"], Scene]:
    """Render a scene whose room is known.

    Returns the audio and the scene with `output_gain_db` set: 0 unless a sample would exceed 0.95. Raises InputError for a moving event, a room of
    kind "unknown" or a clip that is not in the catalogue.
    """
    if scene.room.kind == "unknown":
        raise InputError(f"scene {scene.scene_id}: a room of kind 'unknown' cannot be rendered; give a 'shoebox' or 'free' room")
    for event in scene.events:
        if event.moving:
            raise InputError(f"scene {scene.scene_id}: {event.label!r} moves; this version renders static events only: give its path one place")
    samples = round(scene.duration_s * SAMPLE_RATE_HZ)
    audio = _render_events(scene, catalogue, samples)
    audio += ambience(scene.ambience, samples, np.random.default_rng([*scene.seed, _AMBIENCE_STREAM]))
    peak = max(float(audio.max(initial=0.0)), -float(audio.min(initial=0.0)))
    gain_db = 0.0
    if peak > PEAK:
        gain_db = 20 * math.log10(PEAK / peak) - 1e-4
        audio *= np.float32(10 ** (gain_db / 20))
    return audio, scene.model_copy(update={"output_gain_db": gain_db})


def dry_signal(event: Event, catalogue: Catalogue) -> Float32[np.ndarray, " samples"]:
    """The event's sound at 1 m without room, from its onset to its offset; what the offset cuts is faded over 10 ms."""
    clip = catalogue.read(catalogue.clip(event.clip))
    length = round((event.offset_s - event.onset_s) * SAMPLE_RATE_HZ)
    dry = np.zeros(length, np.float32)
    cut = False
    for start_s in event.clip_starts_s:
        start = round(start_s * SAMPLE_RATE_HZ)
        part = clip[: max(0, length - start)]
        dry[start : start + part.size] += part
        cut = cut or part.size < clip.size
    fade = min(round(FADE_S * SAMPLE_RATE_HZ), length)
    if cut and fade:
        dry[length - fade :] *= np.cos(0.5 * np.pi * (np.arange(fade) + 1) / fade).astype(np.float32)
    dry *= np.float32(10 ** (event.level_db / 20))
    return dry


def _render_events(scene: Scene, catalogue: Catalogue, samples: int) -> Float32[np.ndarray, "4 samples"]:
    if not scene.events:
        return np.zeros((4, samples), np.float32)
    tail = room_tail(scene.room)
    responses = []
    for number, event in enumerate(scene.events):
        rng = np.random.default_rng([*scene.seed, number, _RENDER_STREAM])
        responses.append(room_response(scene.room, scene.listener, event.path[0].position_m, tail, rng))
    onsets = [round(event.onset_s * SAMPLE_RATE_HZ) for event in scene.events]
    dry = [dry_signal(event, catalogue) for event in scene.events]
    return convolve_sum(dry, onsets, responses, samples)


@kernel
def _multiply_add(total, block, source, response):  # type: ignore[no-untyped-def]  # pragma: no cover
    for c in range(4):
        for f in range(source.size):
            total[block, c, f] += source[f] * response[c, f]


def convolve_sum(
    sources: list[Float32[np.ndarray, " _"]], onsets: list[int], responses: list[Float32[np.ndarray, "4 _"]], samples: int
) -> Float32[np.ndarray, "4 samples"]:
    """Convolve each source (mono, starting at sample `onsets`) with its response and add them; overlap-save, the sources summed in frequency."""
    taps = max(response.shape[1] for response in responses)
    nfft = max(8192, 1 << math.ceil(math.log2(1.6 * taps)))
    hop = nfft - taps + 1
    blocks = math.ceil(samples / hop)
    owners = [
        (block, number)
        for number, (source, onset) in enumerate(zip(sources, onsets, strict=True))
        for block in range(blocks)
        if block * hop < onset + source.size + taps - 1 and (block + 1) * hop > onset
    ]
    frames = np.zeros((len(owners) + 4 * len(responses), nfft), np.float32)
    for frame, (block, number) in zip(frames, owners, strict=False):
        first = onsets[number] - block * hop + taps - 1  # where the source begins in the frame, whose last `hop` samples are kept
        part = sources[number][max(0, -first) : max(0, nfft - first)]
        frame[max(0, first) : max(0, first) + part.size] = part
    for response, filters in zip(responses, frames[len(owners) :].reshape(-1, 4, nfft), strict=True):
        filters[:, : response.shape[1]] = response
    spectra: Complex64[np.ndarray, "frames frequencies"] = fft.rfft(frames, axis=-1, workers=1)
    transfer = spectra[len(owners) :].reshape(-1, 4, spectra.shape[1])
    total = np.zeros((blocks, 4, spectra.shape[1]), np.complex64)
    for (block, number), spectrum in zip(owners, spectra, strict=False):
        _multiply_add(total, block, spectrum, transfer[number])
    kept = fft.irfft(total, nfft, axis=-1, workers=1)[:, :, taps - 1 :]
    return np.ascontiguousarray(kept.transpose(1, 0, 2).reshape(4, -1)[:, :samples])


@functools.cache
def _ambience_pool(kind: str) -> Float32[np.ndarray, " samples"]:
    """Circular noise of variance 1 with the spectrum of `kind`, above 40 Hz."""
    frequency_hz = np.maximum(fft.rfftfreq(AMBIENCE_SAMPLES, 1 / SAMPLE_RATE_HZ), 1e-3)
    shape = frequency_hz ** AMBIENCE_SLOPES[kind] / np.sqrt(1 + (AMBIENCE_HIGH_PASS_HZ / frequency_hz) ** 4)
    rng = np.random.default_rng([AMBIENCE_SAMPLES, list(AMBIENCE_SLOPES).index(kind)])
    noise = fft.irfft(fft.rfft(rng.standard_normal(AMBIENCE_SAMPLES)) * shape, AMBIENCE_SAMPLES)
    return np.asarray(noise / noise.std(), np.float32)


def ambience(description: Ambience, samples: int, rng: np.random.Generator) -> Float32[np.ndarray, "4 samples"]:
    """A diffuse field: four uncorrelated noises, W at `level_db` and Y, Z, X 4.8 dB lower (SN3D).

    The noise is read from a fixed pool of 44 s at a drawn place, a quarter of the pool apart for each channel, with drawn signs.
    """
    if description.kind == "none":
        return np.zeros((4, samples), np.float32)
    pool = _ambience_pool(description.kind)
    starts = int(rng.integers(AMBIENCE_SAMPLES)) + np.arange(4) * (AMBIENCE_SAMPLES // 4)
    gains = (2 * rng.integers(0, 2, 4) - 1) * np.sqrt([1, 1 / 3, 1 / 3, 1 / 3]) * 10 ** (description.level_db / 20)
    noise = np.empty((4, samples), np.float32)
    for channel in range(4):
        np.take(pool, np.arange(starts[channel], starts[channel] + samples), mode="wrap", out=noise[channel])
        noise[channel] *= np.float32(gains[channel])
    return noise
