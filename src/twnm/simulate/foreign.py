"""The second renderer: the same Scene heard through pyroomacoustics, an independent simulator, so that what is learnt from one can be tested on the other.

Receivers are one omnidirectional and three figure-of-eight directivities along y, z, x: the first-order spherical harmonics in AmbiX order with SN3D
weights, so that no channel needs a factor. Rooms: image sources up to the mixing time, then pyroomacoustics' ray tracing with the room's scattering.
Everything is computed in the room's axes; the listener's yaw turns the sum at the end. pyroomacoustics' high-pass is off: with directivities it would
change W alone.

A source or listener that moves: the direct sound and the first reflections are static responses at every 4 mm of the way, crossfaded linearly in
emission time (an error of -39 dB at 4 kHz, -27 dB at 8 kHz); the later sound is crossfaded between two or three places.

Source: Scheibler, Bezzam and Dokmanić, "Pyroomacoustics", ICASSP 2018.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64
from scipy import fft

from twnm.ambisonics import unit_vector
from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.scene import BAND_CENTRES_HZ, Event, Listener, Position, Room, Scene
from twnm.simulate.convolve import Part, convolve_sum
from twnm.simulate.dry import dry_signal
from twnm.simulate.images import air_neper_per_m, band_hats, directivity_shares
from twnm.simulate.render import face
from twnm.simulate.tail import mixing_time_s
from twnm.sounds.catalogue import Catalogue

WALL_NAMES = ("west", "east", "south", "north", "floor", "ceiling")
BANDS = len(BAND_CENTRES_HZ)
RAYS = 5000
RAY_DIRECTIONS = 60
RAY_ENERGY = 1e-10  # the default of 1e-7 drops scattered sound from -40 dB on: reverberation times up to 10 % short
RECEIVER_RADIUS_M = (0.2, 0.5)
STEP_M = 0.004
LATE_STEP_M = 3.0
LATE_PLACES = (2, 3)
_STREAM = 3
Way = tuple[Float[np.ndarray, "knots 3"], Float[np.ndarray, "knots bands"]]
_SETTINGS = {"rir_hpf_enable": False, "num_threads": 1, "octave_bands_base_freq": BAND_CENTRES_HZ[0]}


def render_events(scene: Scene, catalogue: Catalogue, samples: int) -> Float32[np.ndarray, "4 samples"]:
    """All events of a scene as the listener hears them, without ambience and microphone; the same scene gives the same samples.

    Raises InputError without pyroomacoustics, or for a room that it cannot simulate (measured, unknown).
    """
    if scene.room.kind not in ("shoebox", "ground", "free"):
        raise InputError(
            f"scene {scene.scene_id}: pyroomacoustics cannot render a room of kind {scene.room.kind!r}; it renders 'shoebox', 'ground' and 'free', "
            "so use the native renderer"
        )
    audio = np.zeros((4, samples), np.float32)
    static: list[Part] = []
    for number, event in enumerate(scene.events):
        rng = np.random.default_rng([*scene.seed, number, _STREAM])
        dry, onset = dry_signal(event, catalogue), round(event.onset_s * SAMPLE_RATE_HZ)
        if _travel_m(scene.listener, event, np.array([event.onset_s, event.offset_s]))[-1] > 0:
            _add_moving(audio, scene, event, dry, onset, rng)
        else:
            here = scene.listener.position_at(np.array([event.onset_s]))[0]
            there = event.position_at(np.array([event.onset_s]))[0]
            static.append((dry, onset, response(scene.room, _position(here), _position(there), rng, event.directivity, event.facing_deg)))
    if static:
        audio += convolve_sum(static, samples)
    return face(audio, scene.listener)


def response(
    room: Room,
    listener_m: Position,
    source_m: Position,
    rng: np.random.Generator,
    directivity: str = "omni",
    facing_deg: float = 0.0,
    image_order: int | None = None,
    lowest_order: int = 0,
) -> Float32[np.ndarray, "4 samples"]:
    """AmbiX response in the room's axes; time 0 is emission, the direct sound has amplitude 1/distance.

    `image_order` None: images up to the mixing time, then ray tracing; a number: images of at most that order alone. Images below `lowest_order` are
    left out. Raises InputError without pyroomacoustics.
    """
    pra = _package()
    order = _mixing_order(room) if image_order is None else image_order
    with _settings(pra, rng):
        space, shift = _space(pra, room, listener_m, source_m, order, ray_tracing=image_order is None and room.kind == "shoebox")
        space.set_sound_speed(room.speed_of_sound_m_s)
        space.set_air_absorption(list(air_neper_per_m(room.temperature_c, room.humidity_percent)), list(BAND_CENTRES_HZ))
        # `add_source` and `add_microphone_array` drop or refuse such directivities; `add` takes them.
        space.add(pra.SoundSource(list(np.add(source_m, shift)), directivity=_pattern(pra, directivity, facing_deg)))
        eights = [pra.directivities.FigureEight(np.array(axis)) for axis in ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))]
        here = np.repeat(np.add(listener_m, shift)[:, None], 4, axis=1)
        space.add(pra.MicrophoneArray(here, SAMPLE_RATE_HZ, directivity=[None, *eights]))
        space.image_source_model()
        space.visibility[0] = np.logical_and(space.visibility[0], space.sources[0].orders >= lowest_order)
        space.compute_rir()
        lead = pra.constants.get("frac_delay_length") // 2
    heard = [np.asarray(space.rir[channel][0])[lead:] for channel in range(4)]
    whole = np.zeros((4, max(channel.size for channel in heard)), np.float32)
    for row, channel in zip(whole, heard, strict=True):
        row[: channel.size] = channel
    return whole


def _package() -> Any:
    try:
        import pyroomacoustics
    except ImportError:
        raise InputError("the second renderer needs pyroomacoustics, which is not installed; install it with: pip install 'twnm[foreign]'") from None
    if not hasattr(pyroomacoustics, "random"):
        raise InputError(
            f"the second renderer needs pyroomacoustics 0.10 or newer, {pyroomacoustics.__version__} is installed; update it with: pip install 'twnm[foreign]'"
        )
    return pyroomacoustics


@contextlib.contextmanager
def _settings(pra: Any, rng: np.random.Generator) -> Iterator[None]:
    """pyroomacoustics' global constants as this renderer needs them and its generators seeded; put back at the end, as far as it lets one.

    The seed of its C++ part cannot be read, so that part stays seeded.
    """
    before = {name: pra.constants.get(name) for name in _SETTINGS}
    generator = pra.random.generator._rng
    try:
        for name, value in _SETTINGS.items():
            pra.constants.set(name, value)
        pra.random.seed(numpy=int(rng.integers(2**63)), libroom=int(rng.integers(2**63)))
        yield
    finally:
        for name, value in before.items():
            pra.constants.set(name, value)
        pra.random.generator._rng = generator


def _space(pra: Any, room: Room, listener_m: Position, source_m: Position, order: int, ray_tracing: bool) -> tuple[Any, Position]:
    """A room of pyroomacoustics, and what is added to positions to lie in it."""
    if room.kind == "free" or room.absorption is None:
        return pra.AnechoicRoom(3, fs=SAMPLE_RATE_HZ), (0.0, 0.0, 0.0)
    if room.kind == "ground":
        # A box whose other walls reflect nothing, a metre around source and listener; its floor is the ground.
        low_x, low_y, _ = np.minimum(listener_m, source_m) - 1
        high_x, high_y, high_z = np.maximum(listener_m, source_m) + 1
        walls = {name: _material(pra, room.absorption[0] if name == "floor" else (1.0,) * BANDS, 0.0) for name in WALL_NAMES}
        box = pra.ShoeBox([high_x - low_x, high_y - low_y, high_z], fs=SAMPLE_RATE_HZ, materials=walls, max_order=min(order, 1))
        return box, (-float(low_x), -float(low_y), 0.0)
    assert room.size_m is not None and room.rt60_s is not None
    walls = {name: _material(pra, wall, room.scattering) for name, wall in zip(WALL_NAMES, room.absorption, strict=True)}
    shoebox = pra.ShoeBox(list(room.size_m), fs=SAMPLE_RATE_HZ, materials=walls, max_order=order)
    if ray_tracing:
        to_wall_m = min(min(at, side - at) for at, side in zip(listener_m, room.size_m, strict=True))
        shoebox.set_ray_tracing(
            n_rays=RAYS,
            receiver_radius=float(np.clip(to_wall_m, *RECEIVER_RADIUS_M)),  # a receiver that reaches into a wall would miss energy
            time_thres=max(room.rt60_s),
            energy_thres=RAY_ENERGY,
            receiver_n_directions=RAY_DIRECTIONS,
        )
    return shoebox, (0.0, 0.0, 0.0)


def _material(pra: Any, absorption: tuple[float, ...], scattering: float) -> Any:
    centres = list(BAND_CENTRES_HZ)
    return pra.Material({"coeffs": list(absorption), "center_freqs": centres}, {"coeffs": [scattering] * BANDS, "center_freqs": centres})


def _mixing_order(room: Room) -> int:
    """The highest reflection order that arrives by the mixing time."""
    if room.size_m is None:
        return 1
    radius_m = mixing_time_s(math.prod(room.size_m), room.speed_of_sound_m_s) * room.speed_of_sound_m_s
    return math.ceil(radius_m * math.sqrt(sum(1 / side**2 for side in room.size_m)))


def _pattern(pra: Any, directivity: str, facing_deg: float) -> Any:
    """The source's directivity, amplitude 1 - s + s cos(angle from its front) with its own s in every octave band; None when omnidirectional."""
    shares = directivity_shares(directivity)[:BANDS].astype(float)
    if not shares.any():
        return None
    front = unit_vector(facing_deg, 0.0)

    class Pattern(pra.directivities.Directivity):  # type: ignore[misc]
        """pyroomacoustics multiplies the gains of its images by `get_response`, and starts rays with the energies of `sample_rays`."""

        is_impulse_response = False
        filter_len_ir = 1

        def get_response(self, azimuth: Any, colatitude: Any = None, magnitude: bool = False, degrees: bool = True) -> Any:
            angles = [azimuth, np.full_like(azimuth, 90.0 if degrees else math.pi / 2) if colatitude is None else colatitude]
            towards = np.stack(pra.doa.spher2cart(*angles, degrees=degrees), axis=-1)
            return 1 - shares[:, None] + shares[:, None] * (towards @ front)

        def sample_rays(self, n_rays: int, rng: Any = None) -> Any:
            rays = pra.doa.fibonacci_spherical_sampling(n_rays).T
            return rays, (1 - shares + shares * (rays @ front)[:, None]) ** 2

    return Pattern()


