"""Events whose source or listener moves: direct sound and first reflections by exact time-varying delays, everything later by crossfaded responses.

What the listener hears at time t along a path left the source at the time e with e + |image(e) - listener(t)| / c = t; the equation is solved every 64
samples and its solution runs linearly between, so that delay, Doppler shift, level and direction are those of the motion at every sample. The dry
sound is taken in octave bands, each with the wall's reflection, the air and the source's directivity, and read with the sinc kernel of the images.
Images of two and more reflections change slowly to the ear: their responses are computed at places a quarter of a metre apart, and the dry sound is
crossfaded from one to the next by the time of its emission. Neighbouring responses are alike where the step is short against the wave, up to 350 Hz, and
unlike above, so the crossfade is linear below and keeps the power above. The diffuse tail has the same energy everywhere in the room; every metre
it is crossfaded to one of other noise, with constant power.

The level of a moving source is that of one at rest at the place of emission: convective amplification, (1 - v/c)^-2 at most, is left out.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy import fft

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.scene import BAND_CENTRES_HZ, Event, Listener, Room, Scene
from twnm.simulate.convolve import Part
from twnm.simulate.images import LEAD, PHASES, air_neper_per_m, band_hats, directivity_shares, sinc_table
from twnm.simulate.kernels import TAPS, kernel, mix_bands, sum_taps
from twnm.simulate.rir import early_response, tail_response
from twnm.simulate.tail import Tail

CONTROL_SAMPLES = 64
MOST_MACH = 0.5
BAND_RINGING = 1024
BAND_NFFT = 8192
IMAGE_STEP_M = 0.25
TAIL_STEP_M = 1.0
LATE_STEP_S = 0.1
FIRST_LATE_ORDER = 2
ALIKE_BANDS = 2  # 125 and 250 Hz


@dataclass(frozen=True)
class _Track:
    """A polyline in time: knots in seconds, places in metres."""

    times_s: Float[np.ndarray, " knots"]
    places_m: Float[np.ndarray, "knots 3"]

    @classmethod
    def of(cls, thing: Event | Listener) -> "_Track":
        times_s = np.array([point.time_s for point in thing.path] or [0.0])
        return cls(times_s, thing.position_at(times_s))

    @property
    def fastest_m_s(self) -> float:
        """The largest speed between knots."""
        return float(np.max(np.linalg.norm(np.diff(self.places_m, axis=0), axis=1) / np.diff(self.times_s), initial=0.0))


def render_moving(
    scene: Scene, event: Event, dry: Float32[np.ndarray, " length"], samples: int, tail: Tail | None, seed: list[int]
) -> tuple[Float32[np.ndarray, "4 samples"], list[Part], list[Part]]:
    """The event as the microphone hears it, in the room's axes: turn it by the listener's yaw to get what the listener hears.

    Gives the direct sound and the first reflections, and what is still to be convolved and added: higher images, and tails.

    Args:
        scene: room and listener.
        event: one of its events; it may also stand still while the listener moves.
        dry: its dry sound from onset to offset at 1 m.
        samples: of the scene.
        tail: the room's, see `rir.room_tail`.
        seed: places the noise of the tail.

    Raises:
        InputError: something moves faster than half the speed of sound.
    """
    out = np.zeros((4, samples), np.float32)
    source, listener = _Track.of(event), _Track.of(scene.listener)
    if max(source.fastest_m_s, listener.fastest_m_s) > MOST_MACH * scene.room.speed_of_sound_m_s:
        raise InputError(f"scene {scene.scene_id}: {event.label!r} or the listener moves faster than half the speed of sound; slow its path down")
    bands = _split_bands(dry)
    facing = np.array([math.cos(math.radians(event.facing_deg)), math.sin(math.radians(event.facing_deg)), 0.0])
    air = np.array([*air_neper_per_m(scene.room.temperature_c, scene.room.humidity_percent), 0.0])
    for sign, shift_m, reflection in _first_paths(scene.room):
        _add_path(
            out,
            bands,
            sinc_table(),
            source.times_s,
            source.places_m * sign + shift_m,
            listener.times_s,
            listener.places_m,
            facing * sign,
            reflection,
            air,
            directivity_shares(event.directivity),
            event.onset_s,
            dry.size,
            scene.room.speed_of_sound_m_s,
        )
    if scene.room.kind != "shoebox":
        return out, [], []
    images = _late_images(scene, event, bands[:, BAND_RINGING + TAPS :][:, : dry.size], tail)
    return out, images, [] if tail is None else _late_tails(scene, event, dry, tail, seed)


def _split_bands(dry: Float32[np.ndarray, " length"]) -> Float32[np.ndarray, "bands padded"]:
    """The octave bands of a dry sound as rows, between zeros that take their ringing and the ends of the kernel."""
    padding = BAND_RINGING + TAPS
    hop, length = BAND_NFFT - 2 * BAND_RINGING, dry.size + 2 * padding
    blocks = -(-length // hop)
    padded = np.zeros(blocks * hop + 2 * BAND_RINGING, np.float32)
    padded[BAND_RINGING + padding :][: dry.size] = dry
    hats = band_hats(BAND_NFFT)[:, : len(BAND_CENTRES_HZ)].T
    bands = np.empty((hats.shape[0], blocks, hop), np.float32)
    for block in range(blocks):
        spectrum = fft.rfft(padded[block * hop : block * hop + BAND_NFFT], workers=1)
        bands[:, block] = fft.irfft(spectrum * hats, BAND_NFFT, axis=1, workers=1)[:, BAND_RINGING : BAND_RINGING + hop]
    return np.ascontiguousarray(bands.reshape(hats.shape[0], -1)[:, :length])


def _first_paths(room: Room) -> list[tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"], Float32[np.ndarray, " 8"]]]:
    """The direct path and one path per surface: signs and shift that turn the source's place into the image's, and amplitudes per band."""
    paths = [(np.ones(3), np.zeros(3), np.array([*[1.0] * len(BAND_CENTRES_HZ), 0.0], np.float32))]
    surfaces = [] if room.absorption is None else [np.array([*np.sqrt(1 - np.array(wall)), 0.0], np.float32) for wall in room.absorption]
    for number, reflection in enumerate(surfaces):
        axis, far = (2, False) if room.size_m is None else (number // 2, number % 2 == 1)
        sign, shift_m = np.ones(3), np.zeros(3)
        sign[axis] = -1.0
        if far and room.size_m is not None:
            shift_m[axis] = 2 * room.size_m[axis]
        paths.append((sign, shift_m, reflection))
    return paths


@kernel
def _locate(times_s, places_m, at_s, knot, place, velocity):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Place and velocity of a polyline at a time, at rest before its first and after its last knot; gives the knot where it looked last."""
    last = times_s.size - 1
    while knot < last and at_s >= times_s[knot + 1]:
        knot += 1
    while knot > 0 and at_s < times_s[knot]:
        knot -= 1
    if knot == last or at_s < times_s[0]:
        for axis in range(3):
            place[axis], velocity[axis] = places_m[knot, axis], 0.0
        return knot
    span_s = times_s[knot + 1] - times_s[knot]
    for axis in range(3):
        velocity[axis] = (places_m[knot + 1, axis] - places_m[knot, axis]) / span_s
        place[axis] = places_m[knot, axis] + velocity[axis] * (at_s - times_s[knot])
    return knot


