"""A Scene made audible: its events in their room, the diffuse ambience, the microphone; AmbiX, 24 kHz, float32.

What rendering draws (the places of the noise) comes from the scene's seed, so that a scene gives the same samples in every process.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float32

from twnm.ambisonics import rotate
from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.scene import Event, Listener, Room, Scene
from twnm.simulate.ambience import ambience
from twnm.simulate.convolve import Part, convolve_sum
from twnm.simulate.dry import dry_signal
from twnm.simulate.microphone import record
from twnm.simulate.moving import render_moving
from twnm.simulate.recipe import Fidelity
from twnm.simulate.rir import response_in_room, room_tail
from twnm.sounds.catalogue import Catalogue

if TYPE_CHECKING:
    from twnm.simulate.measured import Responses

Renderer = Literal["native", "pyroomacoustics"]
PEAK = 0.95
_RENDER_STREAM = 1
_AMBIENCE_STREAM = 2
_MICROPHONE_STREAM = 3


def render(
    scene: Scene, catalogue: Catalogue, renderer: Renderer = "native", responses: "Responses | None" = None, fidelity: Fidelity = "microphone"
) -> tuple[Float32[np.ndarray, "4 samples"], Scene]:
    """Render a scene whose room is known.

    Args:
        scene: what to render; nothing in it is changed but `renderer` and `output_gain_db`, and what a lower fidelity leaves out.
        catalogue: has the clips of the events and of the ambience.
        renderer: `pyroomacoustics` renders the events of a simulated room by that library instead.
        responses: of a measured room.
        fidelity: less than "microphone" leaves physics out of a native rendering, to measure what they are worth.

    Returns:
        The audio, and the scene with `renderer` and `output_gain_db` set: 0 unless a sample would exceed 0.95.

    Raises:
        InputError: a room of kind "unknown", a measured room without its responses, a clip that is not in the catalogue, a lower fidelity of another
            rendering than the native one.
    """
    if fidelity != "microphone":
        scene = _simpler(scene, renderer, fidelity)
    samples = round(scene.duration_s * SAMPLE_RATE_HZ)
    audio = _render_events(scene, catalogue, samples, renderer, responses, late=fidelity != "images")
    audio += ambience(scene.ambience, samples, np.random.default_rng([*scene.seed, _AMBIENCE_STREAM]), catalogue)
    if scene.microphone is not None:
        audio = record(audio, scene.microphone, np.random.default_rng([*scene.seed, _MICROPHONE_STREAM]))
    peak = max(float(audio.max(initial=0.0)), -float(audio.min(initial=0.0)))
    gain_db = 0.0
    if peak > PEAK:
        gain_db = 20 * math.log10(PEAK / peak) - 1e-4
        audio *= np.float32(10 ** (gain_db / 20))
    return audio, scene.model_copy(update={"output_gain_db": gain_db, "renderer": "measured" if scene.room.kind == "measured" else renderer})


def _simpler(scene: Scene, renderer: Renderer, fidelity: Fidelity) -> Scene:
    """The scene without what a fidelity leaves out."""
    if renderer != "native" or scene.room.kind == "measured":
        raise InputError(f"scene {scene.scene_id}: fidelity {fidelity!r} is for native renderings of simulated rooms")
    changes: dict[str, object] = {"microphone": None}
    if fidelity == "direct" and scene.room.kind != "unknown":
        changes["room"] = Room(kind="free", temperature_c=scene.room.temperature_c, humidity_percent=scene.room.humidity_percent)
    return scene.model_copy(update=changes)


def _render_events(
    scene: Scene, catalogue: Catalogue, samples: int, renderer: Renderer, responses: "Responses | None", late: bool
) -> Float32[np.ndarray, "4 samples"]:
    if scene.room.kind == "unknown":
        raise InputError(f"scene {scene.scene_id}: a room of kind 'unknown' cannot be rendered; give a room that is known")
    if scene.room.kind == "measured":
        from twnm.simulate import measured

        if responses is None:
            raise InputError(f"scene {scene.scene_id}: its room was measured; give the room responses it was placed in")
        return measured.render_events(scene, catalogue, responses, samples)
    if renderer == "pyroomacoustics":
        from twnm.simulate import foreign

        return foreign.render_events(scene, catalogue, samples)
    return _render_native(scene, catalogue, samples, late)


def _render_native(scene: Scene, catalogue: Catalogue, samples: int, late: bool) -> Float32[np.ndarray, "4 samples"]:
    """All events, in the room's axes, then turned as the listener turns; without `late` the diffuse tail is silent."""
    tail = room_tail(scene.room)
    if tail is not None and not late:
        tail = replace(tail, amplitude=np.zeros_like(tail.amplitude))
    audio = np.zeros((4, samples), np.float32)
    short: list[Part] = []
    long: list[Part] = []
    for number, event in enumerate(scene.events):
        dry = dry_signal(event, catalogue)
        seed = [*scene.seed, number, _RENDER_STREAM]
        if _at_rest(event, scene.listener):
            place = (scene.room, scene.listener.position_m, event.path[0].position_m)
            response = response_in_room(*place, tail, np.random.default_rng(seed), event.directivity, event.facing_deg)
            long.append((dry, round(event.onset_s * SAMPLE_RATE_HZ), response))
        else:
            early, images, tails = render_moving(scene, event, dry, samples, tail, seed)
            audio += early
            short += images
            long += tails
    for parts in (short, long):  # apart, because transforms are as long as the longest response
        if parts:
            audio += convolve_sum(parts, samples)
    return face(audio, scene.listener)


def _at_rest(event: Event, listener: Listener) -> bool:
    """Whether neither the source nor the listener changes its place; a listener who only turns is at rest."""
    return not event.moving and all(pose.position_m == listener.position_m for pose in listener.path)


def face(audio: Float32[np.ndarray, "4 samples"], listener: Listener) -> Float32[np.ndarray, "4 samples"]:
    """What a microphone in the room's axes hears, as the listener hears it, who looks elsewhere or turns."""
    if not listener.moving:
        return rotate(audio, -listener.yaw_deg) if listener.yaw_deg else audio
    yaw = np.radians(listener.yaw_at(np.arange(audio.shape[1]) / SAMPLE_RATE_HZ)).astype(np.float32)
    w, y, z, x = audio
    return np.stack([w, y * np.cos(yaw) - x * np.sin(yaw), z, y * np.sin(yaw) + x * np.cos(yaw)])
