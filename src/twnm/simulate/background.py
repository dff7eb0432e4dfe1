"""The diffuse background of a drawn scene: noise, many voices, or recordings of what makes backgrounds."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from twnm.scene import Ambience, Scene
from twnm.simulate.clips import ClipPool
from twnm.simulate.recipe import AmbienceRecipe
from twnm.simulate.situations import SITUATIONS
from twnm.sounds.catalogue import Clip

NOISES: Final = ("white", "pink", "brown")
BACKGROUNDS: Final = ("aircraft", "bird_song", "engine", "fire_crackling", "rain", "running_water", "train", "wind")
SPEECH: Final = ("female_speech", "male_speech")
BABBLE_VOICES: Final = (4, 8)
RECORDINGS: Final = 4
SILENT_SCENE_DB: Final = -30.0


def draw_ambience(rng: np.random.Generator, recipe: AmbienceRecipe, scene: Scene, pool: ClipPool) -> Ambience:
    """A background at a drawn level below the loudest event; coloured noise where the drawn kind has no fitting clips."""
    snr_db = round(float(rng.uniform(*recipe.snr_db)), 1)
    loudest_db = max((scene.received_db(event) for event in scene.events), default=SILENT_SCENE_DB)
    kind = recipe.draw(rng)
    labels = {event.label for event in scene.events}
    clips: tuple[str, ...] = ()
    if kind == "babble":
        clips = _draw_voices(rng, pool, labels)
    elif kind == "recording":
        clips = _draw_recordings(rng, pool, labels, scene.situation)
    if not clips:
        kind = NOISES[int(rng.integers(len(NOISES)))]
    heard = sorted({pool.catalogue.clip(path).label for path in clips})
    return Ambience.model_validate({"kind": kind, "clips": clips, "labels": heard, "level_db": round(loudest_db - snr_db, 2), "snr_db": snr_db})


def _draw_voices(rng: np.random.Generator, pool: ClipPool, labels: set[str]) -> tuple[str, ...]:
    """Voices of different speakers as far as there are; none when someone speaks in the scene, whose presence the babble would hide."""
    speech = [label for label in SPEECH if label in pool.labels]
    if labels & set(SPEECH) or not speech:
        return ()
    drawn: list[Clip] = [pool.draw(rng, speech[int(rng.integers(len(speech)))]) for _ in range(3 * BABBLE_VOICES[1])]
    voices = {clip.speaker or clip.path: clip.path for clip in drawn}
    count = int(rng.integers(BABBLE_VOICES[0], BABBLE_VOICES[1] + 1))
    chosen = dict.fromkeys([*voices.values(), *(clip.path for clip in drawn)])
    return tuple(chosen)[:count]


def _draw_recordings(rng: np.random.Generator, pool: ClipPool, labels: set[str], situation: str) -> tuple[str, ...]:
    """Up to four clips of one class that no event has, of those that the situation has in its background."""
    allowed: Sequence[str] = SITUATIONS[situation].backgrounds if situation else BACKGROUNDS
    free = [label for label in allowed if label in pool.labels and label not in labels]
    if not free:
        return ()
    label = free[int(rng.integers(len(free)))]
    return tuple(dict.fromkeys(pool.draw(rng, label).path for _ in range(RECORDINGS)))
