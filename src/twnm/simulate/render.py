"""A Scene made audible: dry clips through the room's responses, plus diffuse ambience; AmbiX, 24 kHz, float32.

What rendering draws (the places of the noise) comes from the scene's seed, so that a scene gives the same samples in every process.
"""

import math

import numpy as np
from jaxtyping import Float32

from twnm.audio import SAMPLE_RATE_HZ
from twnm.errors import InputError
from twnm.scene import Scene
from twnm.simulate.ambience import ambience
from twnm.simulate.convolve import convolve_sum
from twnm.simulate.dry import dry_signal
from twnm.simulate.rir import room_response, room_tail
from twnm.sounds.catalogue import Catalogue

PEAK = 0.95
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
    audio += ambience(scene.ambience, samples, np.random.default_rng([*scene.seed, _AMBIENCE_STREAM]), catalogue)
    peak = max(float(audio.max(initial=0.0)), -float(audio.min(initial=0.0)))
    gain_db = 0.0
    if peak > PEAK:
        gain_db = 20 * math.log10(PEAK / peak) - 1e-4
        audio *= np.float32(10 ** (gain_db / 20))
    return audio, scene.model_copy(update={"output_gain_db": gain_db})


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
