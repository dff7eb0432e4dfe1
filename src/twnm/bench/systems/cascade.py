"""The cascade: the spatial encoder's slots say what is where and when, arithmetic answers; no language model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from twnm.audio import SAMPLE_RATE_HZ
from twnm.bench.costs import Sounding
from twnm.bench.symbolic import Estimate
from twnm.bench.systems.base import Labels, Question, Recording, Reply
from twnm.bench.systems.told import hear_and_tell
from twnm.model.hear import HeardObject, HeardRoom, hear_clips, mean_room, read_objects, read_room
from twnm.model.hearing import as_heard
from twnm.model.link import cut_windows, later, link
from twnm.model.loading import SHIPPED, load_encoder
from twnm.model.notes import heard_scene
from twnm.model.semantic import SemanticEncoder, default_semantic
from twnm.model.slots import SlotEncoder
from twnm.model.turned import ALL_POSES, Pose
from twnm.questions.facts import facts_of
from twnm.sounds.classes import spoken


class Cascade:
    """`load` gives the one of a weights folder; `poses` are those in which it hears (`twnm.model.turned`)."""

    name = "cascade"
    poses: Sequence[Pose] = ALL_POSES
    labels = Labels(
        input="foa",
        trained_on="scenes of the train split",
        output="constrained",
        spatial_access="all four channels, by the spatial encoder, which also reads YAMNet (AudioSet) on W; trained on scenes, not on questions",
    )

    def __init__(self, encoder: SlotEncoder, semantic: SemanticEncoder) -> None:
        self.encoder, self.semantic = encoder, semantic

    @torch.no_grad()
    def listen(self, foa: Float32[np.ndarray, "4 samples"]) -> Estimate:
        """The objects and the room of a recording, AmbiX at 24 kHz, in windows of 5 s."""
        duration_s = foa.shape[1] / SAMPLE_RATE_HZ
        found: list[HeardObject] = []
        rooms: list[HeardRoom] = []
        for start_s, audio in cut_windows(torch.from_numpy(foa)):
            output, _ = hear_clips(self.encoder, self.semantic, audio[None], self.poses)
            found += [later(it, start_s, duration_s) for it in read_objects(output, 0, self.encoder.config.classes)]
            rooms.append(read_room(output, 0))
        kept = link([it for it in found if it.onset_s < duration_s])
        room = mean_room(rooms)
        objects = tuple(self._sounding(it, room, duration_s) for it in kept)
        return Estimate(objects, duration_s, room.rt60_s if room.has_walls else None)

    def _sounding(self, it: HeardObject, room: HeardRoom, duration_s: float) -> Sounding:
        chances = {spoken(label): chance for label, chance in zip(self.encoder.config.classes, it.chances, strict=True)}
        (followed,) = facts_of(heard_scene([it], room, duration_s=duration_s, follow=[it.label])).sources
        return Sounding(as_heard(it), chances, followed.motion)

    def answer(self, recording: Recording, questions: Sequence[Question]) -> list[Reply]:
        """Listens once, then answers every question."""
        return hear_and_tell(self.listen, recording, questions)


def load(folder: Path = SHIPPED) -> Cascade:
    """The cascade with the encoder of a weights folder and YAMNet from the cache; raises InputError when one is absent, with how to get it."""
    return Cascade(load_encoder(folder), default_semantic())
