"""Rooms that were measured: first-order room responses from WAV, FLAC or SOFA files in place of a simulated room.

A response is trimmed so that time 0 is when the source emits, and scaled as a whole so that its direct sound has the energy of an impulse of amplitude
1/distance, as simulated responses have. Where its sound comes from is estimated from the intensity of the direct sound and compared with what the file
says; how long it reverberates is measured. Sources: AES69-2022 (SOFA); ISO 3382-2 (decay).
"""

import csv
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Float32

from twnm.ambisonics import angle_between_deg, intensity_direction, rotate, to_ambix, unit_vector, wrap_deg
from twnm.audio import SAMPLE_RATE_HZ, read_foa
from twnm.errors import InputError
from twnm.scene import MIN_DISTANCE_M, Event, Listener, Room, Scene, Waypoint, speed_of_sound_m_s
from twnm.simulate.convolve import convolve_sum
from twnm.simulate.decay import decay_of, onset_sample
from twnm.simulate.dry import dry_signal
from twnm.simulate.sofa import read_sofa
from twnm.sounds.catalogue import Catalogue

CSV_NAME = "responses.csv"
SUFFIXES = (".wav", ".flac", ".sofa")
BEFORE_S, AFTER_S = 0.0005, 0.002  # of the direct sound's peak: what counts as direct
FADE_S = 0.020
MAX_DISAGREEMENT_DEG = 20.0
MIN_DIRECT_DB = 20.0
REPEAT_YAW_DEG = (40.0, 320.0)


@dataclass(frozen=True)
class Response:
    """One measured response: AmbiX at 24 kHz as the microphone stood, and what was found in it.

    `rt60_s` per octave band; a band whose decay drowns in noise has its nearest neighbour's time.
    """

    name: str
    foa: Float32[np.ndarray, "4 samples"]
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    rt60_s: tuple[float, ...]


@dataclass(frozen=True)
class Responses:
    """The responses of one room, in the order of their names."""

    items: tuple[Response, ...]

    @property
    def rt60_s(self) -> tuple[float, ...]:
        """Median over the responses, seconds per octave band."""
        return tuple(np.median([response.rt60_s for response in self.items], axis=0).round(4).tolist())

    def digest(self) -> str:
        """A hash of what the responses are and hold, 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for item in self.items:
            digest.update(repr((item.name, item.azimuth_deg, item.elevation_deg, item.distance_m, item.rt60_s)).encode() + item.foa.tobytes())
        return digest.hexdigest()

    def of(self, name: str) -> Response:
        """The response of that name; raises InputError when there is none."""
        for response in self.items:
            if response.name == name:
                return response
        known = ", ".join(response.name for response in self.items[:5])
        raise InputError(f"no measured response is named {name!r}; there are {len(self.items)}: {known}{', ...' if len(self.items) > 5 else ''}")


@dataclass(frozen=True)
class _Raw:
    """A response as its file has it: channels in `layout`, any rate, and the source's place as the file says (direction None when it does not)."""

    name: str
    audio: Float32[np.ndarray, "4 samples"]
    sample_rate_hz: float
    distance_m: float
    direction: Float[np.ndarray, " 3"] | None