def _position(place: Float[np.ndarray, " 3"]) -> Position:
    return float(place[0]), float(place[1]), float(place[2])


def _travel_m(listener: Listener, event: Event, times_s: Float[np.ndarray, " times"]) -> Float[np.ndarray, " times"]:
    """How far source and listener together have gone since the first time, metres: no path of the sound changes by more."""
    knots = [point.time_s for path in (event.path, listener.path) for point in path if times_s[0] < point.time_s < times_s[-1]]
    fine_s = np.union1d(times_s, knots)
    steps = [np.linalg.norm(np.diff(path(fine_s), axis=0), axis=-1) for path in (event.position_at, listener.position_at)]
    return np.interp(times_s, fine_s, np.concatenate([[0.0], np.cumsum(np.add(*steps))]))


def _add_moving(
    audio: Float32[np.ndarray, "4 samples"], scene: Scene, event: Event, dry: Float32[np.ndarray, " _"], onset: int, rng: np.random.Generator
) -> None:
    """Add an event that moves against the listener: early paths from place to place, the late sound between a few."""
    times_s = event.onset_s + np.arange(dry.size) / SAMPLE_RATE_HZ
    travel_m = _travel_m(scene.listener, event, times_s)
    _add_early(audio, scene, event, dry, onset, _places(travel_m, STEP_M, (2, dry.size)))
    if scene.room.kind != "shoebox":
        return
    knots = _places(travel_m, LATE_STEP_M, LATE_PLACES)
    late = []
    for at in knots:
        here, there = (_position(path(times_s[at : at + 1])[0]) for path in (scene.listener.position_at, event.position_at))
        late.append(response(scene.room, here, there, rng, event.directivity, event.facing_deg, lowest_order=2))
    place = np.interp(np.arange(dry.size), knots, np.arange(knots.size))
    parts = [dry * np.cos(0.5 * np.pi * np.minimum(np.abs(place - number), 1)).astype(np.float32) for number in range(knots.size)]
    audio += convolve_sum([(part, onset, heard) for part, heard in zip(parts, late, strict=True)], audio.shape[1])