@kernel
def _add_path(  # type: ignore[no-untyped-def]  # pragma: no cover
    out, bands, sinc, source_s, source_m, listener_s, listener_m, facing, reflection, air, shares, onset_s, length, speed_m_s
):
    place, velocity, here, unused = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    source_knot = listener_knot = 0
    emitted_s = onset_s
    # At a control point: emitted sample, direction (y, z, x), gain per band.
    before, after = np.zeros(4), np.zeros(4)
    gain_before, gain_after, rise = np.zeros(8, np.float32), np.zeros(8, np.float32), np.zeros(8, np.float32)
    mixed, heard = np.zeros(8 * CONTROL_SAMPLES, np.float32), np.zeros(CONTROL_SAMPLES, np.float32)
    padding = BAND_RINGING + TAPS
    first_block = int(onset_s * SAMPLE_RATE_HZ) // CONTROL_SAMPLES  # nothing is heard before it is emitted
    for block in range(first_block, out.shape[1] // CONTROL_SAMPLES + 2):
        time_s = block * CONTROL_SAMPLES / SAMPLE_RATE_HZ
        listener_knot = _locate(listener_s, listener_m, time_s, listener_knot, here, unused)
        distance_m = 1.0
        emitted_s += CONTROL_SAMPLES / SAMPLE_RATE_HZ
        for _ in range(2 if block > first_block else 12):  # Newton's method on emitted + distance / c - time
            source_knot = _locate(source_s, source_m, emitted_s, source_knot, place, velocity)
            square = receding = 0.0
            for axis in range(3):
                offset = place[axis] - here[axis]
                square += offset * offset
                receding += offset * velocity[axis]
            distance_m = math.sqrt(square)
            emitted_s -= (emitted_s + distance_m / speed_m_s - time_s) / (1 + receding / (distance_m * speed_m_s))
        before[:], gain_before[:] = after, gain_after
        after[0] = (emitted_s - onset_s) * SAMPLE_RATE_HZ
        towards = 0.0
        for axis in range(3):
            unit = (place[axis] - here[axis]) / distance_m
            towards -= unit * facing[axis]
            after[3 if axis == 0 else axis] = unit
        for b in range(8):
            gain_after[b] = reflection[b] * math.exp(-0.5 * air[b] * distance_m) / distance_m * (1 - shares[b] + shares[b] * towards)
        begin = (block - 1) * CONTROL_SAMPLES
        count = min(CONTROL_SAMPLES, out.shape[1] - begin)
        first = math.floor(before[0]) - (LEAD - 1)
        last = first + 8 * ((math.floor(after[0]) + LEAD + 2 - first + 7) // 8)  # whole vectors
        if first > length:
            break
        if block == first_block or count <= 0 or first < -padding or last > length + padding:
            continue
        rise[:] = (gain_after - gain_before) / np.float32(last - first)
        mix_bands(mixed[: last - first], gain_before, rise, bands[:, first + padding : last + padding])
        step = (after[0] - before[0]) / CONTROL_SAMPLES
        for n in range(count):
            at = before[0] + n * step
            whole = math.floor(at)
            heard[n] = sum_taps(mixed, whole - (LEAD - 1) - first, sinc, int((at - whole) * PHASES + 0.5))
        _spread(out[:, begin : begin + count], heard, before, after)


@kernel
def _spread(out, heard, before, after):  # type: ignore[no-untyped-def]  # pragma: no cover
    for c in range(4):
        channel = out[c]
        gain = np.float32(before[c] if c else 1.0)
        rise = np.float32((after[c] - before[c]) / CONTROL_SAMPLES if c else 0.0)
        for n in range(channel.size):
            channel[n] += heard[n] * (gain + rise * np.float32(n))


def _late_times(scene: Scene, event: Event, step_m: float) -> Float[np.ndarray, " times"]:
    """Times of emission between which source and listener together move about `step_m` (or a tenth of a second passes); one if they hardly move."""
    grid_s = np.linspace(event.onset_s, event.offset_s, max(2, math.ceil((event.offset_s - event.onset_s) / LATE_STEP_S) + 1))
    moved_m = [np.linalg.norm(np.diff(thing.position_at(grid_s), axis=0), axis=1) for thing in (event, scene.listener)]
    way_m = np.concatenate([[0.0], np.cumsum(moved_m[0] + moved_m[1])])
    count = min(grid_s.size, round(way_m[-1] / step_m) + 1)
    if count == 1:
        return grid_s[:1]
    rising = way_m + 1e-9 * grid_s  # a pause in the motion stays increasing
    return np.asarray(np.interp(np.linspace(rising[0], rising[-1], count), rising, grid_s))


def _shares(times_s: Float[np.ndarray, " times"], onset_s: float, length: int) -> Iterator[tuple[slice, Float[np.ndarray, " part"]]]:
    """For each time the part of the sound that is crossfaded in and out around it, and the triangle that does it; the triangles sum to one."""
    knots = np.round((times_s - onset_s) * SAMPLE_RATE_HZ)
    ramp = np.interp(np.arange(length), knots, np.arange(knots.size))
    for number in range(knots.size):
        part = slice(int(knots[max(0, number - 1)]), int(knots[number + 1]) + 1 if number + 1 < knots.size else length)
        yield part, np.maximum(0, 1 - np.abs(ramp[part] - number))


def _late_images(scene: Scene, event: Event, bands: Float32[np.ndarray, "bands length"], tail: Tail | None) -> list[Part]:
    """Images of two and more reflections, up to the tail, crossfaded along the way."""
    times_s = _late_times(scene, event, IMAGE_STEP_M)
    alike, unlike = bands[:ALIKE_BANDS].sum(axis=0), bands[ALIKE_BANDS:].sum(axis=0)
    parts = []
    places = zip(event.position_at(times_s).tolist(), scene.listener.position_at(times_s).tolist(), strict=True)
    for (span, share), (source_m, listener_m) in zip(_shares(times_s, event.onset_s, bands.shape[1]), places, strict=True):
        sound = (alike[span] * share + unlike[span] * np.sqrt(share)).astype(np.float32)
        response = early_response(scene.room, tuple(listener_m), tuple(source_m), tail, event.directivity, event.facing_deg, FIRST_LATE_ORDER)
        parts.append((sound, round(event.onset_s * SAMPLE_RATE_HZ) + span.start, response))
    return parts


def _late_tails(scene: Scene, event: Event, dry: Float32[np.ndarray, " length"], tail: Tail, seed: list[int]) -> list[Part]:
    """The diffuse tail, crossfaded along the way."""
    parts = []
    for number, (span, share) in enumerate(_shares(_late_times(scene, event, TAIL_STEP_M), event.onset_s, dry.size)):
        response = tail_response(tail, event.directivity, np.random.default_rng([*seed, number]))
        parts.append((dry[span] * np.sqrt(share).astype(np.float32), round(event.onset_s * SAMPLE_RATE_HZ) + span.start, response))
    return parts