def load_responses(path: Path | str, layout: str = "ambix") -> Responses:
    """Read the measured responses of one room.

    Args:
        path: a folder of WAV, FLAC and SOFA files, or one file. SOFA files say where source and listener were; for others a `responses.csv` beside
            them does: columns file, distance_m and, if known, azimuth_deg and elevation_deg.
        layout: order and scale of the four channels, one of `twnm.ambisonics.LAYOUTS`.

    Raises:
        InputError: no such file, no response in the folder, no distance for one, no four channels, silence, a clipped direct sound, no clear direct
            sound, a decay that drowns in noise, a direction more than 20 degrees from what the file says, or SOFA without h5py.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; give a folder of measured responses, or one file")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} has no measured responses; put WAV, FLAC or SOFA files of four channels there")
    return Responses(tuple(_finished(raw, layout) for raw in _read_all(files, layout)))


def render_events(scene: Scene, catalogue: Catalogue, responses: Responses, samples: int) -> Float32[np.ndarray, "4 samples"]:
    """All events of a scene in a measured room, without ambience and microphone; directivity is what the measuring loudspeaker had.

    Raises InputError for another kind of room, an event that moves, a listener that moves or turns, or a response that is not there.
    """
    if scene.room.kind != "measured":
        raise InputError(f"scene {scene.scene_id}: measured responses render a room of kind 'measured', not {scene.room.kind!r}")
    moving = [event.label for event in scene.events if event.moving] or (["the listener"] if scene.listener.moving else [])
    if moving:
        raise InputError(f"scene {scene.scene_id}: {moving[0]} moves; a measured response holds for one place: give its path one place")
    parts = []
    for event in scene.events:
        heard = rotate(responses.of(event.response).foa, event.response_yaw_deg - scene.listener.yaw_deg)
        parts.append((dry_signal(event, catalogue), round(event.onset_s * SAMPLE_RATE_HZ), heard))
    return convolve_sum(parts, samples)


def place_in(scene: Scene, responses: Responses, rng: np.random.Generator) -> Scene:
    """A drawn scene moved into a measured room: every event gets a drawn response, and its place from it; the listener stands at (0, 0, 0), turned as
    before, and nothing moves.

    With more events than responses, some responses are used again, turned by 40 to 320 degrees: an approximation, because the room turns with them.
    The ambience keeps its `snr_db`.
    """
    order = rng.permutation(len(responses.items))
    events = []
    for number, event in enumerate(scene.events):
        response = responses.items[int(order[number % order.size])]
        yaw_deg = round(float(rng.uniform(*REPEAT_YAW_DEG)), 1) if number >= order.size else 0.0
        x, y, z = (response.distance_m * unit_vector(response.azimuth_deg + yaw_deg, response.elevation_deg)).round(4).tolist()
        events.append(_placed(event, response.name, wrap_deg(yaw_deg) + 0.0, (x, y, z)))  # no -0
    moved = scene.model_copy(
        update={
            "room": Room(kind="measured", rt60_s=responses.rt60_s),
            "listener": Listener(yaw_deg=scene.listener.yaw_deg),
            "events": tuple(events),
        }
    )
    if moved.events and moved.ambience.snr_db is not None:
        level_db = max(moved.received_db(event) for event in moved.events) - moved.ambience.snr_db
        moved = moved.model_copy(update={"ambience": moved.ambience.model_copy(update={"level_db": round(level_db, 2)})})
    return Scene.model_validate(moved.model_dump())


def _placed(event: Event, response: str, yaw_deg: float, position_m: tuple[float, float, float]) -> Event:
    path = (Waypoint(time_s=0.0, position_m=position_m),)
    return event.model_copy(update={"response": response, "response_yaw_deg": yaw_deg, "path": path, "directivity": "omni", "facing_deg": 0.0})


def _read_all(files: list[Path], layout: str) -> Iterator[_Raw]:
    places = _read_csv(files[0].parent / CSV_NAME, [file.name for file in files if file.suffix.lower() != ".sofa"])
    for file in files:
        if file.suffix.lower() == ".sofa":
            for name, audio, rate_hz, offset_m in read_sofa(file):
                distance_m = float(np.linalg.norm(offset_m))
                yield _Raw(name, audio, rate_hz, distance_m, offset_m / max(distance_m, 1e-9))
        else:
            read_foa(file, layout=layout)  # all its checks; what follows needs the samples before resampling
            audio, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
            yield _Raw(file.name, np.ascontiguousarray(audio.T[:4]), rate_hz, *places[file.name])


def _read_csv(path: Path, names: list[str]) -> dict[str, tuple[float, Float[np.ndarray, " 3"] | None]]:
    """Distance and direction of each file, as the table says."""
    if not names:
        return {}
    wanted = "columns file,distance_m and, if known, azimuth_deg,elevation_deg (degrees, left and up positive)"
    if not path.is_file():
        raise InputError(f"how far the source of {names[0]} was is not known; write {path} with the {wanted}, one line for each file")
    places: dict[str, tuple[float, Float[np.ndarray, " 3"] | None]] = {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        for number, row in enumerate(csv.DictReader(stream, skipinitialspace=True), 2):
            try:
                angles = [row.get("azimuth_deg"), row.get("elevation_deg")]
                direction = unit_vector(float(angles[0]), float(angles[1] or 0.0)) if angles[0] else None
                places[row["file"]] = (float(row["distance_m"]), direction)
            except (KeyError, TypeError, ValueError):
                raise InputError(f"{path} line {number} cannot be read: {row}; it needs the {wanted}") from None
    missing = [name for name in names if name not in places]
    if missing:
        raise InputError(f"{path} has no line for {', '.join(missing[:5])}; it needs the {wanted}")
    return places


def _finished(raw: _Raw, layout: str) -> Response:
    if not (math.isfinite(raw.distance_m) and raw.distance_m >= MIN_DISTANCE_M):
        raise InputError(f"{raw.name}: the source is {raw.distance_m} m from the microphone; at least {MIN_DISTANCE_M} m is needed")
    _check_signal(raw)
    foa = to_ambix(raw.audio, layout)
    if raw.sample_rate_hz != SAMPLE_RATE_HZ:
        foa = np.ascontiguousarray(soxr.resample(foa.T, raw.sample_rate_hz, SAMPLE_RATE_HZ, quality="HQ").T)
    onset = onset_sample(foa[0])
    peak = onset + int(np.argmax(np.abs(foa[0, onset : onset + round(0.001 * SAMPLE_RATE_HZ)])))
    first, last = max(peak - round(BEFORE_S * SAMPLE_RATE_HZ), 0), peak + round(AFTER_S * SAMPLE_RATE_HZ)
    direct = foa[:, first:last].astype(float)
    _check_direct(raw.name, foa[0].astype(float), direct[0], first)
    azimuth_deg, elevation_deg, _ = intensity_direction(direct)
    _check_direction(raw, azimuth_deg, elevation_deg, layout)
    rt60_s, length_s = _decay(raw.name, foa[0].astype(float))
    start = peak - round(raw.distance_m / speed_of_sound_m_s() * SAMPLE_RATE_HZ)  # the sample of emission
    trimmed = np.zeros((4, peak - start + round(length_s * SAMPLE_RATE_HZ)), np.float32)
    end = min(start + trimmed.shape[1], foa.shape[1])
    trimmed[:, max(first, start) - start : end - start] = foa[:, max(first, start) : end]
    fade = min(round(FADE_S * SAMPLE_RATE_HZ), end - peak)
    trimmed[:, end - start - fade : end - start] *= np.cos(0.5 * np.pi * (np.arange(fade) + 1) / fade).astype(np.float32)
    trimmed *= np.float32(1 / (raw.distance_m * np.linalg.norm(direct[0])))
    return Response(raw.name, trimmed[:, : end - start], azimuth_deg, elevation_deg, raw.distance_m, rt60_s)


def _check_signal(raw: _Raw) -> None:
    peak = float(np.abs(raw.audio).max(initial=0.0))
    if not math.isfinite(peak):
        raise InputError(f"{raw.name} has NaN or infinite samples; export it again")
    if not np.abs(raw.audio).max(axis=1).all():
        raise InputError(f"{raw.name} has a silent channel; all four of a first-order response are needed")
    top = np.abs(raw.audio) >= 0.9995 * peak
    if peak >= 0.98 and np.any(top[:, 2:] & top[:, 1:-1] & top[:, :-2]):
        raise InputError(f"{raw.name} is clipped: several samples in a row stand at its peak of {peak:.3f}; measure it again at a lower level")


def _check_direct(name: str, w: Float[np.ndarray, " samples"], direct: Float[np.ndarray, " window"], first: int) -> None:
    """The direct sound must stand out over what comes before it, or over the end of the response when nothing does."""
    quiet = w[:first] if first >= 48 else w[-max(w.size // 10, 1) :]
    over_db = 10 * math.log10(max(float(np.mean(direct**2)), 1e-30) / max(float(np.mean(quiet**2)), 1e-30))
    if over_db < MIN_DIRECT_DB:
        raise InputError(
            f"{name} has no clear direct sound: it is {over_db:.0f} dB over the noise and {MIN_DIRECT_DB:.0f} dB are needed; is it a room response?"
        )


def _check_direction(raw: _Raw, azimuth_deg: float, elevation_deg: float, layout: str) -> None:
    if raw.direction is None:
        return
    apart_deg = float(angle_between_deg(unit_vector(azimuth_deg, elevation_deg), raw.direction))
    if apart_deg > MAX_DISAGREEMENT_DEG:
        raise InputError(
            f"{raw.name}: the direct sound comes from azimuth {azimuth_deg:.0f}°, elevation {elevation_deg:.0f}°, which is {apart_deg:.0f}° from where the "
            f"source is said to be; the layout is probably not {layout!r}, or the angles are counted clockwise"
        )


def _decay(name: str, w: Float[np.ndarray, " samples"]) -> tuple[tuple[float, ...], float]:
    """Reverberation times, and how long after the direct sound the response rises over its noise in some band, seconds."""
    decay = decay_of(w)
    known = np.flatnonzero(np.isfinite(decay.rt60_s))
    if not np.isfinite(decay.rt60_s[2:4]).all():
        range_db = float(np.min(decay.range_db[2:4]))
        raise InputError(
            f"{name}: no reverberation time can be measured at 500 Hz and 1 kHz, where it falls by {range_db:.0f} dB before noise or its end and 35 dB are "
            "needed; use a longer or less noisy measurement"
        )
    filled = decay.rt60_s[known[np.argmin(np.abs(np.arange(decay.rt60_s.size)[:, None] - known), axis=1)]]
    return tuple(filled.round(4).tolist()), float(np.max((decay.rt60_s * np.minimum(decay.range_db, 90.0) / 60)[known]))