def _places(travel_m: Float[np.ndarray, " samples"], step_m: float, bounds: tuple[int, int]) -> Int64[np.ndarray, " places"]:
    """Samples at which source and listener have gone equal ways of at most `step_m`; the first and the last sample among them."""
    count = int(np.clip(math.ceil(travel_m[-1] / step_m) + 1, *bounds))
    return np.unique([0, *np.searchsorted(travel_m, travel_m[-1] * np.arange(1, count - 1) / (count - 1)), travel_m.size - 1])


def _add_early(
    audio: Float32[np.ndarray, "4 samples"], scene: Scene, event: Event, dry: Float32[np.ndarray, " _"], onset: int, knots: Int64[np.ndarray, " knots"]
) -> None:
    """The direct sound and the first reflections: the part of the sound around each knot, with a triangular weight, goes the knot's ways."""
    times_s = event.onset_s + knots / SAMPLE_RATE_HZ
    nfft = fft.next_fast_len(dry.size + 1024, real=True)
    bands = fft.irfft(fft.rfft(dry.astype(float), nfft)[:, None] * band_hats(nfft)[:, :BANDS], nfft, axis=0)[: dry.size]
    edges = np.concatenate([knots[:1], knots, knots[-1:]])
    for offsets_m, gain in _ways(scene.room, scene.listener, event, times_s):
        distances_m = np.linalg.norm(offsets_m, axis=-1)
        encode = np.insert(offsets_m[:, [1, 2, 0]] / distances_m[:, None], 0, 1.0, axis=1).astype(np.float32)  # what W, Y, Z, X receive of one image
        for number, (start, taps) in enumerate(_free_field(offsets_m, scene.room.speed_of_sound_m_s)):
            first, middle, last = (int(edge) for edge in edges[number : number + 3])
            part = np.convolve((bands[first : last + 1] @ gain[number]) * _triangle(first, middle, last), taps)
            begin = max(onset + first + start, 0)
            part = part[begin - (onset + first + start) :][: max(audio.shape[1] - begin, 0)]
            audio[:, begin : begin + part.size] += encode[number, :, None] * part.astype(np.float32)


def _triangle(first: int, middle: int, last: int) -> Float[np.ndarray, " samples"]:
    """From 0 at `first` to 1 at `middle` and 0 at `last`, both included; 1 towards a side that has no length."""
    at = np.arange(first, last + 1)
    rise = (at - first) / (middle - first) if middle > first else np.ones(at.size)
    fall = (last - at) / (last - middle) if last > middle else np.ones(at.size)
    return np.minimum(rise, fall)


def _ways(room: Room, listener: Listener, event: Event, times_s: Float[np.ndarray, " knots"]) -> Iterator[Way]:
    """The source and its first images, for what is emitted at `times_s`: offsets from where the listener is when it arrives (metres), and amplitudes
    per octave band (without 1/distance)."""
    air = 0.5 * np.array(air_neper_per_m(room.temperature_c, room.humidity_percent))
    shares = directivity_shares(event.directivity)[:BANDS].astype(float)
    front = unit_vector(event.facing_deg, 0.0)
    planes = {"shoebox": range(6), "ground": range(4, 5)}.get(room.kind, range(0))
    for wall in (None, *planes):
        place_m, facing, reflection = event.position_at(times_s), front.copy(), np.ones(BANDS)
        if wall is not None and room.absorption is not None:
            axis, far = divmod(wall, 2)
            place_m[:, axis] = 2 * (room.size_m[axis] if far and room.size_m else 0.0) - place_m[:, axis]
            facing[axis] *= -1
            absorption = np.array(room.absorption[wall if room.kind == "shoebox" else 0])
            reflection = np.sqrt((1 - absorption) * (1 - room.scattering if room.kind == "shoebox" else 1.0))  # as in the hybrid of `response`
        offsets_m = place_m - listener.position_at(times_s)
        for _ in range(2):  # the listener goes on while the sound travels
            offsets_m = place_m - listener.position_at(times_s + np.linalg.norm(offsets_m, axis=-1) / room.speed_of_sound_m_s)
        distances_m = np.linalg.norm(offsets_m, axis=-1, keepdims=True)
        cosine = -(offsets_m @ facing)[:, None] / distances_m
        yield offsets_m, reflection * (1 - shares + shares * cosine) * np.exp(-air * distances_m)


def _free_field(offsets_m: Float[np.ndarray, "places 3"], speed_m_s: float) -> Iterator[tuple[int, Float[np.ndarray, " taps"]]]:
    """Free-field responses of an omnidirectional receiver to sources at the given offsets: their first sample and the samples that are not 0."""
    pra = _package()
    space = pra.AnechoicRoom(3, fs=SAMPLE_RATE_HZ)
    space.set_sound_speed(speed_m_s)
    for offset_m in offsets_m:
        space.add_source(list(offset_m))
    space.add(pra.MicrophoneArray(np.zeros((3, 1)), SAMPLE_RATE_HZ))
    with _settings(pra, np.random.default_rng(0)):
        space.compute_rir()
        lead = pra.constants.get("frac_delay_length") // 2
    for offset_m, heard in zip(offsets_m, space.rir[0], strict=True):
        first = int(np.linalg.norm(offset_m) / speed_m_s * SAMPLE_RATE_HZ)
        yield first - lead, np.asarray(heard, float)[first:]
